//! Loader sets: folders of the first programs that firmware runs.

use crate::{LoaderKind, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a set comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoaderSource {
    /// Packages of this box's distribution: it follows their updates.
    BuiltIn,
    /// Uploaded; it never changes.
    Uploaded,
}

/// A kind of computer that needs loaders of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoaderPlatform {
    /// A PC's BIOS.
    Bios,
    /// UEFI of 32-bit PCs.
    Ia32,
    /// UEFI of 64-bit PCs.
    X64,
    /// UEFI of 64-bit ARM.
    Arm64,
}

/// What a set gives to a platform.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LoaderChoiceView {
    pub platform: LoaderPlatform,
    /// What was asked for; a set without it gives what it has.
    pub kind: LoaderKind,
    /// Its path in the set.
    pub file: String,
    /// A shim with its next stage beside it: what Secure Boot takes.
    pub signed: bool,
}

/// A file of a set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LoaderFileView {
    /// Its path in the set. Served as `SET/PATH` by TFTP and below `/f/` by HTTP.
    pub path: String,
    pub size_bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// A loader set as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LoaderSetView {
    pub name: String,
    pub source: LoaderSource,
    /// Computers get it unless something else was chosen for them.
    pub is_default: bool,
    /// When it was uploaded; None for one of the distribution.
    pub added_at: Option<Timestamp>,
    pub file_count: u32,
    /// All files together.
    pub size_bytes: u64,
    /// What each platform gets; one that is not here gets nothing of this set.
    pub gives: Vec<LoaderChoiceView>,
    /// In the order of their paths. Empty in lists.
    pub files: Vec<LoaderFileView>,
}
