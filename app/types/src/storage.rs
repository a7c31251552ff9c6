//! Where disks are kept and offered: what takes space, what is offered, and who uses it.

use crate::{ClientId, DiskId, ImageId, OverlayMode, Timestamp};
use serde::{Deserialize, Serialize};

/// When the file system of the data folder will be full, going by how it filled so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Forecast {
    /// It was not watched for long enough.
    Unknown,
    /// It does not grow, or so slowly that it does not matter for years.
    Steady,
    /// It grows like this.
    Full {
        /// Days until nothing is free.
        days: u32,
        /// What a day adds, bytes.
        daily_bytes: u64,
    },
}

/// The file system of the data folder. Bytes are those that files take on the disk, not their lengths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StorageView {
    /// When it was looked at.
    pub measured_at: Timestamp,
    pub total_bytes: u64,
    /// What NSBoot may still write.
    pub free_bytes: u64,
    /// The first versions of images.
    pub images_bytes: u64,
    /// The later versions: what differs from the one below.
    pub versions_bytes: u64,
    /// What computers wrote.
    pub overlays_bytes: u64,
    pub loaders_bytes: u64,
    pub database_bytes: u64,
    /// Everything else on that file system, with what it keeps for root.
    pub other_bytes: u64,
    pub forecast: Forecast,
    /// Below so much of the whole it warns (the setting `storage.warn_free_percent`).
    pub warn_free_percent: u8,
    /// Less is free than that.
    pub is_low: bool,
}

impl StorageView {
    /// What is free, in per cent of all, rounded down.
    pub fn free_percent(&self) -> u8 {
        let percent = u128::from(self.free_bytes) * 100 / u128::from(self.total_bytes.max(1));
        u8::try_from(percent).unwrap_or(100)
    }
}

/// By which protocol a disk is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DiskProtocol {
    Iscsi,
    Nbd,
}

impl DiskProtocol {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            DiskProtocol::Iscsi => "iSCSI",
            DiskProtocol::Nbd => "NBD",
        }
    }
}

/// A live session on a disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DiskSessionView {
    /// Unique while the server runs.
    pub id: u64,
    pub protocol: DiskProtocol,
    /// Address and port that it comes from.
    pub peer: String,
    /// The initiator's name; by NBD the name of the export.
    pub initiator: String,
    pub since: Timestamp,
}

/// A data disk of a computer as it is offered, beside the disk that it starts from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExportDiskView {
    /// Its number: by iSCSI the logical unit, by NBD what follows the name and a slash.
    pub lun: u16,
    /// The serial number that the disk shows.
    pub serial: String,
    /// The NAA identifier that the disk shows, 16 hex digits.
    pub naa: String,
    pub size_bytes: u64,
    pub image_id: Option<ImageId>,
    pub image_name: Option<String>,
    /// The number of the version that it is on.
    pub version: Option<u32>,
}

/// A computer's disk as it is offered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExportView {
    pub client_id: ClientId,
    /// The computer's name, by which NBD knows the disk; None for one that is not there any more.
    pub client_name: Option<String>,
    /// The iSCSI qualified name.
    pub target: String,
    /// The serial number that the disk shows.
    pub serial: String,
    /// The NAA identifier that the disk shows, 16 hex digits.
    pub naa: String,
    pub size_bytes: u64,
    pub image_id: Option<ImageId>,
    pub image_name: Option<String>,
    /// The number of the version that it is on.
    pub version: Option<u32>,
    /// Its data disks that are offered beside it, by their numbers.
    pub data_disks: Vec<ExportDiskView>,
    /// Since when this disk is offered.
    pub since: Timestamp,
    /// Read from it and its data disks since then, by all sessions.
    pub read_bytes: u64,
    /// Written to them since then, by all sessions.
    pub written_bytes: u64,
    /// The oldest first.
    pub sessions: Vec<DiskSessionView>,
}

/// What a computer wrote, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OverlayView {
    /// The disk: the id of its computer, and for a data disk `_` and the id of its image after that.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub id: DiskId,
    pub client_id: ClientId,
    /// None when that computer is not there any more.
    pub client_name: Option<String>,
    /// It is a data disk, beside the one that the computer starts from.
    pub is_data: bool,
    /// No computer has it: what an interrupted removal, a data disk's or a computer's, or an older database left.
    pub is_orphan: bool,
    pub image_id: Option<ImageId>,
    pub image_name: Option<String>,
    /// The number of the version that it is on; None when no image has that version, or it can't be read.
    pub version: Option<u32>,
    /// What becomes of it at the next boot: also a private image and a superclient keep it. None for an orphan.
    pub mode: Option<OverlayMode>,
    /// What it holds on our disk.
    pub bytes: u64,
}
