//! Which computer is at an address, and what it may have by that alone.

use super::{
    Signal, Who,
    boots::{Boots, Inner, lock},
    identity,
    script::Plane,
};
use crate::{Error, Result};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use store::ClientRecord;
use types::{MacAddr, ReadyFacts, Timestamp};

impl Boots {
    /// The computer that is known to be at this address, for a protocol that has no login: there the address
    /// alone says whose disk may be opened. Where another server hands out the addresses it is known by what
    /// was overheard; after a restart of ours, which forgets that, by where it was in its newest boot.
    pub fn disk_owner(&self, peer: Ipv4Addr, plane: &Plane) -> Option<Arc<ClientRecord>> {
        let leases = &self.inner.needs.leases;
        let mac = match plane.assigns_addresses {
            true => leases.last_holder(peer),
            false => leases.elsewhere(plane.server, peer).or_else(|| {
                let newest = lock(&self.inner.newest);
                let there = newest.values().filter(|t| t.view.address == Some(peer));
                let last = there.max_by_key(|t| t.view.started_at)?.view.mac;
                leases
                    .elsewhere_of(plane.server, last)
                    .is_none()
                    .then_some(last)
            }),
        };
        self.inner.needs.clients.find_mac(mac?)
    }

    /// A booted system reports ready. A disk image can't carry a secret, so the report counts only
    /// when its address has a live lease, that computer has begun a boot, and its disk is in use.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when one of these is not so.
    pub fn ready(&self, peer: Ipv4Addr, facts: ReadyFacts, at: Timestamp) -> Result<()> {
        let needs = &self.inner.needs;
        let mac = self
            .inner
            .mac_of(Who::Address(peer))
            .or_else(|| self.inner.mac_by_disk(peer))
            .ok_or(Error::Forbidden(
                "this address has neither a lease nor a disk of ours",
            ))?;
        let client = needs
            .clients
            .find_mac(mac)
            .ok_or(Error::Forbidden("this computer is not one of ours"))?;
        let target = identity::target(client.id);
        if !needs
            .exports
            .sessions()
            .iter()
            .any(|s| s.target == target && s.peer.ip() == peer)
        {
            return Err(Error::Forbidden("this computer has no disk of ours in use"));
        }
        if !lock(&self.inner.newest).contains_key(&mac) {
            return Err(Error::Forbidden("this computer has no boot under way"));
        }
        self.signal(
            Who::Mac(mac),
            at,
            Signal::Ready {
                facts: Box::new(facts),
            },
        );
        Ok(())
    }
}

impl Inner {
    pub(super) fn mac_of(&self, who: Who) -> Option<MacAddr> {
        match who {
            Who::Mac(mac) => Some(mac),
            Who::Address(address) => self.needs.leases.address_owner(address),
        }
    }

    /// Whether `peer` may have the script of this machine: it carries the disk's secret, and asking
    /// for it starts the disk anew. Where another server hands out the addresses, we know who has
    /// which by the requests that we overheard, else by where its disk is in use; who is known by
    /// neither is taken at its word.
    pub(super) fn recognise(&self, mac: MacAddr, peer: Ipv4Addr, plane: &Plane) -> Result<()> {
        let leases = &self.needs.leases;
        let is_its_own = if plane.assigns_addresses {
            leases.last_holder(peer) == Some(mac)
        } else {
            let known_at = leases.elsewhere_of(plane.server, mac);
            let known_at = known_at.or_else(|| self.disk_peer(mac));
            leases
                .elsewhere(plane.server, peer)
                .is_none_or(|known| known == mac)
                && known_at.is_none_or(|address| address == peer)
        };
        match is_its_own {
            true => Ok(()),
            false => Err(Error::Forbidden("this address is not that computer's")),
        }
    }

    /// This computer has proved that it is at that address.
    pub(super) fn is_at(&self, mac: MacAddr, peer: Ipv4Addr, plane: &Plane) {
        if !plane.assigns_addresses {
            self.needs.leases.overheard(plane.server, mac, peer);
        }
    }

    /// From where a computer's disk is in use.
    fn disk_peer(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let target = identity::target(self.needs.clients.find_mac(mac)?.id);
        let sessions = self.needs.exports.sessions();
        let session = sessions.iter().find(|s| s.target == target)?;
        match session.peer.ip().to_canonical() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    /// Whose disk is in use from this address.
    fn mac_by_disk(&self, peer: Ipv4Addr) -> Option<MacAddr> {
        let sessions = self.needs.exports.sessions();
        let session = sessions.iter().find(|s| s.peer.ip() == peer)?;
        let client = identity::client_of(&session.target)?;
        Some(self.needs.clients.get(client)?.mac)
    }
}
