//! The NBD server in the process: fixed newstyle, structured replies, block status, several
//! connections (`doc/proto.md` of the NetworkBlockDevice project).
//!
//! `wire` is the bytes, `handshake` what is answered before an export is chosen and `session` what
//! becomes of a request after; these three know no socket and no clock. `transmission` carries requests
//! out, `buffer` collects bytes on their way in and out, `connection` and `daemon` own threads and sockets.
//!
//! NBD has no login. Who may open what is told by the caller's address alone: see [`Doorkeeper`].

mod buffer;
mod connection;
mod daemon;
pub mod handshake;
mod large;
pub mod session;
#[cfg(test)]
mod testing;
mod transmission;
pub mod wire;

pub use crate::threads::serve;
pub use daemon::{Doorkeeper, Limits, NbdServer, Own, PORT};
