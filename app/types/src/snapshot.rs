//! Snapshots: what a computer's disk held at a moment.

use crate::{ClientId, ImageId, Timestamp, VersionId};
use serde::{Deserialize, Serialize};

/// A snapshot of a computer's disk as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SnapshotView {
    pub id: VersionId,
    pub client_id: ClientId,
    pub client_name: String,
    pub image_id: ImageId,
    pub image_name: String,
    /// Its number among the versions of the image.
    pub number: u32,
    /// What it is for.
    pub comment: String,
    /// Who took it.
    pub author: String,
    pub created_at: Timestamp,
    /// What it holds on our disk, and what its removal frees.
    pub allocated_bytes: u64,
    /// It was taken by schedule: the oldest of these go by themselves.
    #[serde(default)]
    pub is_scheduled: bool,
}

/// The next snapshot of a computer's disk by schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NextSnapshotView {
    /// When it is due, or since when it is.
    pub at: Timestamp,
    /// Why one that is due is not taken yet; None: it is not due yet.
    pub waits: Option<SnapshotWait>,
}

/// Why a snapshot that is due waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SnapshotWait {
    /// Its computer runs, or used its disk until a moment ago.
    Running,
    /// It is its turn soon: they are taken one after the other.
    Turn,
    /// The last try failed, as its job says; it is tried again within a quarter of an hour.
    Failed,
}

impl SnapshotWait {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            SnapshotWait::Running => "waits until the computer is off",
            SnapshotWait::Turn => "its turn comes",
            SnapshotWait::Failed => "the last try failed, and there is another one soon",
        }
    }
}

/// A snapshot to take.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshotParams {
    /// A computer's name, id or Ethernet address; it is off, and keeps what it writes.
    pub client: String,
    /// What it is for, one line.
    #[serde(default)]
    pub comment: String,
}

/// An image to make of a version or a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CloneParams {
    /// The new image's name: letters, digits, hyphens, dots.
    pub name: String,
}
