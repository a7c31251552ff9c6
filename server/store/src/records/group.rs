//! Groups.

use super::scope::OptionRecord;
use crate::{
    Record,
    codec::{CodecError, decode_payload},
};
use serde::{Deserialize, Serialize};
use types::{BootEntryId, Channel, GroupId, LoaderKind, Timestamp};

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
    /// DHCP options of its clients.
    pub options: Vec<OptionRecord>,
    /// Which versions of their images its clients boot.
    pub channel: Channel,
}

impl Record for GroupRecord {
    const KIND: u8 = 18;
    const SCHEMA: u16 = 3;
    const TABLE: &'static str = "groups";
    type Key = GroupId;

    fn key(&self) -> GroupId {
        self.id
    }

    fn upgrade(schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            1 => decode_payload::<Group1>(payload).map(Self::from),
            2 => decode_payload::<Group2>(payload).map(Self::from),
            found => Err(CodecError::Schema {
                found,
                newest: Self::SCHEMA,
            }),
        }
    }
}

/// Schema 1 of [`GroupRecord`]: no options.
#[derive(Deserialize)]
struct Group1 {
    id: GroupId,
    name: String,
    boot_entry_id: Option<BootEntryId>,
    loader_set: Option<String>,
    loader: Option<LoaderKind>,
    created_at: Timestamp,
    revision: u64,
}

impl From<Group1> for GroupRecord {
    fn from(old: Group1) -> Self {
        GroupRecord {
            id: old.id,
            name: old.name,
            boot_entry_id: old.boot_entry_id,
            loader_set: old.loader_set,
            loader: old.loader,
            created_at: old.created_at,
            revision: old.revision,
            options: Vec::new(),
            channel: Channel::Production,
        }
    }
}

/// Schema 2 of [`GroupRecord`]: no channel.
#[derive(Deserialize)]
struct Group2 {
    id: GroupId,
    name: String,
    boot_entry_id: Option<BootEntryId>,
    loader_set: Option<String>,
    loader: Option<LoaderKind>,
    created_at: Timestamp,
    revision: u64,
    options: Vec<OptionRecord>,
}

impl From<Group2> for GroupRecord {
    fn from(old: Group2) -> Self {
        GroupRecord {
            id: old.id,
            name: old.name,
            boot_entry_id: old.boot_entry_id,
            loader_set: old.loader_set,
            loader: old.loader,
            created_at: old.created_at,
            revision: old.revision,
            options: old.options,
            channel: Channel::Production,
        }
    }
}
