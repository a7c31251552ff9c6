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
