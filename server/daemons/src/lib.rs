//! The network protocols, one folder each: `wire` (bytes to types), `session` (decides; no I/O,
//! time is an argument), `daemon` (sockets). Daemons ask the engine, never the store.

#[cfg(test)]
mod captures;
pub mod dhcp;
pub mod iscsi;
pub mod nbd;
pub mod ndp;
pub mod net;
mod sys;
pub mod tftp;
pub mod threads;

pub use sys::pace;
