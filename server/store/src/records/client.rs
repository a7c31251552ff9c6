//! Clients.

use super::secret::StoredSecret;
use crate::{
    Record,
    codec::{CodecError, decode_payload},
};
use serde::{Deserialize, Serialize};
use types::{
    BootEntryId, ClientId, ClientState, DiskId, GroupId, ImageId, LoaderKind, MacAddr, OverlayMode,
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
    /// The images of its data disks from its next boot on, in the order of their units.
    pub data_disks: Vec<ImageId>,
    /// Those that its last boot was given: unit 1 is the first, for as long as what was started then runs.
    pub given_disks: Vec<ImageId>,
}

impl ClientRecord {
    /// The images of all its disks, that of the disk that it starts from first.
    pub fn images(&self) -> impl Iterator<Item = ImageId> {
        self.image_id
            .into_iter()
            .chain(self.data_disks.iter().copied())
    }

    /// Its disk that is on that image; None when it has none from its next boot on.
    pub fn disk_on(&self, image: ImageId) -> Option<DiskId> {
        match self.image_id == Some(image) {
            true => Some(self.id.into()),
            false => self
                .data_disks
                .contains(&image)
                .then(|| DiskId::data(self.id, image)),
        }
    }

    /// The disks that its next boot finds: the one that it starts from, then its data disks.
    pub fn next_disks(&self) -> impl Iterator<Item = DiskId> {
        let data = self.data_disks.iter();
        let data = data.map(|image| DiskId::data(self.id, *image));
        std::iter::once(self.id.into()).chain(data)
    }

    /// The data disks that its last boot was given and its next one does not find.
    pub fn disks_let_go(&self) -> impl Iterator<Item = DiskId> {
        let given = self.given_disks.iter();
        let let_go = given.filter(|image| !self.data_disks.contains(image));
        let_go.map(|image| DiskId::data(self.id, *image))
    }

    /// All disks that it has or will have.
    pub fn disks(&self) -> impl Iterator<Item = DiskId> {
        self.next_disks().chain(self.disks_let_go())
    }
}

impl Record for ClientRecord {
    const KIND: u8 = 1;
    const SCHEMA: u16 = 5;
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
            4 => decode_payload::<Client4>(payload).map(Self::from),
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
            data_disks: Vec::new(),
            given_disks: Vec::new(),
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
            data_disks: Vec::new(),
            given_disks: Vec::new(),
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
            data_disks: Vec::new(),
            given_disks: Vec::new(),
        }
    }
}

/// Schema 4 of [`ClientRecord`]: one disk.
#[derive(Deserialize)]
struct Client4 {
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
    quota_bytes: Option<u64>,
    created_at: Timestamp,
    revision: u64,
}

impl From<Client4> for ClientRecord {
    fn from(old: Client4) -> Self {
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
            quota_bytes: old.quota_bytes,
            created_at: old.created_at,
            revision: old.revision,
            data_disks: Vec::new(),
            given_disks: Vec::new(),
        }
    }
}
