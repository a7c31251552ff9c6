//! Boot entries: what a client may boot, and why it boots what it boots.

use crate::{BootEntryId, Channel, ClientId, ClientState, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// What kind of thing a boot entry starts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// The client's own image, from its network disk. Built in.
    Image,
    /// The disk in the computer itself. Built in.
    Local,
    /// A Linux kernel with its initial RAM disks.
    Kernel,
    /// An iPXE script of the admin's own.
    Script,
}

impl BootEntryId {
    /// The built-in entry `image`.
    pub const IMAGE: BootEntryId = BootEntryId(Uuid::from_u128(1));
    /// The built-in entry `local`.
    pub const LOCAL: BootEntryId = BootEntryId(Uuid::from_u128(2));
}

/// A boot entry as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BootEntryView {
    pub id: BootEntryId,
    pub name: String,
    pub kind: EntryKind,
    /// Always there: it can be neither changed nor removed.
    pub built_in: bool,
    /// Of a kernel entry: a file below `/f/` of the boot plane, or an `http://` address.
    pub kernel: String,
    /// Its initial RAM disks, in their order; as `kernel`.
    pub initrds: Vec<String>,
    /// Those of its files that were not in the folder `loaders` when it was looked last, which is every ten seconds.
    #[serde(default)]
    pub missing: Vec<String>,
    /// The kernel's command line; iPXE fills in `${net0/mac:hexhyp}` and the like.
    pub command_line: String,
    /// Whether the client's network disk is attached, so that the kernel finds it in the iBFT.
    pub attach_disk: bool,
    /// Of a script entry: its text.
    pub script: String,
    pub created_at: Timestamp,
    /// Raised by one with each change; the ETag of REST.
    pub revision: u64,
}

/// A new boot entry, of kind `kernel` or `script`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateBootEntryParams {
    pub name: String,
    pub kind: EntryKind,
    #[serde(default)]
    pub kernel: String,
    #[serde(default)]
    pub initrds: Vec<String>,
    #[serde(default)]
    pub command_line: String,
    #[serde(default)]
    pub attach_disk: bool,
    #[serde(default)]
    pub script: String,
}

/// A change to a boot entry; what is absent stays. Its kind stays, too.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateBootEntryParams {
    pub name: Option<String>,
    pub kernel: Option<String>,
    pub initrds: Option<Vec<String>>,
    pub command_line: Option<String>,
    pub attach_disk: Option<bool>,
    pub script: Option<String>,
}

/// Which of a loader set's iPXE builds firmware gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoaderKind {
    /// The firmware's own network driver (`snponly.efi`, `undionly.kpxe`).
    Snponly,
    /// iPXE's own drivers (`ipxe.efi`, `ipxe.pxe`).
    Ipxe,
}

impl LoaderKind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            LoaderKind::Snponly => "snponly",
            LoaderKind::Ipxe => "ipxe",
        }
    }
}

impl fmt::Display for LoaderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text names no loader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownLoader;

impl fmt::Display for UnknownLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is one of snponly, ipxe")
    }
}
impl std::error::Error for UnknownLoader {}

impl FromStr for LoaderKind {
    type Err = UnknownLoader;
    fn from_str(s: &str) -> Result<Self, UnknownLoader> {
        match s {
            "snponly" => Ok(LoaderKind::Snponly),
            "ipxe" => Ok(LoaderKind::Ipxe),
            _ => Err(UnknownLoader),
        }
    }
}

/// Where a rule stands; the first that says something wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RuleLevel {
    /// For the next boot only.
    OneShot,
    /// The client's own.
    Client,
    /// Its group's.
    Group,
    /// The setting for all.
    Global,
    /// What holds when nobody says anything.
    BuiltIn,
    /// What is pinned for its firmware, or known to work there.
    Firmware,
}

/// One rule that was considered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RuleStep {
    pub level: RuleLevel,
    /// What it says; None when it says nothing.
    pub value: Option<String>,
    /// Whether this one decided.
    pub decides: bool,
    /// In plain words: why it decided, or why not.
    pub why: String,
}

/// A value, and the chain of rules that led to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// What holds; empty when nobody chose.
    pub value: String,
    pub from: RuleLevel,
    /// Every rule in its order, those after the deciding one, too.
    pub steps: Vec<RuleStep>,
}

/// What a client boots next, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BootChoiceView {
    pub client_id: ClientId,
    pub client_name: String,
    pub state: ClientState,
    /// What happens at its next boot, in a sentence.
    pub outcome: String,
    pub kind: EntryKind,
    /// The boot entry.
    pub entry: Explanation,
    /// The image of its network disk.
    pub image_name: Option<String>,
    /// The channel of that image that it follows: maintenance for a superclient. None without an image.
    #[serde(default)]
    pub channel: Option<Channel>,
    /// The number of the version that its next boot finds below its network disk. Another than its channel is at where it
    /// keeps what it wrote on that one; None when that can't be read.
    #[serde(default)]
    pub version: Option<u32>,
    /// The loader set; empty for the built-in one.
    pub loader_set: Explanation,
    /// The iPXE build of that set; empty for the usual one, snponly.
    pub loader: Explanation,
}
