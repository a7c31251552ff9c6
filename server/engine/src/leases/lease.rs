//! A lease, who asks for one, and what the answer is.

use std::net::Ipv4Addr;
use types::{LeaseState, MacAddr, Timestamp};

/// An address that was given to a computer, until when, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub address: Ipv4Addr,
    pub mac: MacAddr,
    /// Option 61 as last sent; empty when there was none.
    pub client_id: Vec<u8>,
    /// Option 12 as last sent.
    pub hostname: Option<String>,
    pub state: LeaseState,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    /// Its number among the decisions of its pool, the later the higher; 0 for a stored one.
    pub decision: u64,
}

impl Lease {
    /// Whether the address is the computer's at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state == LeaseState::Active && self.ends_at > now
    }

    /// The state as shown: an active lease expires by itself.
    pub fn state_at(&self, now: Timestamp) -> LeaseState {
        match self.state {
            LeaseState::Active if self.ends_at <= now => LeaseState::Expired,
            state => state,
        }
    }
}

/// What a computer says about itself when it asks for a lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asker {
    pub mac: MacAddr,
    pub client_id: Vec<u8>,
    pub hostname: Option<String>,
}

/// The answer to a computer that names an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is the computer's now, in memory; the answer may leave once it is on disk.
    Granted {
        lease: Lease,
        /// What it had before and has no more, to be stored with it.
        left: Option<Lease>,
    },
    /// We know this computer by another address.
    Elsewhere,
    /// We have no record of this computer, and the address belongs to another.
    Taken,
    /// We have no record of this computer, and the address is free or not one of ours.
    Unknown,
}
