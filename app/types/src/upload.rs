//! Uploads: a file that comes in pieces, over as many connections as it takes, and becomes an image.

use crate::{ImageId, JobId, Problem, Timestamp, UploadId};
use serde::{Deserialize, Serialize};

/// How far an upload is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Waits for the next bytes.
    Receiving,
    /// All of it is there; the disk is taken out of it.
    Converting,
    /// It is an image.
    Ready,
    /// Nothing of it was kept.
    Failed,
}

impl UploadState {
    /// Whether nothing will change any more.
    pub fn is_over(self) -> bool {
        matches!(self, UploadState::Ready | UploadState::Failed)
    }
}

/// A file that is to be sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUploadParams {
    /// The image's name: letters, digits, hyphens, dots.
    pub name: String,
    /// Length of the file, bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file in hex; one that differs is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// An upload as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UploadView {
    pub id: UploadId,
    /// The image's name.
    pub name: String,
    pub state: UploadState,
    /// Length of the file, bytes.
    pub size_bytes: u64,
    /// How many bytes of it are here: where the next piece begins.
    pub offset_bytes: u64,
    /// When it is given up, or forgotten once it is over; each piece puts it off.
    pub expires_at: Timestamp,
    pub image_id: ImageId,
    /// The job that shows how far it is, and that cancels it.
    pub job_id: JobId,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// How an image is sent as a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// The disk byte for byte.
    #[default]
    Raw,
    /// What is allocated, for QEMU and what reads its format.
    Qcow2,
    /// The disk byte for byte, compressed by zstd.
    Zst,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [ExportFormat; 3] = [ExportFormat::Raw, ExportFormat::Qcow2, ExportFormat::Zst];

    /// Its name, as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            ExportFormat::Raw => "raw",
            ExportFormat::Qcow2 => "qcow2",
            ExportFormat::Zst => "zst",
        }
    }
}

/// A file that the server fetches itself: exactly one of `url` and `path`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportImageParams {
    /// The image's name: letters, digits, hyphens, dots.
    pub name: String,
    /// Where it is, by http or https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A file in the folder `import` of the server's data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the file in hex; one that differs is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}
