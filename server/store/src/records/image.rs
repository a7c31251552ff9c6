//! Images.

use crate::{
    Record,
    codec::{CodecError, decode_payload},
};
use serde::{Deserialize, Serialize};
use types::{Channel, ClientId, ImageId, ImageState, Timestamp, VersionId};

/// A disk that clients boot from, with all its versions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Its id.
    pub id: ImageId,
    /// Unique.
    pub name: String,
    /// How far its import is.
    pub state: ImageState,
    /// Size of the disk, bytes.
    pub size_bytes: u64,
    /// When its import began.
    pub created_at: Timestamp,
    /// Why the import failed.
    pub error: Option<String>,
    /// The oldest first; the first one is what was imported.
    pub versions: Vec<StoredVersion>,
    /// How many versions were ever made.
    pub numbered: u32,
    /// What each channel is at.
    pub channels: StoredChannels,
    /// What production was at before it was moved the last time.
    pub previous: Option<VersionId>,
    /// Who makes the next version.
    pub superclient: Option<ClientId>,
    /// Of one computer, which keeps what it writes.
    pub is_private: bool,
    /// Raised by one with each change.
    pub revision: u64,
}

/// A version of an image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredVersion {
    /// Its files are named after it.
    pub id: VersionId,
    /// Unique in its image.
    pub number: u32,
    /// What it is made on.
    pub parent: Option<VersionId>,
    /// What it is for.
    pub comment: String,
    /// The name of who made it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
    /// Bytes it takes on our disk, without what is below it.
    pub allocated_bytes: u64,
    /// SHA-256 of its files: of the whole disk for one that is made on no other. None while its import
    /// runs, and for one that was made before there were such sums.
    pub sha256: Option<[u8; 32]>,
    /// The computer whose disk it is a snapshot of; None: it is for channels.
    pub snapshot_of: Option<ClientId>,
    /// A snapshot that was taken by schedule, and goes by it.
    pub is_scheduled: bool,
}

/// What each channel is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoredChannels {
    /// Of all computers that are told nothing else.
    pub production: VersionId,
    /// Of those that try first.
    pub test: VersionId,
    /// Of the superclient.
    pub maintenance: VersionId,
}

impl StoredChannels {
    /// All at one version.
    pub fn all_at(version: VersionId) -> StoredChannels {
        StoredChannels {
            production: version,
            test: version,
            maintenance: version,
        }
    }

    /// What a channel is at.
    pub fn get(&self, channel: Channel) -> VersionId {
        match channel {
            Channel::Production => self.production,
            Channel::Test => self.test,
            Channel::Maintenance => self.maintenance,
        }
    }

    /// Moves a channel.
    pub fn set(&mut self, channel: Channel, version: VersionId) {
        match channel {
            Channel::Production => self.production = version,
            Channel::Test => self.test = version,
            Channel::Maintenance => self.maintenance = version,
        }
    }
}

impl ImageRecord {
    /// SHA-256 of the whole disk as it was imported, while that version is there.
    pub fn imported_sha256(&self) -> Option<[u8; 32]> {
        self.versions.iter().find(|v| v.number == 1)?.sha256
    }
}

impl Record for ImageRecord {
    const KIND: u8 = 2;
    const SCHEMA: u16 = 4;
    const TABLE: &'static str = "images";
    type Key = ImageId;

    fn key(&self) -> ImageId {
        self.id
    }

    fn upgrade(schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            1 => decode_payload::<Image1>(payload).map(Self::from),
            2 => decode_payload::<Image2>(payload).map(Self::from),
            3 => decode_payload::<Image3>(payload).map(Self::from),
            found => Err(CodecError::Schema {
                found,
                newest: Self::SCHEMA,
            }),
        }
    }
}

/// Schema 1 of [`ImageRecord`]: one version, whose file has the name of the image.
#[derive(Deserialize)]
struct Image1 {
    id: ImageId,
    name: String,
    state: ImageState,
    size_bytes: u64,
    allocated_bytes: u64,
    sha256: Option<[u8; 32]>,
    created_at: Timestamp,
    error: Option<String>,
    revision: u64,
}

