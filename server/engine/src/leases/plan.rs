//! What answers on a scope say, and what it may give: made anew from settings and records with each
//! change of either.

use super::{
    Shape,
    options::{self, Layer, OptionBytes},
    rules,
};
use crate::{Area, network::LEASE_SECONDS};
use std::{collections::HashMap, net::Ipv4Addr};
use store::{OptionRecord, ReservationRecord, ScopeRecord};
use types::{AddressRange, DhcpOption, MacAddr, Subnet};

/// A boot network as its own scope needs it: from its interface and the setting `boot.NAME`, the one
/// place where these can be changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnNetwork {
    /// The interface, e.g. `br0`.
    pub interface: String,
    /// Our address on it.
    pub server: Ipv4Addr,
    /// The interface's prefix.
    pub prefix_len: u8,
    /// What is handed out.
    pub range: AddressRange,
    /// The way to other networks.
    pub router: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// How long a lease lasts unless the scope's record says otherwise.
    pub lease_seconds: u32,
}

impl OwnNetwork {
    /// The network that the interface is on.
    pub fn subnet(&self) -> Subnet {
        Subnet::of(self.server, self.prefix_len)
    }
}

/// What answers on a scope say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The scope's subnet.
    pub subnet: Subnet,
    /// The way to other networks.
    pub router: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// The domain that names without a dot are looked up in.
    pub domain: Option<String>,
    /// How long a lease lasts.
    pub lease_seconds: u32,
    /// Options for every computer.
    pub options: Vec<OptionBytes>,
    /// Whether addresses are looked for on the wire before they are first given.
    pub probe: bool,
    /// What is set for one computer.
    pub computers: HashMap<MacAddr, Reserved>,
}

/// What a reservation says to its computer besides the address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserved {
    /// What the computer is called.
    pub hostname: Option<String>,
    /// Options that go before the scope's.
    pub options: Vec<OptionBytes>,
}

impl Plan {
    /// A scope without options, names and reservations.
    pub fn plain(subnet: Subnet) -> Plan {
        Plan {
            subnet,
            router: None,
            dns: Vec::new(),
            domain: None,
            lease_seconds: LEASE_SECONDS,
            options: Vec::new(),
            probe: false,
            computers: HashMap::new(),
        }
    }

    /// The options for a computer: its own go before its group's, and those before the scope's.
    pub fn options_for(&self, mac: MacAddr, group: &[OptionBytes]) -> Vec<OptionBytes> {
        let own = self.computers.get(&mac);
        let own = own.map_or(&[][..], |r| r.options.as_slice());
        options::merge(&[own, group, &self.options])
    }
}

/// Plan and shape of a scope. None for an own scope whose network does not run.
pub(super) fn build(
    own: Option<&OwnNetwork>,
    record: Option<&ScopeRecord>,
    reservations: &[ReservationRecord],
) -> Option<(Plan, Shape)> {
    let relayed = || record?.subnet.map(|(a, len)| Subnet::of(a, len));
    let subnet = own.map(OwnNetwork::subnet).or_else(relayed)?;
    let mut plan = Plan::plain(subnet);
    let mut shape = Shape {
        subnet,
        ranges: Vec::new(),
        excluded: vec![one(subnet.network()), one(subnet.broadcast())],
        reserved: Vec::new(),
        probe: false,
    };
    let server = own.map(|own| own.server);
    // The interface may have got another network since they were made.
    let fits =
        |r: &&ReservationRecord| rules::host_of(r.address, subnet) && server != Some(r.address);
    let fitting = reservations.iter().filter(fits);
    shape.reserved = fitting.map(|r| (r.mac, r.address)).collect();
    if let Some(record) = record {
        shape.ranges.extend(record.ranges.iter().map(range));
        shape.excluded.extend(record.exclusions.iter().map(range));
        plan.router = record.router;
        plan.dns.clone_from(&record.dns);
        plan.domain.clone_from(&record.domain);
        plan.options = encoded(&record.options, Layer::Scope);
        plan.probe = record.probe;
    }
    if let Some(own) = own {
        shape.ranges.push(own.range);
        shape.excluded.push(one(own.server));
        plan.router = own.router;
        plan.dns.clone_from(&own.dns);
        plan.lease_seconds = own.lease_seconds;
        plan.probe = record.is_none_or(|r| r.probe);
    }
    if let Some(seconds) = record.and_then(|r| r.lease_seconds) {
        plan.lease_seconds = seconds;
    }
    // They may lie in a range, and are somebody's already.
    let known = plan.router.iter().chain(&plan.dns);
    shape.excluded.extend(known.map(|a| one(*a)));
    shape.ranges.retain_mut(|range| clip(range, subnet));
    shape.probe = plan.probe;
    plan.computers = reservations.iter().map(reserved).collect();
    Some((plan, shape))
}

