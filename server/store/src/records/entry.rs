//! Boot entries.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{BootEntryId, EntryKind, Timestamp};

/// Something that clients may boot. The built-in ones have no row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BootEntryRecord {
    /// Its id.
    pub id: BootEntryId,
    /// Unique.
    pub name: String,
    /// What it starts.
    pub kind: EntryKind,
    /// Of a kernel entry: file below `/f/`, or an address.
    pub kernel: String,
    /// Its initial RAM disks, as the kernel.
    pub initrds: Vec<String>,
    /// The kernel's command line.
    pub command_line: String,
    /// Whether the client's network disk is attached.
    pub attach_disk: bool,
    /// Of a script entry: its text.
    pub script: String,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(BootEntryRecord, kind 17, schema 1, table "boot_entries", BootEntryId, |r| r.id);
