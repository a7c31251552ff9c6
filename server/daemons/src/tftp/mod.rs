//! TFTP, read only: RFC 1350 with the options of RFC 2347, 2348, 2349 and 7440.

mod daemon;
mod live;
pub mod session;
#[cfg(test)]
mod tests;
pub mod wire;

pub use daemon::{Rendered, Signals, Tftp};
pub use session::Limits;
