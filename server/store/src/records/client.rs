//! Clients.

use super::secret::StoredSecret;
use crate::{
    Record,
    codec::{CodecError, decode_payload},
};
use serde::{Deserialize, Serialize};
use types::{
    BootEntryId, ClientId, ClientState, GroupId, ImageId, LoaderKind, MacAddr, OverlayMode,
    Timestamp,
};

/// A computer that boots from us, or that was seen asking.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClientRecord {
    /// Its id.
    pub id: ClientId,
    /// Unique, a host name.
    pub name: String,
    /// Unique.
    pub mac: MacAddr,
    /// Whether it is ours yet.
    pub state: ClientState,
    /// What it boots.
    pub image_id: Option<ImageId>,
    /// What becomes of its overlay at each boot.
    pub mode: OverlayMode,
    /// A virtual computer of the lab.
    pub is_virtual: bool,
    /// The secret of its disk's CHAP login: 16 printable characters, made once.
    pub chap_secret: StoredSecret,
    /// The group that it is in.
    pub group_id: Option<GroupId>,
    /// What it boots; None leaves it to its group.
    pub boot_entry_id: Option<BootEntryId>,
    /// What it boots the next time; taken away before that script leaves.
    pub one_shot_id: Option<BootEntryId>,
    /// The loader set; None leaves it to its group.
    pub loader_set: Option<String>,
    /// The iPXE build of that set; None leaves it to its group.
    pub loader: Option<LoaderKind>,
    /// The most that its overlay may hold, bytes; None leaves it to the setting for all.
    pub quota_bytes: Option<u64>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// Raised by one with each change that its view shows.
    pub revision: u64,
}

impl Record for ClientRecord {
    const KIND: u8 = 1;
    const SCHEMA: u16 = 4;
    const TABLE: &'static str = "clients";
    type Key = ClientId;

    fn key(&self) -> ClientId {
        self.id
    }

    fn upgrade(schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            1 => decode_payload::<Client1>(payload).map(Self::from),
            2 => decode_payload::<Client2>(payload).map(Self::from),
            3 => decode_payload::<Client3>(payload).map(Self::from),
            found => Err(CodecError::Schema {
                found,
                newest: Self::SCHEMA,
            }),
        }
    }
}

/// Schema 1 of [`ClientRecord`], whose secret is not sealed.
#[derive(Deserialize)]
struct Client1 {
    id: ClientId,
    name: String,
    mac: MacAddr,
    state: ClientState,
    image_id: Option<ImageId>,
    mode: OverlayMode,
    is_virtual: bool,
    chap_secret: String,
    created_at: Timestamp,
    revision: u64,
}

impl From<Client1> for ClientRecord {
    fn from(old: Client1) -> Self {
        ClientRecord {
            id: old.id,
            name: old.name,
            mac: old.mac,
            state: old.state,
            image_id: old.image_id,
            mode: old.mode,
            is_virtual: old.is_virtual,
            chap_secret: StoredSecret::Plain(old.chap_secret.into()),
            group_id: None,
            boot_entry_id: None,
            one_shot_id: None,
            loader_set: None,
            loader: None,
            quota_bytes: None,
            created_at: old.created_at,
            revision: old.revision,
        }
    }
}

/// Schema 2 of [`ClientRecord`]: no group, and nothing to boot but its image.
#[derive(Deserialize)]
struct Client2 {
    id: ClientId,
    name: String,
    mac: MacAddr,
    state: ClientState,
    image_id: Option<ImageId>,
    mode: OverlayMode,
    is_virtual: bool,
    chap_secret: StoredSecret,
    created_at: Timestamp,
    revision: u64,
}

impl From<Client2> for ClientRecord {
    fn from(old: Client2) -> Self {
        ClientRecord {
            id: old.id,
            name: old.name,
            mac: old.mac,
            state: old.state,
            image_id: old.image_id,
            mode: old.mode,
            is_virtual: old.is_virtual,
            chap_secret: old.chap_secret,
            group_id: None,
            boot_entry_id: None,
            one_shot_id: None,
            loader_set: None,
            loader: None,
            quota_bytes: None,
            created_at: old.created_at,
            revision: old.revision,
        }
    }
}

/// Schema 3 of [`ClientRecord`]: its overlay may hold what it wants.
#[derive(Deserialize)]
struct Client3 {
    id: ClientId,
    name: String,
    mac: MacAddr,
    state: ClientState,
    image_id: Option<ImageId>,
    mode: OverlayMode,
    is_virtual: bool,
    chap_secret: StoredSecret,
    group_id: Option<GroupId>,
    boot_entry_id: Option<BootEntryId>,
    one_shot_id: Option<BootEntryId>,
    loader_set: Option<String>,
    loader: Option<LoaderKind>,
    created_at: Timestamp,
    revision: u64,
}

impl From<Client3> for ClientRecord {
    fn from(old: Client3) -> Self {
        ClientRecord {
            id: old.id,
            name: old.name,
            mac: old.mac,
            state: old.state,
            image_id: old.image_id,
            mode: old.mode,
            is_virtual: old.is_virtual,
            chap_secret: old.chap_secret,
            group_id: old.group_id,
            boot_entry_id: old.boot_entry_id,
            one_shot_id: old.one_shot_id,
            loader_set: old.loader_set,
            loader: old.loader,
            quota_bytes: None,
            created_at: old.created_at,
            revision: old.revision,
        }
    }
}
