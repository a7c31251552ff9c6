//! Which address belongs to whom on one subnet: in memory, no I/O, time is an argument.
//!
//! Leases are kept by Ethernet address alone. One computer sends a different client identifier
//! from its boot ROM, from iPXE and from its operating system, and needs the same address in all.
//! Each call takes a few map look-ups, whatever the number of leases.
//!
//! What may be given is its [`Shape`], which may change while leases live: a lease that fits no more
//! stays its computer's until it ends, and is not renewed.

use super::{
    lease::{Asker, Claim, Lease},
    spans::Spans,
};
use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
};
use types::{AddressRange, LeaseState, MacAddr, Subnet, Timestamp};

/// Seconds that an offered address is kept for its computer.
pub const OFFER_SECONDS: i64 = 60;
/// Seconds for which an address that a client found in use is not handed out.
pub const QUARANTINE_SECONDS: i64 = 3600;

/// What may be given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape {
    /// No lease and no reservation is outside of it.
    pub subnet: Subnet,
    /// For any computer.
    pub ranges: Vec<AddressRange>,
    /// In the ranges, but ours or otherwise not to be given.
    pub excluded: Vec<AddressRange>,
    /// For one computer each, also outside the ranges.
    pub reserved: Vec<(MacAddr, Ipv4Addr)>,
    /// Addresses are looked for before they are given: a wish is granted once it was looked for, where
    /// somebody looks at all.
    pub probe: bool,
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

/// The addresses of one subnet.
pub struct Pool {
    subnet: Subnet,
    /// The ranges without what is excluded.
    spans: Spans,
    reserved: HashMap<MacAddr, u32>,
    /// The same the other way round.
    reserved_for: HashMap<u32, MacAddr>,
    slots: HashMap<u32, Slot>,
    by_mac: HashMap<MacAddr, u32>,
    /// What computers were offered that have a live lease on another address: that one is theirs until
    /// they ask for this one, as anybody can make up a DISCOVER.
    moves: HashMap<MacAddr, u32>,
    /// Every slot that any computer may have by its end: the first is the one that is free for longest.
    by_end: BTreeSet<(Timestamp, u32)>,
    /// No address from here on was ever used. Wider than an address, so that it can pass the last.
    fresh: u64,
    /// Free addresses that nobody answered for when they were looked for, and when that was.
    silent: HashMap<u32, Timestamp>,
    /// Free addresses that computers wish for, to be looked for next.
    wished: BTreeSet<u32>,
    probe: bool,
    /// When it was last asked what is to be looked for.
    watched: Option<Timestamp>,
    /// How many decisions there were, and the number of the last one about each address.
    decisions: u64,
    decided: HashMap<u32, u64>,
}

impl Pool {
    /// An empty pool.
    pub fn new(shape: Shape) -> Pool {
        let mut pool = Pool {
            subnet: shape.subnet,
            spans: Spans::of(&[], &[]),
            reserved: HashMap::new(),
            reserved_for: HashMap::new(),
            slots: HashMap::new(),
            by_mac: HashMap::new(),
            moves: HashMap::new(),
            by_end: BTreeSet::new(),
            fresh: 0,
            silent: HashMap::new(),
            wished: BTreeSet::new(),
            probe: false,
            watched: None,
            decisions: 0,
            decided: HashMap::new(),
        };
        pool.reshape(shape);
        pool
    }

    /// From now on this may be given. Leases stay; those that fit no more end by themselves.
    pub fn reshape(&mut self, shape: Shape) {
        self.subnet = shape.subnet;
        self.spans = Spans::of(&shape.ranges, &shape.excluded);
        let reserved = shape.reserved.iter().map(|(mac, a)| (*mac, a.to_bits()));
        self.reserved = reserved.clone().collect();
        self.reserved_for = reserved.map(|(mac, address)| (address, mac)).collect();
        let open = self.slots.iter().filter(|(a, _)| self.is_open(**a));
        self.by_end = open.map(|(a, slot)| (slot.end(), *a)).collect();
        self.fresh = 0;
        self.silent.clear();
        self.wished.clear();
        self.probe = shape.probe;
    }

