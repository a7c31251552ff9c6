//! The iSCSI target in the process (RFC 7143): login, discovery, sessions, and the SCSI disk behind.
//!
//! `wire`, `reply`, `text`, `params`, `chap` and `login` turn bytes into decisions without a socket or a clock;
//! `session` (with `data`, `cutter` and `discovery`) is the full feature phase; `scsi` is the disk; `frame` cuts
//! the byte stream; `pulse` speaks for a session that waits for its disk; `connection` and `daemon` own threads and sockets.

mod bytes;
mod chap;
mod connection;
mod cutter;
mod daemon;
mod data;
mod discovery;
mod frame;
mod login;
mod params;
mod pulse;
mod reply;
mod scsi;
mod session;
#[cfg(test)]
mod testing;
mod text;
pub mod wire;

pub use daemon::{IscsiServer, Limits, serve};
