//! Tickets: proof that a machine that asks over UDP gets what is sent to its address.

use crate::{Result, random_text};
use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};
use types::{MacAddr, Timestamp};

/// GRUB comes with its ticket at once; an answer may be lost and asked for again.
const SECONDS: f64 = 60.0;
/// Tickets that may be out. A flood of forged requests pushes old ones out, and GRUB asks again.
const MAX: usize = 4096;

/// The tickets that are out.
#[derive(Default)]
pub(super) struct Tickets {
    all: Mutex<HashMap<String, Ticket>>,
}

struct Ticket {
    mac: MacAddr,
    peer: Ipv4Addr,
    at: Timestamp,
}

impl Tickets {
    /// A new one for the machine at that address.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn issue(&self, mac: MacAddr, peer: Ipv4Addr, at: Timestamp) -> Result<String> {
        let name = random_text(24)?;
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX {
            all.retain(|_, t| t.at.seconds_to(at) <= SECONDS);
        }
        if all.len() >= MAX
            && let Some(oldest) = all.iter().min_by_key(|(_, t)| t.at).map(|(n, _)| n.clone())
        {
            all.remove(&oldest);
        }
        all.insert(name.clone(), Ticket { mac, peer, at });
        Ok(name)
    }

    /// Whose ticket it is, if it comes from where it was sent to, in time.
    pub fn whose(&self, name: &str, peer: Ipv4Addr, at: Timestamp) -> Option<MacAddr> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = all.get(name)?;
        let holds = ticket.peer == peer && ticket.at.seconds_to(at) <= SECONDS;
        holds.then_some(ticket.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_800_000_000_000_000);
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const HERE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    #[test]
    fn a_ticket_holds_for_its_address_and_a_minute() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(MAC, HERE, AT).expect("random numbers");
        assert_eq!(tickets.whose(&ticket, HERE, AT.plus_seconds(5)), Some(MAC));
        assert_eq!(tickets.whose(&ticket, HERE, AT.plus_seconds(61)), None);
        let there = Ipv4Addr::new(10, 77, 0, 101);
        assert_eq!(tickets.whose(&ticket, there, AT), None);
        assert_eq!(tickets.whose("", HERE, AT), None);
        let other = tickets.issue(MAC, HERE, AT).expect("random numbers");
        assert_ne!(ticket, other);
    }

    #[test]
    fn a_flood_keeps_the_newest() {
        let tickets = Tickets::default();
        let first = tickets.issue(MAC, HERE, AT).expect("random numbers");
        for n in 1..=MAX as i64 {
            let at = Timestamp(AT.0 + n);
            tickets.issue(MAC, HERE, at).expect("random numbers");
        }
        let last = tickets
            .issue(MAC, HERE, AT.plus_seconds(1))
            .expect("random numbers");
        assert_eq!(tickets.whose(&first, HERE, AT.plus_seconds(1)), None);
        assert_eq!(tickets.whose(&last, HERE, AT.plus_seconds(1)), Some(MAC));
        assert!(tickets.all.lock().expect("whole").len() <= MAX);
    }
}
