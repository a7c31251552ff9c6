//! Scopes and reservations.

use crate::record::record;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use types::{MacAddr, OptionKind, ReservationId, Timestamp};

/// A DHCP option as it was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OptionRecord {
    /// Its number.
    pub code: u8,
    /// How the value is written.
    pub kind: OptionKind,
    /// The value.
    pub value: String,
}

/// What an administrator set for a scope.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScopeRecord {
    /// Unique; of a boot network's own scope that network's (`lab1/br0`).
    pub name: String,
    /// Address and prefix of the subnet; None for a boot network's own scope, whose subnet is its
    /// interface's.
    pub subnet: Option<(Ipv4Addr, u8)>,
    /// First and last addresses to give; of an own scope those besides its setting's.
    pub ranges: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// First and last addresses that are never given.
    pub exclusions: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// The way to other networks; of an own scope it is in the setting.
    pub router: Option<Ipv4Addr>,
    /// Name servers; of an own scope they are in the setting.
    pub dns: Vec<Ipv4Addr>,
    /// Domain of the computers.
    pub domain: Option<String>,
    /// How long a lease lasts; None leaves it to the default.
    pub lease_seconds: Option<u32>,
    /// Options besides those that have a field.
    pub options: Vec<OptionRecord>,
    /// Whether addresses are looked for on the wire before they are given.
    pub probe: bool,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(ScopeRecord, kind 40, schema 1, table "scopes", String, |r| r.name.clone());

/// An address that is one computer's for good.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReservationRecord {
    /// Its id.
    pub id: ReservationId,
    /// The scope's name.
    pub scope: String,
    /// Unique in its scope.
    pub mac: MacAddr,
    /// Unique in its scope.
    pub address: Ipv4Addr,
    /// What the computer is called.
    pub hostname: Option<String>,
    /// Options that go before the scope's.
    pub options: Vec<OptionRecord>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(ReservationRecord, kind 41, schema 1, table "reservations", ReservationId, |r| r.id);
