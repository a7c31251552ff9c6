//! Looking for addresses on the wire before they are given: which ones, and what follows from it. The
//! look itself is the daemon's.

use super::{Lease, Pool, QUARANTINE_SECONDS, Slot};
use std::net::Ipv4Addr;
use types::{LeaseState, MacAddr, Timestamp};

/// Seconds for which it counts that nobody answered for an address.
const SILENT_SECONDS: i64 = 600;

impl Pool {
    /// Up to `most` addresses that would be offered next to computers that we don't know, and that
    /// nobody has looked for lately.
    pub fn to_probe(&mut self, most: usize, now: Timestamp) -> Vec<Ipv4Addr> {
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
        let heard = |a: &u32| {
            let at = self.silent.get(a);
            at.is_some_and(|at| at.plus_seconds(SILENT_SECONDS) > now)
        };
        let next = next.take(most).filter(|a| !heard(a));
        next.map(Ipv4Addr::from_bits).collect()
    }

    /// What became of a look for an address: nobody answered, or somebody has it. Then it rests, and
    /// the lease says so; not if it was given away meanwhile, or is still with whom it was given last.
    pub fn probed(
        &mut self,
        address: Ipv4Addr,
        user: Option<MacAddr>,
        now: Timestamp,
    ) -> Option<Lease> {
        let bits = address.to_bits();
        let Some(user) = user else {
            self.silent.insert(bits, now);
            return None;
        };
        let rests_until = now.plus_seconds(QUARANTINE_SECONDS);
        match self.slots.get(&bits) {
            Some(slot) if slot.end() > now => return None,
            Some(slot) if slot.mac == user => {
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
        };
        let slot = Slot {
            mac: user,
            held_until: Timestamp(i64::MIN),
            lease: None,
        };
        self.slots.insert(bits, slot);
        self.set_lease(bits, lease.clone());
        Some(lease)
    }
}
