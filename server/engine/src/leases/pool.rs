//! Which address belongs to whom: one range, in memory, no I/O, time is an argument.
//!
//! Leases are kept by Ethernet address alone. One computer sends a different client identifier
//! from its boot ROM, from iPXE and from its operating system, and needs the same address in all.
//! Each call takes a few map look-ups, whatever the number of leases.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
};
use types::{AddressRange, LeaseState, MacAddr, Timestamp};

/// Seconds that an offered address is kept for its computer.
pub const OFFER_SECONDS: i64 = 60;
/// Seconds for which an address that a client found in use is not handed out.
pub const QUARANTINE_SECONDS: i64 = 3600;

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
    Granted(Lease),
    /// We know this computer by another address.
    Elsewhere,
    /// We have no record of this computer, and the address belongs to another.
    Taken,
    /// We have no record of this computer, and the address is free or not one of ours.
    Unknown,
}

/// One address that is or was in use.
struct Slot {
    mac: MacAddr,
    /// Offered, and not to be given to another before this.
    held_until: Timestamp,
    /// None while it was only offered.
    lease: Option<Lease>,
}

impl Slot {
    fn end(&self) -> Timestamp {
        let lease = self
            .lease
            .as_ref()
            .map_or(Timestamp(i64::MIN), |l| l.ends_at);
        lease.max(self.held_until)
    }

    fn is_declined(&self) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|l| l.state == LeaseState::Declined)
    }
}

/// The addresses of one range.
pub struct Pool {
    first: u32,
    last: u32,
    /// In the range, but ours or otherwise not to be given.
    excluded: Vec<u32>,
    slots: HashMap<u32, Slot>,
    by_mac: HashMap<MacAddr, u32>,
    /// Every slot by its end: the first is the one that is free for longest.
    by_end: BTreeSet<(Timestamp, u32)>,
    /// No address from here on was ever used. Wider than an address, so that it can pass the last.
    fresh: u64,
}

impl Pool {
    /// An empty pool.
    pub fn new(range: AddressRange, excluded: &[Ipv4Addr]) -> Pool {
        Pool {
            first: range.first.to_bits(),
            last: range.last.to_bits(),
            excluded: excluded.iter().map(|a| a.to_bits()).collect(),
            slots: HashMap::new(),
            by_mac: HashMap::new(),
            by_end: BTreeSet::new(),
            fresh: range.first.to_bits().into(),
        }
    }

    /// Puts a stored lease back. False, and nothing changed, if it doesn't fit: outside the range,
    /// or older than one of the same computer.
    pub fn restore(&mut self, lease: Lease) -> bool {
        let address = lease.address.to_bits();
        if !self.in_range(address) || self.slots.contains_key(&address) {
            return false;
        }
        if lease.state != LeaseState::Declined {
            match self.by_mac.get(&lease.mac).copied() {
                Some(other)
                    if self
                        .slots
                        .get(&other)
                        .is_some_and(|s| s.end() > lease.ends_at) =>
                {
                    return false;
                }
                Some(other) => self.drop_slot(other),
                None => {}
            }
            self.by_mac.insert(lease.mac, address);
        }
        let slot = Slot {
            mac: lease.mac,
            held_until: Timestamp(i64::MIN),
            lease: Some(lease),
        };
        self.by_end.insert((slot.end(), address));
        self.slots.insert(address, slot);
        true
    }

    /// An address for a computer, held for [`OFFER_SECONDS`]: its own, else the wanted one if that
    /// is free, else one never used, else the one that is free for longest. None: all are in use.
    pub fn offer(
        &mut self,
        mac: MacAddr,
        wanted: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let wanted = wanted.map(Ipv4Addr::to_bits);
        let address = self
            .by_mac
            .get(&mac)
            .copied()
            .or_else(|| wanted.filter(|&a| self.is_free(a, now)))
            .or_else(|| self.next_fresh())
            .or_else(|| self.longest_free(now))?;
        self.hold(address, mac, now.plus_seconds(OFFER_SECONDS));
        Some(Ipv4Addr::from_bits(address))
    }

    /// A computer asks for `address` for so many seconds. `trust`: take its word for it that the
    /// address is its own, if nothing speaks against it.
    pub fn claim(
        &mut self,
        asker: &Asker,
        address: Ipv4Addr,
        seconds: u32,
        trust: bool,
        now: Timestamp,
    ) -> Claim {
        let bits = address.to_bits();
        // An address that was once the computer's and is no more says nothing: it may have another
        // server's by now.
        let own = self.by_mac.get(&asker.mac).filter(|own| {
            let slot = self.slots.get(own);
            **own == bits
                || slot.is_some_and(|s| {
                    s.held_until > now || s.lease.as_ref().is_some_and(|l| l.is_active(now))
                })
        });
        match own {
            Some(&own) if own == bits => {}
            Some(_) => return Claim::Elsewhere,
            None if !self.in_range(bits) => return Claim::Unknown,
            None if !self.is_free(bits, now) => return Claim::Taken,
            None if !trust => return Claim::Unknown,
            None => {}
        }
        let lease = Lease {
            address,
            mac: asker.mac,
            client_id: asker.client_id.clone(),
            hostname: asker.hostname.clone(),
            state: LeaseState::Active,
            starts_at: now,
            ends_at: now.plus_seconds(seconds.into()),
        };
        // The hold ends with the lease: a released address is free at once.
        self.hold(bits, asker.mac, now);
        self.set_lease(bits, lease.clone());
        Claim::Granted(lease)
    }

