//! Components that know no domain words beyond a boot's hops and an image's channels.

mod channel;
pub mod format;
mod icons;
mod pieces;
mod rail;
mod secret;
mod state;
mod text_area;
pub mod upload;

pub use channel::channel_word;
pub use icons::{Shape, StateShape};
pub use pieces::{Field, Password, Problems, Select, When, times};
pub use rail::{HopLabels, Rail};
pub use secret::Secret;
pub use state::{StateBadge, Status, hop_name, status};
pub use text_area::TextArea;
