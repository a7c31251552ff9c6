//! DHCP (RFC 2131): in full mode on each boot network its own scope, and those of subnets behind relays;
//! in proxy mode boot information beside another server (PXE 2.1); in both the boot server on port 4011.

#[cfg(test)]
mod answers_tests;
mod beside;
mod boots;
mod daemon;
mod dispatch;
mod facts;
mod forms;
mod port;
mod probe;
pub mod proxy;
mod relay;
mod reply;
pub mod session;
pub mod wire;

pub use beside::Beside;
pub use daemon::{Dhcp, DhcpError};
pub use port::Boots;
pub use reply::{Answer, Destination, Settings};
