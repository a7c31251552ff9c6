//! Clients: the computers that boot from us.

use crate::{
    BootEntryId, BootView, ClientId, GroupId, ImageId, LoaderKind, MacAddr, NextSnapshotView,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// What becomes of a client's overlay at its next boot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OverlayMode {
    /// A fresh overlay each time the boot script is served.
    #[default]
    Reset,
    /// The overlay stays.
    Keep,
}

/// Whether a computer is ours yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// Seen on the wire, not adopted: it boots nothing.
    Discovered,
    Adopted,
    /// Not ours any more: it is kept for its history and boots nothing. It can be adopted again.
    Retired,
}

/// A data disk of a client, as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DataDiskView {
    pub image_id: ImageId,
    pub image_name: Option<String>,
    /// Bytes that this client's overlay of it holds on our disk.
    pub overlay_bytes: u64,
    /// The most that it may hold, bytes; None is no limit.
    pub overlay_limit_bytes: Option<u64>,
}

/// A client as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ClientView {
    pub id: ClientId,
    pub name: String,
    pub mac: MacAddr,
    pub state: ClientState,
    pub image_id: Option<ImageId>,
    pub image_name: Option<String>,
    pub mode: OverlayMode,
    pub group_id: Option<GroupId>,
    pub group_name: Option<String>,
    /// What it boots; None leaves it to its group and to the setting for all.
    pub boot_entry_id: Option<BootEntryId>,
    pub boot_entry_name: Option<String>,
    /// What it boots the next time only.
    pub one_shot_id: Option<BootEntryId>,
    pub one_shot_name: Option<String>,
    pub loader_set: Option<String>,
    pub loader: Option<LoaderKind>,
    /// Whether this is a virtual computer of the lab on this box.
    pub is_virtual: bool,
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Ipv4))]
    pub address: Option<Ipv4Addr>,
    /// Bytes that this client's overlay holds on our disk.
    pub overlay_bytes: u64,
    /// The most that it may hold, as said for this client; None leaves it to the setting for all.
    pub quota_bytes: Option<u64>,
    /// The most that it may hold by what is said for it or for all, bytes; None is no limit.
    pub overlay_limit_bytes: Option<u64>,
    /// The data disks that its next boot finds beside the disk that it starts from: units 1 and up by iSCSI, in this order.
    pub data_disks: Vec<DataDiskView>,
    /// Whether a session on its disk lives: without one, what runs there does not run from us.
    pub disk_in_use: bool,
    /// When the next snapshot of its disk is due by schedule; None when none is.
    #[serde(default)]
    pub next_snapshot: Option<NextSnapshotView>,
    pub created_at: Timestamp,
    /// Raised by one with each change; the ETag of REST.
    pub revision: u64,
    pub last_boot: Option<BootView>,
}

/// How full an overlay is, measured by what it may hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fill {
    /// There is room, or no limit.
    Room,
    /// At most a fifth of what it may hold is left.
    Nearly,
    /// The next new block does not fit.
    Full,
}

impl Fill {
    /// Of an overlay of so many bytes that may have `limit`. Room is given in blocks of 4 KiB.
    pub fn of(bytes: u64, limit: Option<u64>) -> Fill {
        match limit {
            Some(limit) if bytes.saturating_add(4096) > limit => Fill::Full,
            Some(limit) if bytes >= limit - limit / 5 => Fill::Nearly,
            _ => Fill::Room,
        }
    }
}

impl ClientView {
    /// How full the fullest of its overlays is.
    pub fn fill(&self) -> Fill {
        let data = self.data_disks.iter();
        let data = data.map(|d| Fill::of(d.overlay_bytes, d.overlay_limit_bytes));
        let system = Fill::of(self.overlay_bytes, self.overlay_limit_bytes);
        data.fold(system, Fill::max)
    }

    /// Bytes that its overlays hold on our disk, all of them.
    pub fn held_bytes(&self) -> u64 {
        let data = self.data_disks.iter().map(|d| d.overlay_bytes);
        data.sum::<u64>() + self.overlay_bytes
    }

    /// Takes in how one of its boots is now; false when that is an older one than it has, or of a client that had its
    /// address before.
    pub fn take_boot(&mut self, boot: BootView) -> bool {
        let newer = match &self.last_boot {
            _ if !boot.is_of(self.id) => false,
            Some(old) => old.id == boot.id || old.started_at <= boot.started_at,
            None => true,
        };
        if newer {
            self.address = boot.address.or(self.address);
            self.last_boot = Some(boot);
        }
        newer
    }
}

/// A new client.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateClientParams {
    pub name: String,
    pub mac: MacAddr,
    /// An image's name or id.
    #[serde(default)]
    pub image: Option<String>,
    /// Names or ids of the images of its data disks, at most seven, each once.
    #[serde(default)]
    pub data_disks: Vec<String>,
    #[serde(default)]
    pub mode: OverlayMode,
    /// A group's name or id.
    #[serde(default)]
    pub group: Option<String>,
    /// A boot entry's name or id.
    #[serde(default)]
    pub boot_entry: Option<String>,
    #[serde(default)]
    pub loader_set: Option<String>,
    /// `snponly` or `ipxe`.
    #[serde(default)]
    pub loader: Option<String>,
}

impl CreateClientParams {
    /// With this name and address, and everything else as it is when nobody says it.
    pub fn new(name: impl Into<String>, mac: MacAddr) -> Self {
        CreateClientParams {
            name: name.into(),
            mac,
            image: None,
            data_disks: Vec::new(),
            mode: OverlayMode::default(),
            group: None,
            boot_entry: None,
            loader_set: None,
            loader: None,
        }
    }
}

/// A change to a client; what is absent stays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateClientParams {
    pub name: Option<String>,
    /// An image's name or id; empty takes the image away.
    pub image: Option<String>,
    /// Names or ids of the images of all its data disks, at most seven, each once; an empty list takes them away.
    pub data_disks: Option<Vec<String>>,
    pub mode: Option<OverlayMode>,
    /// True adopts a discovered or retired computer.
    pub adopt: Option<bool>,
    /// True retires an adopted or discovered computer.
    pub retire: Option<bool>,
    /// A group's name or id; empty takes it out of its group.
    pub group: Option<String>,
    /// A boot entry's name or id; empty leaves it to its group.
    pub boot_entry: Option<String>,
    /// A boot entry's name or id for the next boot only; empty takes it back.
    pub one_shot: Option<String>,
    /// Empty leaves it to its group.
    pub loader_set: Option<String>,
    /// `snponly` or `ipxe`; empty leaves it to its group.
    pub loader: Option<String>,
    /// The most that its overlay may hold, bytes; 0 leaves it to the setting for all.
    pub quota_bytes: Option<u64>,
}

/// The same change to several clients.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateClientsParams {
    /// Names, ids or MAC addresses.
    pub ids: Vec<String>,
    /// How many computers are meant: with another number nothing is begun.
    pub expected_count: u32,
    pub change: UpdateClientParams,
}

/// Several clients to remove.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RemoveClientsParams {
    /// Names, ids or MAC addresses.
    pub ids: Vec<String>,
    /// How many computers are meant: with another number nothing is begun.
    pub expected_count: u32,
}