impl From<Image1> for ImageRecord {
    fn from(old: Image1) -> Self {
        let first = VersionId(old.id.0);
        ImageRecord {
            id: old.id,
            name: old.name,
            state: old.state,
            size_bytes: old.size_bytes,
            created_at: old.created_at,
            error: old.error,
            versions: vec![StoredVersion {
                id: first,
                number: 1,
                parent: None,
                comment: String::new(),
                author: String::new(),
                created_at: old.created_at,
                allocated_bytes: old.allocated_bytes,
                sha256: old.sha256,
                snapshot_of: None,
                is_scheduled: false,
            }],
            numbered: 1,
            channels: StoredChannels::all_at(first),
            previous: None,
            superclient: None,
            is_private: false,
            revision: old.revision,
        }
    }
}

/// Schema 2 of [`ImageRecord`]: only what was imported has a checksum.
#[derive(Deserialize)]
struct Image2 {
    id: ImageId,
    name: String,
    state: ImageState,
    size_bytes: u64,
    sha256: Option<[u8; 32]>,
    created_at: Timestamp,
    error: Option<String>,
    versions: Vec<Version2>,
    numbered: u32,
    channels: StoredChannels,
    previous: Option<VersionId>,
    superclient: Option<ClientId>,
    revision: u64,
}

#[derive(Deserialize)]
struct Version2 {
    id: VersionId,
    number: u32,
    parent: Option<VersionId>,
    comment: String,
    author: String,
    created_at: Timestamp,
    allocated_bytes: u64,
}

impl From<Image2> for ImageRecord {
    fn from(old: Image2) -> Self {
        let version = |v: Version2| StoredVersion {
            id: v.id,
            number: v.number,
            parent: v.parent,
            comment: v.comment,
            author: v.author,
            created_at: v.created_at,
            allocated_bytes: v.allocated_bytes,
            sha256: old.sha256.filter(|_| v.parent.is_none()),
            snapshot_of: None,
            is_scheduled: false,
        };
        ImageRecord {
            id: old.id,
            name: old.name,
            state: old.state,
            size_bytes: old.size_bytes,
            created_at: old.created_at,
            error: old.error,
            versions: old.versions.into_iter().map(version).collect(),
            numbered: old.numbered,
            channels: old.channels,
            previous: old.previous,
            superclient: old.superclient,
            is_private: false,
            revision: old.revision,
        }
    }
}

/// Schema 3 of [`ImageRecord`]: no snapshot is taken by schedule.
#[derive(Deserialize)]
struct Image3 {
    id: ImageId,
    name: String,
    state: ImageState,
    size_bytes: u64,
    created_at: Timestamp,
    error: Option<String>,
    versions: Vec<Version3>,
    numbered: u32,
    channels: StoredChannels,
    previous: Option<VersionId>,
    superclient: Option<ClientId>,
    is_private: bool,
    revision: u64,
}

#[derive(Deserialize)]
struct Version3 {
    id: VersionId,
    number: u32,
    parent: Option<VersionId>,
    comment: String,
    author: String,
    created_at: Timestamp,
    allocated_bytes: u64,
    sha256: Option<[u8; 32]>,
    snapshot_of: Option<ClientId>,
}

impl From<Image3> for ImageRecord {
    fn from(old: Image3) -> Self {
        let version = |v: Version3| StoredVersion {
            id: v.id,
            number: v.number,
            parent: v.parent,
            comment: v.comment,
            author: v.author,
            created_at: v.created_at,
            allocated_bytes: v.allocated_bytes,
            sha256: v.sha256,
            snapshot_of: v.snapshot_of,
            is_scheduled: false,
        };
        ImageRecord {
            id: old.id,
            name: old.name,
            state: old.state,
            size_bytes: old.size_bytes,
            created_at: old.created_at,
            error: old.error,
            versions: old.versions.into_iter().map(version).collect(),
            numbered: old.numbered,
            channels: old.channels,
            previous: old.previous,
            superclient: old.superclient,
            is_private: old.is_private,
            revision: old.revision,
        }
    }
}
