//! The SCSI disk behind the target: command blocks in, status, sense and data out.
//!
//! `cdb` reads commands, `pages` and `opcodes` build answers, `reserve` keeps reservations: pure.
//! `unit` is the disk that all sessions of a target share and `run` executes on it; both reach data
//! only through [`engine::export::BlockDevice`].

pub mod cdb;
mod opcodes;
mod pages;
mod reserve;
mod run;
pub mod sense;
mod thin;
mod unit;

pub use cdb::Cdb;
pub use run::{Ending, Plan, Transfer, absent};
pub use sense::{SENSE_LEN, Sense, status};
pub use unit::{Nexus, Unit};
