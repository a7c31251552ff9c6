//! Addresses that another server handed out, as we overheard who asks for them: in proxy mode they
//! tell which computer a request comes from. In memory only; a computer is heard again at its next boot.

use std::{
    collections::{HashMap, VecDeque},
    net::Ipv4Addr,
};
use types::MacAddr;

/// Computers that are remembered; the one heard first is forgotten for a new one.
const MAX: usize = 10_000;

/// Who has which address of another server.
#[derive(Default)]
pub(super) struct Elsewhere {
    by_address: HashMap<Ipv4Addr, MacAddr>,
    by_mac: HashMap<MacAddr, Ipv4Addr>,
    /// In the order in which they were first heard; one that moved stands there more than once.
    order: VecDeque<MacAddr>,
}

impl Elsewhere {
    /// This computer has, or is about to have, that address.
    pub fn hear(&mut self, mac: MacAddr, address: Ipv4Addr) {
        if self.by_mac.get(&mac) == Some(&address) {
            return;
        }
        if let Some(old) = self.by_mac.insert(mac, address) {
            self.by_address.remove(&old);
        } else {
            self.order.push_back(mac);
        }
        // Whoever had it before has it no more.
        if let Some(before) = self.by_address.insert(address, mac) {
            self.by_mac.remove(&before);
            self.order.retain(|m| *m != before);
        }
        if self.by_mac.len() > MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(address) = self.by_mac.remove(&oldest)
        {
            self.by_address.remove(&address);
        }
    }

    /// Who has an address.
    pub fn owner(&self, address: Ipv4Addr) -> Option<MacAddr> {
        self.by_address.get(&address).copied()
    }

    /// The address of a computer.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        self.by_mac.get(&mac).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u16) -> Ipv4Addr {
        let [a, b] = n.to_be_bytes();
        Ipv4Addr::new(10, 9, a, b)
    }
    fn mac(n: u16) -> MacAddr {
        let [a, b] = n.to_be_bytes();
        MacAddr([2, 0, 0, 0, a, b])
    }

    #[test]
    fn the_last_word_holds() {
        let mut e = Elsewhere::default();
        e.hear(mac(1), ip(1));
        assert_eq!(
            (e.owner(ip(1)), e.address_of(mac(1))),
            (Some(mac(1)), Some(ip(1)))
        );
        // Its iPXE names itself differently and gets another one.
        e.hear(mac(1), ip(2));
        assert_eq!((e.owner(ip(1)), e.owner(ip(2))), (None, Some(mac(1))));
        e.hear(mac(2), ip(2));
        assert_eq!((e.owner(ip(2)), e.address_of(mac(1))), (Some(mac(2)), None));
    }

    #[test]
    fn made_up_computers_do_not_fill_the_memory() {
        let mut e = Elsewhere::default();
        for n in 0..20_000 {
            e.hear(mac(n), ip(n));
        }
        assert_eq!(
            (e.by_mac.len(), e.by_address.len(), e.order.len()),
            (MAX, MAX, MAX)
        );
        assert_eq!(
            (e.owner(ip(0)), e.owner(ip(19_999))),
            (None, Some(mac(19_999)))
        );
        for n in 0..20_000 {
            e.hear(mac(n), ip(n % 7));
        }
        assert!(e.by_mac.len() <= MAX && e.order.len() == e.by_mac.len());
        assert_eq!(e.by_mac.len(), e.by_address.len());
    }
}
