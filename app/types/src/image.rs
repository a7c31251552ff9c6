//! Images: the disks that clients boot from.

use crate::{ImageId, Timestamp};
use serde::{Deserialize, Serialize};

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

/// An image as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ImageView {
    pub id: ImageId,
    pub name: String,
    pub state: ImageState,
    /// Size of the disk that a client sees.
    pub size_bytes: u64,
    /// What it takes on our disk; less than `size_bytes` when sparse.
    pub allocated_bytes: u64,
    /// SHA-256 of the whole disk, lower-case hex, once ready.
    pub sha256: Option<String>,
    /// Bytes received so far while importing.
    pub received_bytes: u64,
    pub created_at: Timestamp,
    /// Clients that boot from it.
    pub client_count: u32,
    pub error: Option<String>,
    pub revision: u64,
}
