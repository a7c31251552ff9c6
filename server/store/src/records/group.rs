//! Groups.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{BootEntryId, GroupId, LoaderKind, Timestamp};

/// Clients that share settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Its id.
    pub id: GroupId,
    /// Unique.
    pub name: String,
    /// What its clients boot; None leaves it to the setting for all.
    pub boot_entry_id: Option<BootEntryId>,
    /// The loader set; None leaves it to the setting for all.
    pub loader_set: Option<String>,
    /// The iPXE build of that set; None leaves it to the setting for all.
    pub loader: Option<LoaderKind>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(GroupRecord, kind 18, schema 1, table "groups", GroupId, |r| r.id);
