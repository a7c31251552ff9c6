//! Leases.

use crate::{LeaseKey, record::record};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use types::{LeaseState, MacAddr, Timestamp};

/// An address that was given to a computer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The scope's name: the interface, with its namespace where it has one (`lab1/br0`).
    pub scope: String,
    /// The address.
    pub address: Ipv4Addr,
    /// Hardware address of who holds it.
    pub mac: MacAddr,
    /// Option 61 as sent, type byte included; empty when none was sent.
    pub client_id: Vec<u8>,
    /// Option 12, when sent and sane.
    pub hostname: Option<String>,
    /// What became of it.
    pub state: LeaseState,
    /// When it was given or last renewed.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}
record!(LeaseRecord, kind 3, schema 1, table "leases", LeaseKey, |r| LeaseKey {
    scope: r.scope.clone(),
    address: r.address,
});
