//! The boot network: interfaces, scopes, leases.

use crate::{ClientId, MacAddr, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DhcpMode {
    /// We hand out addresses.
    #[default]
    Full,
    /// Another server hands out addresses, we add boot information.
    Proxy,
    Off,
}

/// A range of addresses, both ends included. Written `10.77.0.100-10.77.0.199`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AddressRange {
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
    pub first: Ipv4Addr,
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
    pub last: Ipv4Addr,
}

/// One boot interface and its scope, as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BootNetworkView {
    pub interface: String,
    /// A named network namespace; None is the host's own.
    pub namespace: Option<String>,
    pub mode: DhcpMode,
    /// Our address on the interface.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Ipv4))]
    pub address: Option<Ipv4Addr>,
    pub prefix_len: u8,
    pub range: Option<AddressRange>,
    pub leases_active: u32,
    pub leases_total: u32,
    pub lease_seconds: u32,
    /// Other DHCP servers that computers took addresses from, the one heard last first.
    pub other_servers: Vec<OtherServer>,
    /// Why this boot plane is not running, in plain words.
    pub error: Option<String>,
    /// Made by the virtual lab.
    pub is_lab: bool,
}

/// A DHCP server that is not us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OtherServer {
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
    pub address: Ipv4Addr,
    /// When a computer last took an address from it, to the minute.
    pub heard_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    Active,
    Expired,
    Released,
    /// Found in use by somebody else, by the client or by our own look; not handed out for a while.
    Declined,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LeaseView {
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
    pub address: Ipv4Addr,
    pub mac: MacAddr,
    pub client_id: Option<ClientId>,
    pub client_name: Option<String>,
    pub hostname: Option<String>,
    pub state: LeaseState,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    /// The scope's name: with the address it says which lease.
    pub scope: String,
    /// Of the boot network; None behind a relay.
    pub interface: Option<String>,
    /// Whether the address is reserved for this computer.
    pub is_reserved: bool,
}

/// A network interface of the box, whether computers boot over it or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct InterfaceView {
    pub name: String,
    /// None where it is no Ethernet.
    pub mac: Option<MacAddr>,
    /// Its IPv4 addresses with their prefixes: `10.77.0.1/24`.
    pub addresses: Vec<String>,
    /// Somebody switched it on.
    pub is_up: bool,
    /// And there is something at the other end.
    pub has_link: bool,
    /// How it is served; off when it is no boot network.
    pub mode: DhcpMode,
}
