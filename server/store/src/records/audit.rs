//! The audit log.

use crate::record::record;
use serde::{Deserialize, Serialize};

/// One entry. Its content is JSON text, so that what old entries say never has to be converted and
/// their hashes hold for ever.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Rises by one with each entry, from 1.
    pub seq: u64,
    /// The entry as JSON.
    pub body: String,
    /// SHA-256 over the hash of the entry before, `seq` as 8 bytes big endian, and `body`.
    pub hash: [u8; 32],
}
record!(AuditRecord, kind 9, schema 1, table "audit", u64, |r| r.seq);

/// Where the log ends: an entry that is cut off at its end shows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AuditHeadRecord {
    /// Number of the newest entry; 0 when there is none.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}
record!(AuditHeadRecord, kind 10, schema 1, table "audit_head", (), |_r| ());
