//! One boot network among the settings: reading its texts, and telling what they mean.

use super::sources::{ConfigError, Origin, Raw, parse};
use crate::{BootNetworkConfig, network::LEASE_SECONDS};
use std::{collections::BTreeMap, net::Ipv4Addr, str::FromStr};
use types::{AddressRange, BootNetworkParams, DhcpMode};

/// What a `[[boot]]` of the file may hold.
pub(super) const BOOT_KEYS: &[&str] = &["interface", "namespace", "mode", "range", "router", "dns"];
/// What keys of boot networks begin with in the database; the scope's name follows.
pub(super) const BOOT_PREFIX: &str = "boot.";

/// Reads the texts of one network.
///
/// # Errors
/// A text that does not parse, or one that is missing.
pub(super) fn config(
    origin: &Origin,
    table: &BTreeMap<String, Raw>,
) -> Result<BootNetworkConfig, ConfigError> {
    let name = |key: &'static str| -> Result<Option<String>, ConfigError> {
        table
            .get(key)
            .map(|raw| parse(&format!("boot.{key}"), raw, device_name))
            .transpose()
    };
    let interface = name("interface")?.ok_or_else(|| ConfigError::Missing {
        origin: origin.clone(),
        key: "boot.interface",
        why: "each [[boot]] names the interface that computers boot over",
    })?;
    let mode = match table.get("mode") {
        None => DhcpMode::Full,
        Some(raw) => parse("boot.mode", raw, |s| match s {
            "full" => Ok(DhcpMode::Full),
            "proxy" => Ok(DhcpMode::Proxy),
            "off" => Ok(DhcpMode::Off),
            _ => Err("it is one of full, proxy, off".into()),
        })?,
    };
    let range = table
        .get("range")
        .map(|raw| parse("boot.range", raw, address_range))
        .transpose()?;
    if mode == DhcpMode::Full && range.is_none() {
        return Err(ConfigError::Missing {
            origin: origin.clone(),
            key: "boot.range",
            why: "in mode full the server needs the addresses it may hand out, such as \
                  range = \"10.77.0.100-10.77.0.199\"",
        });
    }
    let router = table
        .get("router")
        .map(|raw| parse("boot.router", raw, host_address))
        .transpose()?;
    let dns = match table.get("dns") {
        None => Vec::new(),
        Some(raw) => parse("boot.dns", raw, |s| {
            s.split(',').map(host_address).collect()
        })?,
    };
    Ok(BootNetworkConfig {
        interface,
        namespace: name("namespace")?,
        mode,
        range,
        router,
        dns,
        lease_seconds: LEASE_SECONDS,
        is_lab: false,
    })
}

/// A row of the database as the texts that the file would hold; None when the key names no interface.
pub(super) fn table(key: &str, params: &BootNetworkParams) -> Option<BTreeMap<String, Raw>> {
    let scope = key.strip_prefix(BOOT_PREFIX)?;
    let (namespace, interface) = match scope.split_once('/') {
        Some((namespace, interface)) => (Some(namespace), interface),
        None => (None, scope),
    };
    let mode = match params.mode {
        DhcpMode::Full => "full",
        DhcpMode::Proxy => "proxy",
        DhcpMode::Off => "off",
    };
    let texts = [
        ("interface", Some(interface)),
        ("namespace", namespace),
        ("mode", Some(mode)),
        ("range", params.range.as_deref()),
        ("router", params.router.as_deref()),
        ("dns", params.dns.as_deref()),
    ];
    let raw = |text: &str| Raw::new(text, Origin::Database);
    let given = texts.into_iter().filter_map(|(k, text)| Some((k, text?)));
    Some(given.map(|(k, text)| (k.to_string(), raw(text))).collect())
}

/// A network as it would be written.
pub(super) fn params(network: &BootNetworkConfig) -> BootNetworkParams {
    let dns: Vec<String> = network.dns.iter().map(ToString::to_string).collect();
    BootNetworkParams {
        mode: network.mode,
        range: network.range.map(|r| format!("{}-{}", r.first, r.last)),
        router: network.router.map(|r| r.to_string()),
        dns: (!dns.is_empty()).then(|| dns.join(", ")),
    }
}

/// Interface and namespace names: what the kernel and `ip netns` take, and nothing that leaves
/// `/run/netns` as a path.
fn device_name(s: &str) -> Result<String, String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    if s.is_empty() || s.len() > 15 || s.starts_with(['.', '-']) || !s.chars().all(fine) {
        return Err(
            "a name has 1 to 15 letters, digits or -_.@: and begins with none of . and -".into(),
        );
    }
    Ok(s.into())
}

/// The address of one other computer.
fn host_address(s: &str) -> Result<Ipv4Addr, String> {
    Ipv4Addr::from_str(s.trim())
        .ok()
        .filter(|a| {
            !(a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_broadcast())
        })
        .ok_or_else(|| "write the address of a computer like 10.77.0.254".into())
}

fn address_range(s: &str) -> Result<AddressRange, String> {
    let wrong = || "write first and last address like 10.77.0.100-10.77.0.199".to_string();
    let (first, last) = s.split_once('-').ok_or_else(wrong)?;
    let ip = |s: &str| Ipv4Addr::from_str(s.trim()).map_err(|_| wrong());
    let range = AddressRange {
        first: ip(first)?,
        last: ip(last)?,
    };
    if range.first > range.last {
        return Err("the first address is above the last; swap them".into());
    }
    if range.first.is_unspecified() || range.first.is_loopback() || range.last.is_multicast() {
        return Err("these are not addresses that a computer can have".into());
    }
    Ok(range)
}
