//! Groups: clients that share settings. What a client says itself goes before its group.

use crate::{BootEntryId, Channel, DhcpOption, GroupId, LoaderKind, Timestamp};
use serde::{Deserialize, Serialize};

/// A group as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GroupView {
    pub id: GroupId,
    pub name: String,
    /// What its clients boot; None leaves it to the setting for all.
    pub boot_entry_id: Option<BootEntryId>,
    pub boot_entry_name: Option<String>,
    pub loader_set: Option<String>,
    pub loader: Option<LoaderKind>,
    /// Which versions of their images its clients boot.
    pub channel: Channel,
    /// DHCP options of its clients: they go before their scope's, and what is reserved for one of them
    /// goes before these.
    pub options: Vec<DhcpOption>,
    /// Clients in it.
    pub client_count: u32,
    pub created_at: Timestamp,
    /// Raised by one with each change; the ETag of REST.
    pub revision: u64,
}

/// A new group.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGroupParams {
    pub name: String,
    /// A boot entry's name or id.
    #[serde(default)]
    pub boot_entry: Option<String>,
    #[serde(default)]
    pub loader_set: Option<String>,
    /// `snponly` or `ipxe`.
    #[serde(default)]
    pub loader: Option<String>,
    /// Which versions of their images its clients boot.
    #[serde(default)]
    pub channel: Channel,
    /// DHCP options of its clients.
    #[serde(default)]
    pub options: Vec<DhcpOption>,
}

/// A change to a group; what is absent stays, and an empty text takes away.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateGroupParams {
    pub name: Option<String>,
    /// A boot entry's name or id; empty leaves it to the setting for all.
    pub boot_entry: Option<String>,
    pub loader_set: Option<String>,
    /// `snponly` or `ipxe`.
    pub loader: Option<String>,
    /// Which versions of their images its clients boot, from their next boot on.
    pub channel: Option<Channel>,
    /// All of them anew; an empty list takes them away.
    pub options: Option<Vec<DhcpOption>>,
}
