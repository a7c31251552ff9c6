//! DHCP in full mode (RFC 2131): on each boot network its own scope, and those of subnets behind relays.

mod boots;
mod daemon;
mod dispatch;
mod facts;
mod probe;
mod relay;
mod reply;
pub mod session;
pub mod wire;

pub use daemon::{Dhcp, DhcpError};
pub use dispatch::Boots;
pub use reply::{Answer, Destination, Settings};
