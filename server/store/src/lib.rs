//! The embedded database: typed tables over one redb file, and a writer that makes many changes
//! durable with one commit.
//!
//! The only crate that names redb (an import test holds that) and the only module that names
//! bincode is [`codec`]. Nothing is acknowledged before it is on stable storage: [`Store::write`]
//! resolves after the commit that holds the change was synced.

pub mod codec;
mod db;
mod error;
mod key;
mod record;
#[cfg(feature = "recorder")]
pub mod recorder;
mod records;
mod store;
mod tx;
mod writer;

pub use error::{Error, Result};
pub use key::{BootKey, Key, LeaseKey, ScopePrefix};
pub use record::Record;
pub use records::*;
pub use store::{Stats, Store};
pub use tx::{Read, ReadTx, Tx};
