//! DHCP in full mode (RFC 2131): one scope on each boot network.

mod boots;
mod daemon;
mod dispatch;
mod facts;
mod reply;
pub mod session;
pub mod wire;

pub use daemon::{Dhcp, DhcpError};
pub use dispatch::Boots;
pub use reply::{Answer, Destination, Settings};
