//! The network interfaces of this box, those that are no boot network among them: so that one can become
//! one without a look at the box.

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
};
use std::{collections::BTreeMap, io, net::Ipv4Addr};
use types::{BootNetworkView, DhcpMode, InterfaceView, MacAddr};

/// Every interface of the host's own namespace but the loopback, by name; what is served is among
/// `networks`.
///
/// # Errors
/// Of the system.
pub(crate) fn list(networks: &[BootNetworkView]) -> io::Result<Vec<InterfaceView>> {
    let entries = getifaddrs()?.map(Seen::from);
    Ok(views(entries, networks))
}

/// What the system says of an interface: one entry for each of its addresses, of Ethernet, too.
struct Seen {
    name: String,
    flags: InterfaceFlags,
    mac: Option<MacAddr>,
    address: Option<(Ipv4Addr, u32)>,
}

impl From<InterfaceAddress> for Seen {
    fn from(entry: InterfaceAddress) -> Self {
        let address = entry.address.as_ref();
        let mask = entry.netmask.as_ref().and_then(|m| m.as_sockaddr_in());
        let prefix = mask.map_or(32, |m| m.ip().to_bits().leading_ones());
        let link = address.and_then(|a| a.as_link_addr());
        Seen {
            mac: link.and_then(|l| l.addr()).map(MacAddr),
            address: address.and_then(|a| Some((a.as_sockaddr_in()?.ip(), prefix))),
            name: entry.interface_name,
            flags: entry.flags,
        }
    }
}

fn views(seen: impl Iterator<Item = Seen>, networks: &[BootNetworkView]) -> Vec<InterfaceView> {
    let mut known: BTreeMap<String, InterfaceView> = BTreeMap::new();
    for seen in seen.filter(|s| !s.flags.contains(InterfaceFlags::IFF_LOOPBACK)) {
        let is_here = |n: &&BootNetworkView| n.namespace.is_none() && n.interface == seen.name;
        let served = networks.iter().find(is_here);
        let view = known
            .entry(seen.name.clone())
            .or_insert_with(|| InterfaceView {
                name: seen.name.clone(),
                mac: None,
                addresses: Vec::new(),
                is_up: seen.flags.contains(InterfaceFlags::IFF_UP),
                has_link: seen.flags.contains(InterfaceFlags::IFF_RUNNING),
                mode: served.map_or(DhcpMode::Off, |n| n.mode),
            });
        view.mac = seen.mac.filter(MacAddr::is_unicast).or(view.mac);
        let address = seen.address.map(|(a, prefix)| format!("{a}/{prefix}"));
        view.addresses.extend(address);
    }
    known.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interface_is_there_once_with_all_that_is_known_of_it() {
        let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        let seen = |name: &str, flags, mac: Option<u8>, address: Option<[u8; 4]>| Seen {
            name: name.into(),
            flags,
            mac: mac.map(|n| MacAddr([0, 0, 0, 0, 0, n])),
            address: address.map(|a| (a.into(), 24)),
        };
        let network = |namespace: Option<&str>, interface: &str, mode| {
            let json = serde_json::json!({
                "interface": interface, "namespace": namespace, "mode": mode, "address": null,
                "prefix_len": 24, "range": null, "leases_active": 0, "leases_total": 0,
                "lease_seconds": 0, "other_servers": [], "error": null, "is_lab": false,
            });
            serde_json::from_value::<BootNetworkView>(json).expect("a view")
        };
        let networks = [
            network(Some("lab"), "eth1", "full"),
            network(None, "eth0", "proxy"),
        ];
        let all = [
            seen("lo", up | InterfaceFlags::IFF_LOOPBACK, Some(0), None),
            seen("eth1", InterfaceFlags::IFF_UP, Some(2), None),
            seen("eth0", up, Some(1), None),
            seen("eth0", up, None, Some([10, 77, 0, 1])),
            seen("eth0", up, None, Some([10, 78, 0, 1])),
            seen("tun0", InterfaceFlags::empty(), Some(0), None),
        ];
        let views = views(all.into_iter(), &networks);
        let names: Vec<&str> = views.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["eth0", "eth1", "tun0"]);
        assert_eq!(views[0].addresses, ["10.77.0.1/24", "10.78.0.1/24"]);
        assert_eq!(views[0].mac, Some(MacAddr([0, 0, 0, 0, 0, 1])));
        let states: Vec<_> = views
            .iter()
            .map(|v| (v.is_up, v.has_link, v.mode))
            .collect();
        let off = DhcpMode::Off;
        let want = [
            (true, true, DhcpMode::Proxy),
            (true, false, off),
            (false, false, off),
        ];
        assert_eq!((states, views[2].mac), (want.to_vec(), None));
    }
}
