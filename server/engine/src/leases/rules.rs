//! What scopes and reservations may be.

use crate::{Area, Error, Result, clients::check_name};
use std::net::Ipv4Addr;
use store::ScopeRecord;
use types::{AddressRange, MacAddr, Subnet};

/// Ranges, and exclusions, of one scope.
const MAX_RANGES: usize = 64;
/// Name servers of one scope.
const MAX_DNS: usize = 8;
/// Seconds that a lease may last: a minute to a year.
const LEASE_SECONDS: std::ops::RangeInclusive<u32> = 60..=31_536_000;

fn invalid(field: &'static str, message: impl Into<String>) -> Error {
    Error::invalid(Area::Scope, field, message)
}

/// Names of relayed scopes; a boot network's has its own rule, and may have a slash.
pub(super) fn name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = (1..=32).contains(&name.len()) && name.chars().all(fine);
    if !fits || name.starts_with(['.', '-']) {
        let rule = "a name has 1 to 32 letters, digits or -_. and begins with none of . and -";
        return Err(invalid("name", rule));
    }
    Ok(())
}

pub(super) fn subnet(subnet: Subnet) -> Result<()> {
    let first = subnet.network();
    if !(8..=30).contains(&subnet.prefix_len()) {
        return Err(invalid("subnet", "a prefix is from 8 to 30 bits long"));
    }
    if first.is_unspecified()
        || first.is_loopback()
        || first.is_multicast()
        || first.octets()[0] >= 240
    {
        return Err(invalid(
            "subnet",
            "these are not addresses that a computer can have",
        ));
    }
    Ok(())
}

/// Ranges or exclusions: each inside the subnet, where that is known, and the right way round.
pub(super) fn ranges(
    field: &'static str,
    ranges: &[AddressRange],
    subnet: Option<Subnet>,
) -> Result<()> {
    if ranges.len() > MAX_RANGES {
        return Err(invalid(field, format!("at most {MAX_RANGES} of them")));
    }
    for range in ranges {
        if range.first > range.last {
            let rule = format!("{} comes after {}; swap them", range.first, range.last);
            return Err(invalid(field, rule));
        }
        let inside = |s: Subnet| s.contains(range.first) && s.contains(range.last);
        if let Some(subnet) = subnet.filter(|s| !inside(*s)) {
            return Err(invalid(field, format!("{range} is not inside {subnet}")));
        }
    }
    Ok(())
}

/// Ranges share no address with each other, nor with `own`, that of the boot network's setting.
pub(super) fn disjoint(ranges: &[AddressRange], own: Option<AddressRange>) -> Result<()> {
    let meet = |a: &AddressRange, b: &AddressRange| a.first <= b.last && b.first <= a.last;
    for (i, range) in ranges.iter().enumerate() {
        if let Some(own) = own.filter(|own| meet(range, own)) {
            let rule = format!("{range} shares addresses with {own} of the boot network's setting");
            return Err(invalid("ranges", rule));
        }
        if let Some(other) = ranges[..i].iter().find(|other| meet(range, other)) {
            let rule = format!("{range} shares addresses with {other}; write them as one");
            return Err(invalid("ranges", rule));
        }
    }
    Ok(())
}

pub(super) fn router(router: Ipv4Addr, subnet: Subnet) -> Result<()> {
    if host_of(router, subnet) {
        return Ok(());
    }
    Err(invalid(
        "router",
        format!("{router} is no address of a computer in {subnet}"),
    ))
}

pub(super) fn dns(dns: &[Ipv4Addr]) -> Result<()> {
    let fine = |a: &Ipv4Addr| {
        !(a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_broadcast())
    };
    if dns.len() > MAX_DNS || !dns.iter().all(fine) {
        return Err(invalid(
            "dns",
            format!("at most {MAX_DNS}, each the address of a computer"),
        ));
    }
    Ok(())
}

/// A domain: labels as host names have them, with dots between them.
pub(super) fn domain(domain: &str) -> Result<()> {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        return Err(invalid("domain", "write a domain like lab.example"));
    }
    Ok(())
}

pub(super) fn lease_seconds(seconds: u32) -> Result<u32> {
    if LEASE_SECONDS.contains(&seconds) {
        return Ok(seconds);
    }
    Err(invalid(
        "lease_seconds",
        format!(
            "a lease lasts from {} to {} seconds",
            LEASE_SECONDS.start(),
            LEASE_SECONDS.end()
        ),
    ))
}

/// A relay's packet must say by its address which scope is meant.
pub(super) fn apart(name: &str, subnet: Subnet, other: &str, theirs: Subnet) -> Result<()> {
    if name == other || !subnet.overlaps(theirs) {
        return Ok(());
    }
    Err(Error::conflict(
        Area::Scope,
        format!("{subnet} shares addresses with {theirs} of the scope {other:?}"),
        "Choose a subnet of its own, or change that scope.",
    ))
}

/// What only the setting of its boot network may say of an own scope.
pub(super) fn not_own(field: &'static str, record: &ScopeRecord) -> Result<()> {
    if record.subnet.is_some() {
        return Ok(());
    }
    let name = &record.name;
    Err(invalid(
        field,
        format!("it is in the setting boot.{name} of this boot network; change it there"),
    ))
}

pub(super) fn mac(mac: MacAddr) -> Result<()> {
    if mac.is_unicast() {
        return Ok(());
    }
    let rule = format!("{mac} is not one computer's address");
    Err(Error::invalid(Area::Reservation, "mac", rule))
}

/// A computer's name, by the rule for clients.
pub(super) fn hostname(name: &str) -> Result<()> {
    check_name(name).map_err(|e| match e {
        Error::Invalid { message, .. } => Error::invalid(Area::Reservation, "hostname", message),
        other => other,
    })
}

/// An address in the subnet that is neither the network's nor the broadcast address.
pub(super) fn host_of(address: Ipv4Addr, subnet: Subnet) -> bool {
    subnet.contains(address) && address != subnet.network() && address != subnet.broadcast()
}
