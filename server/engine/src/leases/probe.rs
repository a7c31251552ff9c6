//! Looking for addresses on the wire before they are given: which ones, and what follows from it. The
//! look itself is the daemon's.

use super::{Lease, Pool, QUARANTINE_SECONDS, Slot};
use std::{collections::BTreeSet, net::Ipv4Addr};
use types::{LeaseState, MacAddr, Timestamp};

/// Stands for a computer whose Ethernet address can't be known.
const UNKNOWN: MacAddr = MacAddr([0; 6]);
/// Seconds for which it counts that nobody answered for an address.
const SILENT_SECONDS: i64 = 600;
/// Whoever looks asks a few times a second what for; after so many without it nobody does.
const WATCH_SECONDS: i64 = 10;

/// What a look for an address found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nobody answered.
    Nobody,
    /// This computer.
    User(MacAddr),
    /// Somebody: behind a router it can't be told who.
    Somebody,
}

/// Wishes that wait to be looked for; made-up ones must not crowd out what is offered next.
const MAX_WISHES: usize = 16;

impl Pool {
    /// What computers wish for, and of the next `most` addresses that would be offered to computers that
    /// we don't know, those that nobody has looked for lately.
    pub fn to_probe(&mut self, most: usize, now: Timestamp) -> Vec<Ipv4Addr> {
        self.watched = Some(now);
        // So that what is used is gone through once, not each time.
        self.skip_used();
        let mut from = self.fresh;
        let fresh = std::iter::from_fn(|| {
            let address = self.spans.next(from)?;
            from = u64::from(address) + 1;
            Some(address)
        });
        let unused = |a: &u32| !self.slots.contains_key(a) && !self.reserved_for.contains_key(a);
        let rested = self.by_end.iter().take_while(|(end, _)| *end <= now);
        let next = fresh.filter(unused).chain(rested.map(|&(_, a)| a));
        let next = next.take(most).filter(|a| !self.is_silent(*a, now));
        let mut next: BTreeSet<u32> = next.collect();
        next.extend(std::mem::take(&mut self.wished));
        next.into_iter().map(Ipv4Addr::from_bits).collect()
    }

    /// Whether a computer may have the free address that it wishes for; one that nobody looked for
    /// lately is looked for next. Where nobody looks (the wire is no Ethernet, the way to the subnet leads
    /// over another interface) a wish would wait for ever, and is granted.
    pub(super) fn grants_wish(&mut self, address: u32, now: Timestamp) -> bool {
        if !self.is_free(address, now) {
            return false;
        }
        let may = !self.probe || !self.is_watched(now) || self.is_silent(address, now);
        if !may && self.wished.len() < MAX_WISHES {
            self.wished.insert(address);
        }
        may
    }

    fn is_watched(&self, now: Timestamp) -> bool {
        let at = self.watched;
        at.is_some_and(|at| at.plus_seconds(WATCH_SECONDS) > now)
    }

    /// Whether nobody answered for an address lately.
    fn is_silent(&self, address: u32, now: Timestamp) -> bool {
        let at = self.silent.get(&address);
        at.is_some_and(|at| at.plus_seconds(SILENT_SECONDS) > now)
    }

    /// What became of a look for an address. One that somebody has rests, and the lease says so; not if
    /// it was given away meanwhile, or is still with whom it was given last.
    pub fn probed(&mut self, address: Ipv4Addr, found: Found, now: Timestamp) -> Option<Lease> {
        let bits = address.to_bits();
        let user = match found {
            Found::Nobody => {
                self.silent.insert(bits, now);
                return None;
            }
            Found::User(user) => user,
            // Most likely who had it last.
            Found::Somebody => self.last_holder(address).unwrap_or(UNKNOWN),
        };
        let rests_until = now.plus_seconds(QUARANTINE_SECONDS);
        match self.slots.get(&bits) {
            Some(slot) if slot.end() > now => return None,
            Some(slot) if slot.mac == user && !slot.is_declined() => {
                self.change(bits, |slot| slot.held_until = rests_until);
                return None;
            }
            _ => self.drop_slot(bits),
        }
        let lease = Lease {
            address,
            mac: user,
            client_id: Vec::new(),
            hostname: None,
            state: LeaseState::Declined,
            starts_at: now,
            ends_at: rests_until,
            decision: 0,
        };
        let slot = Slot {
            mac: user,
            held_until: Timestamp(i64::MIN),
            lease: None,
        };
        self.slots.insert(bits, slot);
        Some(self.set_lease(bits, lease))
    }
}
