//! Images: the disks that clients boot from.

use crate::{ClientId, ImageId, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// Bytes are coming in.
    Importing,
    Ready,
    /// The import ended badly; nothing boots from it.
    Failed,
}

/// Which version of an image a computer boots.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// What every computer boots that is told nothing else.
    #[default]
    Production,
    /// What a few computers try first.
    Test,
    /// What the superclient boots, and what its changes are made on.
    Maintenance,
}

impl Channel {
    /// All of them, in the order of a list.
    pub const ALL: [Channel; 3] = [Channel::Production, Channel::Test, Channel::Maintenance];

    /// Its name, as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Production => "production",
            Channel::Test => "test",
            Channel::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No channel is called so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchChannel;

impl fmt::Display for NoSuchChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a channel is production, test or maintenance")
    }
}

impl std::error::Error for NoSuchChannel {}

impl FromStr for Channel {
    type Err = NoSuchChannel;
    fn from_str(s: &str) -> Result<Self, NoSuchChannel> {
        let all = Channel::ALL;
        all.into_iter()
            .find(|c| c.as_str() == s)
            .ok_or(NoSuchChannel)
    }
}

/// A version of an image as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VersionView {
    pub id: VersionId,
    /// Counts from 1 in its image, and is never given again.
    pub number: u32,
    /// The number of the version that it is made on; None for one of its own.
    pub parent: Option<u32>,
    /// What it is for.
    pub comment: String,
    /// Who made it.
    pub author: String,
    pub created_at: Timestamp,
    /// What it takes on our disk, without what is below it.
    pub allocated_bytes: u64,
    /// SHA-256 of its files, lower-case hex: of the whole disk for one that is made on no other. None for
    /// one that was made before there were such sums.
    pub sha256: Option<String>,
    /// The channels that are at it.
    pub channels: Vec<Channel>,
    /// The computer whose disk it is a snapshot of; no channel can be at it then.
    pub snapshot_of: Option<ClientId>,
    pub snapshot_of_name: Option<String>,
    /// A snapshot that was taken by schedule: the oldest of these go by themselves.
    #[serde(default)]
    pub is_scheduled: bool,
}

/// A change to a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateVersionParams {
    /// What it is for, one line.
    pub comment: String,
}

/// Where a channel is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoveChannelParams {
    /// The number of a version of the image.
    pub version: u32,
}

/// Which computer changes an image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SuperclientParams {
    /// A computer's name, id or Ethernet address; it boots this image.
    pub client: String,
}

/// A new version out of what the superclient wrote.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ApplyParams {
    /// What it is for, one line.
    pub comment: String,
}

/// A change to an image; what is absent stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateImageParams {
    pub name: Option<String>,
    /// True: one computer may have it, and keeps what it writes.
    pub private: Option<bool>,
}

/// An image as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ImageView {
    pub id: ImageId,
    pub name: String,
    pub state: ImageState,
    /// Size of the disk that a client sees.
    pub size_bytes: u64,
    /// What it takes on our disk with all its versions; less than `size_bytes` when sparse.
    pub allocated_bytes: u64,
    /// SHA-256 of the whole disk as it was imported, lower-case hex, once ready.
    pub sha256: Option<String>,
    /// Bytes received so far while importing.
    pub received_bytes: u64,
    pub created_at: Timestamp,
    /// Clients that boot from it.
    pub client_count: u32,
    /// Computers that have it as a data disk.
    pub data_client_count: u32,
    /// The oldest first.
    pub versions: Vec<VersionView>,
    /// What production was at before; a revert goes there.
    pub previous: Option<u32>,
    /// The computer whose changes become the next version.
    pub superclient_id: Option<ClientId>,
    pub superclient_name: Option<String>,
    /// Of one computer, which keeps what it writes.
    pub is_private: bool,
    pub error: Option<String>,
    pub revision: u64,
}
