//! What a change touches, in plain words, before it is made.

use super::{
    change::RowChange,
    network::BOOT_PREFIX,
    sources::{Origin, Resolved},
};
use crate::{BootNetworkConfig, UnknownClients, network::scope_name};
use std::net::Ipv4Addr;
use types::{BootNetworkView, ClientState, ClientView, DhcpMode, SettingEffectView};

/// What there is that a change may touch.
pub(crate) struct Facts {
    pub clients: Vec<ClientView>,
    pub networks: Vec<BootNetworkView>,
}

/// The effects of each row, in the order of the rows.
pub(super) fn of(
    rows: &[RowChange],
    now: &Resolved,
    next: &Resolved,
    facts: &Facts,
) -> Vec<SettingEffectView> {
    rows.iter()
        .map(|row| effect(row, now, next, facts))
        .collect()
}

fn effect(row: &RowChange, now: &Resolved, next: &Resolved, facts: &Facts) -> SettingEffectView {
    let key = row.key.as_str();
    let (text, computers) = match hidden(key, next) {
        Some(place) => (
            format!("Nothing yet: {place} says what holds and stands above what is saved."),
            Vec::new(),
        ),
        None => match key {
            "http.listen" => (listen(now, next), Vec::new()),
            "http.allowed_origins" => (origins(next), Vec::new()),
            "clients.unknown" => unknown(next.values.unknown_clients, facts),
            "clients.boot_entry" => (
                match next.values.boot_entry.as_str() {
                    "" => "Computers boot their own image, unless they or their group say otherwise.".into(),
                    name => format!("Computers boot {name} next, unless they or their group say otherwise."),
                },
                Vec::new(),
            ),
            "clients.loader_set" | "clients.loader" => (
                "Counts at the next boot of computers for which neither they nor their group say otherwise."
                    .into(),
                Vec::new(),
            ),
            "dhcp.echo_client_id" => (
                "Counts from the next DHCP answer on.".into(),
                Vec::new(),
            ),
            "nbd.enabled" => (
                match next.values.nbd {
                    true => "Computers may open their own disks by NBD at once: no login, the address alone tells who it is.",
                    false => "Disks are offered by iSCSI alone. Whoever has one open by NBD loses it at once.",
                }
                .into(),
                Vec::new(),
            ),
            "snapshots.every" | "snapshots.at" => (
                match next.values.snapshots().map(|schedule| schedule.next(crate::now())) {
                    None => "No snapshots are taken by themselves. Those that there are stay.".into(),
                    Some(at) => format!("Snapshots of disks that are kept are taken next at {at}."),
                },
                Vec::new(),
            ),
            "snapshots.keep" => (
                "Counts for each computer when its next snapshot is taken by schedule: older ones go then.".into(),
                Vec::new(),
            ),
            "lab.enabled" => ("Counts at the next start of the server.".into(), Vec::new()),
            _ => boot(key, now, next, facts),
        },
    };
    SettingEffectView {
        key: key.into(),
        text,
        computers,
    }
}

/// What stands above the database for this key.
fn hidden(key: &str, next: &Resolved) -> Option<String> {
    let origin = match key.starts_with(BOOT_PREFIX) {
        true => next.networks.get(key)?,
        false => &next.texts.get(key)?.1,
    };
    match origin {
        Origin::Database | Origin::Default => None,
        above => Some(above.to_string()),
    }
}

fn listen(now: &Resolved, next: &Resolved) -> String {
    let (from, to) = (now.values.listen, next.values.listen);
    match from == to {
        true => format!("Page and REST stay at {to}."),
        false => format!(
            "Page, REST and command line leave {from} for {to}. Whoever has the page open has to open it there."
        ),
    }
}

fn origins(next: &Resolved) -> String {
    match next.values.allowed_origins.as_slice() {
        [] => "No other site's page may use the REST API.".into(),
        some => format!(
            "Pages of {} may use the REST API with a token.",
            some.join(", ")
        ),
    }
}

fn unknown(next: UnknownClients, facts: &Facts) -> (String, Vec<String>) {
    let waiting = |c: &&ClientView| c.state == ClientState::Discovered;
    let waiting: Vec<String> = facts
        .clients
        .iter()
        .filter(waiting)
        .map(|c| c.name.clone())
        .collect();
    match next {
        UnknownClients::Adopt => (
            "Computers that are not known are adopted at their first boot from now on. Those that are \
             discovered already stay so until they are adopted by hand."
                .into(),
            waiting,
        ),
        UnknownClients::Discover => (
            "Computers that are not known are only shown from now on, until somebody adopts them.".into(),
            Vec::new(),
        ),
    }
}

fn boot(key: &str, now: &Resolved, next: &Resolved, facts: &Facts) -> (String, Vec<String>) {
    let scope = key.strip_prefix(BOOT_PREFIX).unwrap_or(key);
    let of = |all: &Resolved| all.values.boot.iter().find(|n| n.scope() == scope).cloned();
    let computers = running(scope, facts);
    let text = match (of(now), of(next)) {
        (before, Some(after)) if before.as_ref() == Some(&after) => {
            format!("{scope} stays as it is.")
        }
        (None, Some(after)) => format!("NSBoot begins to serve {scope}: {}", serves(&after)),
        (Some(_), Some(after)) => {
            format!(
                "{scope} is served anew: {} Computers that run from it wait a moment for their disks.",
                serves(&after)
            )
        }
        (Some(_), None) => {
            format!("{scope} is not served any more. Computers that run from it lose their disks.")
        }
        (None, None) => format!("{scope} is not served, before as after."),
    };
    (text, computers)
}

/// Names of the computers that run from their disks over this network: their addresses are in the
/// subnet that it is in now.
fn running(scope: &str, facts: &Facts) -> Vec<String> {
    let live = facts
        .networks
        .iter()
        .find(|n| scope_name(n.namespace.as_deref(), &n.interface) == scope);
    let Some((own, prefix)) = live.and_then(|n| Some((n.address?, n.prefix_len))) else {
        return Vec::new();
    };
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0);
    let here = |c: &&ClientView| {
        let same = |a: Ipv4Addr| a.to_bits() & mask == own.to_bits() & mask;
        c.disk_in_use && c.address.is_some_and(same)
    };
    let here = facts.clients.iter().filter(here);
    here.map(|c| c.name.clone()).collect()
}

fn serves(network: &BootNetworkConfig) -> String {
    match (network.mode, network.range) {
        (DhcpMode::Full, Some(r)) => {
            format!(
                "computers get addresses {} to {} from it and can boot.",
                r.first, r.last
            )
        }
        (DhcpMode::Off, _) => "files and disks, no addresses.".into(),
        _ => "computers can boot.".into(),
    }
}
