//! Addresses that another server handed out, as we overheard who asks for them: in proxy mode they
//! tell which computer a request comes from. In memory only; a computer is heard again at its next boot.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::Ipv4Addr,
};
use types::MacAddr;

/// Computers that are remembered; the one not heard for longest is forgotten for a new one.
const MAX: usize = 10_000;

/// A boot network, by our own address on it: two networks may have the same addresses.
pub type Network = Ipv4Addr;

/// Who has which address of another server, on each boot network.
#[derive(Default)]
pub(super) struct Elsewhere {
    by_address: HashMap<(Network, Ipv4Addr), MacAddr>,
    by_mac: HashMap<(Network, MacAddr), Heard>,
    /// In the order in which they were last heard.
    order: BTreeMap<u64, (Network, MacAddr)>,
    /// How often anything was heard.
    count: u64,
    /// Every network of which anything was.
    networks: BTreeSet<Network>,
}

#[derive(Clone, Copy)]
struct Heard {
    address: Ipv4Addr,
    number: u64,
}

impl Elsewhere {
    /// This computer has, or is about to have, that address.
    pub fn hear(&mut self, network: Network, mac: MacAddr, address: Ipv4Addr) {
        self.forget(network, mac);
        // Whoever had it before has it no more.
        if let Some(before) = self.by_address.insert((network, address), mac) {
            let heard = self.by_mac.remove(&(network, before));
            heard.map(|heard| self.order.remove(&heard.number));
        }
        self.networks.insert(network);
        self.count += 1;
        let number = self.count;
        self.order.insert(number, (network, mac));
        self.by_mac
            .insert((network, mac), Heard { address, number });
        if self.by_mac.len() > MAX
            && let Some((_, &(network, oldest))) = self.order.first_key_value()
        {
            self.forget(network, oldest);
        }
    }

    /// Who has an address on a network.
    pub fn owner(&self, network: Network, address: Ipv4Addr) -> Option<MacAddr> {
        self.by_address.get(&(network, address)).copied()
    }

    /// The address of a computer on a network.
    pub fn address_on(&self, network: Network, mac: MacAddr) -> Option<Ipv4Addr> {
        Some(self.by_mac.get(&(network, mac))?.address)
    }

    /// Who has an address, on the network on which it was heard last.
    pub fn owner_on_any(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let owners = self.networks.iter().filter_map(|n| {
            let mac = self.owner(*n, address)?;
            Some((self.by_mac.get(&(*n, mac))?.number, mac))
        });
        Some(owners.max_by_key(|(number, _)| *number)?.1)
    }

    /// The address of a computer, on the network on which it was heard last.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let heard = self
            .networks
            .iter()
            .filter_map(|n| self.by_mac.get(&(*n, mac)));
        Some(heard.max_by_key(|h| h.number)?.address)
    }

    fn forget(&mut self, network: Network, mac: MacAddr) {
        if let Some(heard) = self.by_mac.remove(&(network, mac)) {
            self.order.remove(&heard.number);
            self.by_address.remove(&(network, heard.address));
        }
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

    const NET: Network = Ipv4Addr::new(10, 9, 0, 1);

    #[test]
    fn the_last_word_holds() {
        let mut e = Elsewhere::default();
        e.hear(NET, mac(1), ip(1));
        assert_eq!(
            (e.owner(NET, ip(1)), e.address_of(mac(1))),
            (Some(mac(1)), Some(ip(1)))
        );
        // Its iPXE names itself differently and gets another one.
        e.hear(NET, mac(1), ip(2));
        assert_eq!(
            (e.owner(NET, ip(1)), e.owner(NET, ip(2))),
            (None, Some(mac(1)))
        );
        e.hear(NET, mac(2), ip(2));
        assert_eq!(
            (e.owner(NET, ip(2)), e.address_of(mac(1))),
            (Some(mac(2)), None)
        );
    }

    #[test]
    fn made_up_computers_do_not_fill_the_memory() {
        let mut e = Elsewhere::default();
        for n in 0..20_000 {
            e.hear(NET, mac(n), ip(n));
        }
        assert_eq!(
            (e.by_mac.len(), e.by_address.len(), e.order.len()),
            (MAX, MAX, MAX)
        );
        assert_eq!(
            (e.owner(NET, ip(0)), e.owner(NET, ip(19_999))),
            (None, Some(mac(19_999)))
        );
        for n in 0..20_000 {
            e.hear(NET, mac(n), ip(n % 7));
        }
        assert!(e.by_mac.len() <= MAX && e.order.len() == e.by_mac.len());
        assert_eq!(e.by_mac.len(), e.by_address.len());
    }

    #[test]
    fn who_is_heard_again_is_remembered_longer() {
        let mut e = Elsewhere::default();
        for n in 0..MAX as u16 {
            e.hear(NET, mac(n), ip(n));
        }
        e.hear(NET, mac(0), ip(0));
        e.hear(NET, mac(20_000), ip(20_000));
        assert_eq!(e.owner(NET, ip(0)), Some(mac(0)), "heard just now");
        assert_eq!(e.owner(NET, ip(1)), None, "not heard for longest");
    }

    #[test]
    fn the_same_addresses_on_two_networks_are_two() {
        let other = Ipv4Addr::new(10, 8, 0, 1);
        let mut e = Elsewhere::default();
        e.hear(NET, mac(1), ip(1));
        e.hear(other, mac(2), ip(1));
        assert_eq!(e.owner(NET, ip(1)), Some(mac(1)));
        assert_eq!(e.owner(other, ip(1)), Some(mac(2)));
        assert_eq!(e.address_on(other, mac(1)), None);
        assert_eq!(e.owner_on_any(ip(1)), Some(mac(2)), "the last one heard");
        // The same computer was carried over.
        e.hear(other, mac(1), ip(3));
        assert_eq!(e.address_of(mac(1)), Some(ip(3)));
        assert_eq!(e.address_on(NET, mac(1)), Some(ip(1)));
    }
}
