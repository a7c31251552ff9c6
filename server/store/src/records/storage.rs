//! How the file system of the data folder filled.

use crate::record::record;
use serde::{Deserialize, Serialize};

/// One look, one an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StorageSampleRecord {
    /// Hours since 1970, UTC.
    pub hour: u64,
    /// Size of the file system, bytes.
    pub total_bytes: u64,
    /// What was free for us, bytes.
    pub free_bytes: u64,
}
record!(StorageSampleRecord, kind 50, schema 1, table "storage_samples", u64, |r| r.hour);
