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
    /// What it starts with this time; a computer may have another each time it gets power.
    pub firmware: LabFirmware,
}

/// The firmware of a virtual computer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LabFirmware {
    /// A BIOS whose network card's ROM is iPXE.
    #[default]
    Bios,
    /// UEFI (EDK2) with its own network stack.
    Uefi,
}

/// How a supervised task is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Running,
    /// It failed and waits to be started again.
    Restarting,
    /// It ended, because it was done or was told to.
    Stopped,
}

/// A long-lived task of the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TaskView {
    /// E.g. `http`, `boot-plane/br0`.
    pub name: String,
    pub state: TaskState,
    /// How often it was started again after a failure.
    pub restarts: u64,
    /// Why it failed the last time.
    pub last_error: Option<String>,
    /// When it got into this state.
    pub since: Timestamp,
}

/// What the log tells, as a filter: `info`, or `engine=debug,info`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogLevelView {
    pub level: String,
}