fn reserved(r: &ReservationRecord) -> (MacAddr, Reserved) {
    let reserved = Reserved {
        hostname: r.hostname.clone(),
        options: encoded(&r.options, Layer::Computer),
    };
    (r.mac, reserved)
}

/// They were checked when they were set; one that an older version took and this one does not costs its layer.
pub(crate) fn encoded(records: &[OptionRecord], layer: Layer) -> Vec<OptionBytes> {
    let written: Vec<DhcpOption> = records.iter().map(option).collect();
    options::encode(Area::Scope, &written, layer).unwrap_or_else(|error| {
        tracing::warn!(%error, "stored DHCP options are not sent");
        Vec::new()
    })
}

/// An option as it was written.
pub(crate) fn option(r: &OptionRecord) -> DhcpOption {
    DhcpOption {
        code: r.code,
        kind: r.kind,
        value: r.value.clone(),
    }
}

/// A range as it is stored.
pub(super) fn range((first, last): &(Ipv4Addr, Ipv4Addr)) -> AddressRange {
    AddressRange {
        first: *first,
        last: *last,
    }
}

/// Makes a range that of its addresses which are in the subnet; false when there are none.
fn clip(range: &mut AddressRange, subnet: Subnet) -> bool {
    range.first = range.first.max(subnet.network());
    range.last = range.last.min(subnet.broadcast());
    range.first <= range.last
}

fn one(address: Ipv4Addr) -> AddressRange {
    AddressRange {
        first: address,
        last: address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{leases::edit::own_record, now};
    use types::ReservationId;
    use uuid::Uuid;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }
    fn ranges(of: &[&str]) -> Vec<AddressRange> {
        of.iter().map(|r| r.parse().expect("a range")).collect()
    }
    fn reservation(n: u8, address: &str) -> ReservationRecord {
        ReservationRecord {
            id: ReservationId(Uuid::now_v7()),
            scope: "br0".into(),
            mac: MacAddr([2, 0, 0, 0, 0, n]),
            address: ip(address),
            hostname: None,
            options: Vec::new(),
            created_at: now(),
            revision: 1,
        }
    }

    /// The interface got another address with a narrower prefix.
    #[test]
    fn what_is_not_in_the_subnet_any_more_is_not_given() {
        let own = OwnNetwork {
            interface: "br0".into(),
            server: ip("10.77.0.129"),
            prefix_len: 25,
            range: ranges(&["10.77.0.100-10.77.0.139"])[0],
            router: None,
            dns: Vec::new(),
            lease_seconds: 3600,
        };
        let pairs = ranges(&["10.77.0.200-10.77.1.20", "10.77.0.10-10.77.0.20"]);
        let record = ScopeRecord {
            ranges: pairs.iter().map(|r| (r.first, r.last)).collect(),
            ..own_record("br0".into())
        };
        let kept = reservation(1, "10.77.0.150");
        let dropped = ["10.77.0.50", "10.77.0.128", "10.77.0.255", "10.77.0.129"];
        let all: Vec<_> = (2..)
            .zip(dropped)
            .map(|(n, a)| reservation(n, a))
            .chain([kept.clone()])
            .collect();
        let (_, shape) = build(Some(&own), Some(&record), &all).expect("it runs");
        let mut given = shape.ranges.clone();
        given.sort_by_key(|r| r.first);
        let want = ranges(&["10.77.0.128-10.77.0.139", "10.77.0.200-10.77.0.255"]);
        assert_eq!(given, want);
        assert_eq!(shape.reserved, [(kept.mac, kept.address)]);
        let pool = super::super::Pool::new(shape);
        assert_eq!(
            pool.size(),
            10 + 55 + 1,
            "neither ends of the subnet nor us"
        );
    }
}
