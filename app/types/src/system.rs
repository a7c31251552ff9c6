//! Facts about the server itself.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SystemInfoView {
    pub version: String,
    pub hostname: String,
    pub started_at: Timestamp,
    pub data_dir: String,
    pub disk_free_bytes: u64,
    pub disk_total_bytes: u64,
    pub memory_rss_bytes: u64,
    pub lab: LabView,
}

/// Whether virtual computers can be booted here.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LabView {
    pub available: bool,
    /// Why not, in plain words, when it is not.
    pub reason: Option<String>,
    pub running: Vec<String>,
}

/// A virtual computer to start in the lab.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LabBootParams {
    /// A known one boots again; None makes a new one.
    pub name: Option<String>,
}