    /// The computer gives its address back. It keeps a preference for it.
    pub fn release(&mut self, mac: MacAddr, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        let bits = self.owned(mac, address)?;
        let mut lease = self.slots.get(&bits)?.lease.clone()?;
        if !lease.is_active(now) {
            return None;
        }
        lease.state = LeaseState::Released;
        lease.ends_at = now;
        self.set_lease(bits, lease.clone());
        Some(lease)
    }

    /// The computer found its address in use by somebody else.
    pub fn decline(&mut self, mac: MacAddr, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        let bits = self.owned(mac, address)?;
        let old = self.slots.get(&bits)?.lease.clone();
        let lease = Lease {
            address,
            mac,
            client_id: old.as_ref().map_or_else(Vec::new, |l| l.client_id.clone()),
            hostname: old.and_then(|l| l.hostname),
            state: LeaseState::Declined,
            starts_at: now,
            ends_at: now.plus_seconds(QUARANTINE_SECONDS),
        };
        self.set_lease(bits, lease.clone());
        self.by_mac.remove(&mac);
        Some(lease)
    }

    /// The computer took another server's offer: what was only offered is free again.
    pub fn forget_offer(&mut self, mac: MacAddr, now: Timestamp) {
        if let Some(&bits) = self.by_mac.get(&mac)
            && self.slots.get(&bits).is_some_and(|s| s.held_until > now)
        {
            self.change(bits, |slot| slot.held_until = now);
        }
    }

    /// Who has a live lease on an address.
    pub fn owner(&self, address: Ipv4Addr, now: Timestamp) -> Option<MacAddr> {
        let lease = self.slots.get(&address.to_bits())?.lease.as_ref()?;
        lease.is_active(now).then_some(lease.mac)
    }

    /// Who had an address last: also after the lease's end, until another one is given it or it is
    /// handed back. iPXE never renews, and may stand in front of a message for hours.
    pub fn last_holder(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let slot = self.slots.get(&address.to_bits())?;
        let lease = slot.lease.as_ref()?;
        (lease.state == LeaseState::Active && slot.mac == lease.mac).then_some(lease.mac)
    }

    /// The live address of a computer.
    pub fn address_of(&self, mac: MacAddr, now: Timestamp) -> Option<Ipv4Addr> {
        let lease = self.slots.get(self.by_mac.get(&mac)?)?.lease.as_ref()?;
        lease.is_active(now).then_some(lease.address)
    }

    /// Every lease that is known, in no order.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.slots.values().filter_map(|slot| slot.lease.as_ref())
    }

    /// How many addresses there are to give.
    pub fn size(&self) -> u32 {
        let excluded = self
            .excluded
            .iter()
            .filter(|&&a| (self.first..=self.last).contains(&a));
        (self.last.saturating_sub(self.first))
            .saturating_add(1)
            .saturating_sub(excluded.count() as u32)
    }

    fn in_range(&self, address: u32) -> bool {
        (self.first..=self.last).contains(&address) && !self.excluded.contains(&address)
    }

    fn is_free(&self, address: u32, now: Timestamp) -> bool {
        self.in_range(address) && self.slots.get(&address).is_none_or(|s| s.end() <= now)
    }

    fn owned(&self, mac: MacAddr, address: Ipv4Addr) -> Option<u32> {
        self.by_mac
            .get(&mac)
            .copied()
            .filter(|&b| b == address.to_bits())
    }

    fn next_fresh(&mut self) -> Option<u32> {
        while self.fresh <= u64::from(self.last) {
            let address = u32::try_from(self.fresh).ok()?;
            self.fresh += 1;
            if self.in_range(address) && !self.slots.contains_key(&address) {
                return Some(address);
            }
        }
        None
    }

    fn longest_free(&self, now: Timestamp) -> Option<u32> {
        let &(end, address) = self.by_end.first()?;
        (end <= now).then_some(address)
    }

    /// Makes `address` the computer's until then; what another had there before is forgotten.
    fn hold(&mut self, address: u32, mac: MacAddr, until: Timestamp) {
        let is_new_holder = self
            .slots
            .get(&address)
            .is_some_and(|s| s.mac != mac || s.is_declined());
        if is_new_holder {
            self.drop_slot(address);
        }
        self.slots.entry(address).or_insert(Slot {
            mac,
            held_until: Timestamp(i64::MIN),
            lease: None,
        });
        self.by_mac.insert(mac, address);
        self.change(address, |slot| slot.held_until = until);
    }

    fn set_lease(&mut self, address: u32, lease: Lease) {
        self.change(address, |slot| {
            slot.held_until = Timestamp(i64::MIN);
            slot.lease = Some(lease);
        });
    }

    /// Every change of a slot goes through here, so that `by_end` is never wrong.
    fn change(&mut self, address: u32, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(&address) {
            self.by_end.remove(&(slot.end(), address));
            change(slot);
            self.by_end.insert((slot.end(), address));
        }
    }

    fn drop_slot(&mut self, address: u32) {
        if let Some(slot) = self.slots.remove(&address) {
            self.by_end.remove(&(slot.end(), address));
            if self.by_mac.get(&slot.mac) == Some(&address) {
                self.by_mac.remove(&slot.mac);
            }
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