    /// Puts a stored lease back, if it fits: inside the subnet, and not older than one of the same
    /// computer. False, and nothing changed, if it does not and may be missed; of one that was handed back
    /// nobody misses anything, and whoever moves to another address leaves one.
    pub fn restore(&mut self, lease: Lease) -> bool {
        let address = lease.address.to_bits();
        let is_over = lease.state == LeaseState::Released;
        if !self.subnet.contains(lease.address) || self.slots.contains_key(&address) {
            return is_over;
        }
        if lease.state != LeaseState::Declined {
            match self.by_mac.get(&lease.mac).copied() {
                // By its beginning: a shorter one may have taken the place of one that would end later.
                Some(other) if self.is_newer(other, &lease) => return is_over,
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
        self.slots.insert(address, slot);
        self.change(address, |_| {});
        true
    }

    /// Whether the lease of `address` began after that one.
    fn is_newer(&self, address: u32, than: &Lease) -> bool {
        let lease = self.slots.get(&address).and_then(|s| s.lease.as_ref());
        lease.is_some_and(|l| (l.starts_at, l.ends_at) > (than.starts_at, than.ends_at))
    }

    /// An address for a computer, held for [`OFFER_SECONDS`]: the one reserved for it, else that of its
    /// lease, else the wanted one if that is free, else what it was offered before, else one never used,
    /// else the one that is free for longest. None: all are in use. A live lease that it has on another
    /// address lives on.
    pub fn offer(
        &mut self,
        mac: MacAddr,
        wanted: Option<Ipv4Addr>,
        now: Timestamp,
    ) -> Option<Ipv4Addr> {
        let wanted = wanted.map(Ipv4Addr::to_bits);
        let reserved = self.reserved.get(&mac).copied();
        let own = self.by_mac.get(&mac).copied();
        let offered = self.moves.get(&mac).copied();
        // A wish waits for a look, and something else is offered meanwhile, which must not bar it.
        let leased = own.filter(|a| self.slots.get(a).is_some_and(|s| s.lease.is_some()));
        let wish = wanted.filter(|_| wanted != own);
        let address = reserved
            .filter(|&a| self.is_available(a, mac, now))
            .or_else(|| leased.filter(|&a| self.is_allowed(a, mac, now)))
            .or_else(|| wish.filter(|&a| self.grants_wish(a, now)))
            .or_else(|| own.filter(|&a| self.is_allowed(a, mac, now)))
            .or_else(|| offered.filter(|&a| self.is_allowed(a, mac, now)))
            .or_else(|| self.next_fresh())
            .or_else(|| self.longest_free(now))?;
        if let Some(other) = offered.filter(|&a| a != address) {
            self.let_go(other);
        }
        self.hold(address, mac, now.plus_seconds(OFFER_SECONDS));
        match own.filter(|&own| own != address) {
            Some(own) if self.is_leased(own, now) => {
                self.moves.insert(mac, address);
            }
            other => {
                other.into_iter().for_each(|own| self.let_go(own));
                self.moves.remove(&mac);
                self.by_mac.insert(mac, address);
            }
        }
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
        if let Some(refusal) = self.refusal(asker.mac, bits, trust, now) {
            return refusal;
        }
        let left = self.by_mac.get(&asker.mac).copied();
        let left = left.filter(|&own| own != bits);
        let left = left.and_then(|own| self.end(own, now));
        let lease = Lease {
            address,
            mac: asker.mac,
            client_id: asker.client_id.clone(),
            hostname: asker.hostname.clone(),
            state: LeaseState::Active,
            starts_at: now,
            ends_at: now.plus_seconds(seconds.into()),
            decision: 0,
        };
        // The hold ends with the lease: a released address is free at once.
        self.hold(bits, asker.mac, now);
        self.moves.remove(&asker.mac);
        self.by_mac.insert(asker.mac, bits);
        let lease = self.set_lease(bits, lease);
        Claim::Granted { lease, left }
    }

    /// Why a computer can't have an address that it asks for; None when it can.
    fn refusal(&self, mac: MacAddr, bits: u32, trust: bool, now: Timestamp) -> Option<Claim> {
        // An address that was once the computer's and is no more says nothing: it may have another
        // server's by now.
        let own = self.by_mac.get(&mac).copied().filter(|own| {
            let slot = self.slots.get(own);
            *own == bits || slot.is_some_and(|s| s.held_until > now) || self.is_leased(*own, now)
        });
        let reserved = self.reserved.get(&mac).copied();
        match own {
            _ if self.moves.get(&mac) == Some(&bits) && self.is_allowed(bits, mac, now) => None,
            // It must move: what it has is another's now, or is not given any more.
            Some(own) if own == bits && !self.is_allowed(bits, mac, now) => Some(Claim::Elsewhere),
            Some(own) if own == bits => None,
            Some(_) => Some(Claim::Elsewhere),
            // A reservation is a record of it, and a reason to take its word.
            None if reserved == Some(bits) && !self.is_available(bits, mac, now) => {
                Some(Claim::Taken)
            }
            None if reserved == Some(bits) => None,
            None if reserved.is_some_and(|a| self.is_available(a, mac, now)) => {
                Some(Claim::Elsewhere)
            }
            None if self.reserved_for.contains_key(&bits) => Some(Claim::Taken),
            None if !self.spans.contains(bits) => Some(Claim::Unknown),
            None if !self.is_free(bits, now) => Some(Claim::Taken),
            None if !trust => Some(Claim::Unknown),
            None => None,
        }
    }

    /// The computer gives its address back. It keeps a preference for it.
    pub fn release(&mut self, mac: MacAddr, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        let bits = self.owned(mac, address)?;
        self.end(bits, now)
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
            decision: 0,
        };
        self.unlink(mac, bits);
        Some(self.set_lease(bits, lease))
    }

    /// The computer took another server's offer: what was only offered is free again.
    pub fn forget_offer(&mut self, mac: MacAddr, now: Timestamp) {
        let offered = self.moves.remove(&mac);
        for bits in offered.into_iter().chain(self.by_mac.get(&mac).copied()) {
            if self.slots.get(&bits).is_some_and(|s| s.held_until > now) {
                self.change(bits, |slot| slot.held_until = now);
            }
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

    /// What is known of an address.
    pub fn lease(&self, address: Ipv4Addr) -> Option<&Lease> {
        self.slots.get(&address.to_bits())?.lease.as_ref()
    }

    /// Every lease that is known, in no order.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.slots.values().filter_map(|slot| slot.lease.as_ref())
    }

    /// An address that is nobody's just now is forgotten, with who had it and why it rests. What was
    /// known of it; None for a live lease and for an address without one.
    pub fn forget(&mut self, address: Ipv4Addr, now: Timestamp) -> Option<Lease> {
        let bits = address.to_bits();
        let slot = self.slots.get(&bits)?;
        let lease = slot.lease.clone()?;
        if lease.is_active(now) {
            return None;
        }
        let mac = slot.mac;
        self.unlink(mac, bits);
        self.change(bits, |slot| {
            slot.lease = None;
            slot.held_until = Timestamp(i64::MIN);
        });
        Some(lease)
    }

    /// What is to be stored for a decision that was made here: itself, or what was decided of the
    /// address later, as decisions may reach the disk in another order. None when that is gone again.
    pub fn newest(&self, decided: Lease) -> Option<Lease> {
        let last = self.decided.get(&decided.address.to_bits());
        match last.is_some_and(|last| *last > decided.decision) {
            true => self.lease(decided.address).cloned(),
            false => Some(decided),
        }
    }

    /// How many addresses there are to give.
    pub fn size(&self) -> u32 {
        let outside = self
            .reserved_for
            .keys()
            .filter(|a| !self.spans.contains(**a));
        self.spans.size().saturating_add(outside.count() as u32)
    }

    /// Whether an address is reserved for a computer.
    pub fn is_reserved(&self, mac: MacAddr, address: Ipv4Addr) -> bool {
        self.reserved.get(&mac) == Some(&address.to_bits())
    }

    /// Whether any computer may have it.
    fn is_open(&self, address: u32) -> bool {
        self.spans.contains(address) && !self.reserved_for.contains_key(&address)
    }

    fn is_free(&self, address: u32, now: Timestamp) -> bool {
        self.is_open(address) && self.slots.get(&address).is_none_or(|s| s.end() <= now)
    }

    /// Whether nobody else has it, and it does not rest.
    fn is_available(&self, address: u32, mac: MacAddr, now: Timestamp) -> bool {
        let slot = self.slots.get(&address);
        slot.is_none_or(|s| s.end() <= now || s.mac == mac && !s.is_declined())
    }

    /// Whether a computer may have it now: the one reserved for it; another while it can't have that.
    fn is_allowed(&self, address: u32, mac: MacAddr, now: Timestamp) -> bool {
        match self.reserved.get(&mac) {
            Some(&own) if own == address => true,
            Some(&own) => self.is_open(address) && !self.is_available(own, mac, now),
            None => self.is_open(address),
        }
    }

    fn is_leased(&self, address: u32, now: Timestamp) -> bool {
        let lease = self.slots.get(&address).and_then(|s| s.lease.as_ref());
        lease.is_some_and(|l| l.is_active(now))
    }

    /// What a computer has or was offered, if it is that address.
    fn owned(&self, mac: MacAddr, address: Ipv4Addr) -> Option<u32> {
        let bits = address.to_bits();
        let all = [self.by_mac.get(&mac), self.moves.get(&mac)];
        all.contains(&Some(&bits)).then_some(bits)
    }

    fn next_fresh(&mut self) -> Option<u32> {
        let address = self.skip_used()?;
        self.fresh = u64::from(address) + 1;
        Some(address)
    }

    /// Goes past what was used; the first address that never was.
    fn skip_used(&mut self) -> Option<u32> {
        loop {
            let address = self.spans.next(self.fresh)?;
            if self.is_open(address) && !self.slots.contains_key(&address) {
                return Some(address);
            }
            self.fresh = u64::from(address) + 1;
        }
    }

    fn longest_free(&self, now: Timestamp) -> Option<u32> {
        let &(end, address) = self.by_end.first()?;
        (end <= now).then_some(address)
    }

    /// An offer is one no more.
    fn let_go(&mut self, address: u32) {
        self.change(address, |slot| slot.held_until = Timestamp(i64::MIN));
    }

    /// Ends the lease of an address, if it lives.
    fn end(&mut self, address: u32, now: Timestamp) -> Option<Lease> {
        let mut lease = self.slots.get(&address)?.lease.clone()?;
        if !lease.is_active(now) {
            return None;
        }
        lease.state = LeaseState::Released;
        lease.ends_at = now;
        Some(self.set_lease(address, lease))
    }

    /// Keeps `address` for the computer until then; what another had there before is forgotten.
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
        self.silent.remove(&address);
        self.change(address, |slot| slot.held_until = until);
    }

    /// The lease as it was decided.
    fn set_lease(&mut self, address: u32, mut lease: Lease) -> Lease {
        self.decisions += 1;
        self.decided.insert(address, self.decisions);
        lease.decision = self.decisions;
        let decided = lease.clone();
        self.change(address, |slot| {
            slot.held_until = Timestamp(i64::MIN);
            slot.lease = Some(lease);
        });
        decided
    }

    /// Every change of a slot goes through here, so that `by_end` is never wrong.
    fn change(&mut self, address: u32, change: impl FnOnce(&mut Slot)) {
        let is_open = self.is_open(address);
        if let Some(slot) = self.slots.get_mut(&address) {
            self.by_end.remove(&(slot.end(), address));
            change(slot);
            if is_open {
                self.by_end.insert((slot.end(), address));
            }
        }
    }

    fn drop_slot(&mut self, address: u32) {
        if let Some(slot) = self.slots.remove(&address) {
            self.by_end.remove(&(slot.end(), address));
            self.unlink(slot.mac, address);
        }
    }

    /// The address is not the computer's any more, nor offered to it.
    fn unlink(&mut self, mac: MacAddr, address: u32) {
        for map in [&mut self.by_mac, &mut self.moves] {
            if map.get(&mac) == Some(&address) {
                map.remove(&mac);
            }
        }
    }
}

#[path = "probe.rs"]
mod probe;
pub use probe::Found;

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
