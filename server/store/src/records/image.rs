//! Images.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{ImageId, ImageState, Timestamp};

/// A disk that clients boot from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Its id; its file is named after it.
    pub id: ImageId,
    /// Unique.
    pub name: String,
    /// How far its import is.
    pub state: ImageState,
    /// Size of the disk, bytes.
    pub size_bytes: u64,
    /// Bytes it takes on our disk.
    pub allocated_bytes: u64,
    /// SHA-256 of the whole disk, once ready.
    pub sha256: Option<[u8; 32]>,
    /// When its import began.
    pub created_at: Timestamp,
    /// Why the import failed.
    pub error: Option<String>,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(ImageRecord, kind 2, schema 1, table "images", ImageId, |r| r.id);
