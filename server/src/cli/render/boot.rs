//! Computers, their boots, and the networks that they boot on: tables, the boot rail, the diagnosis.

use super::{Row, bytes, fields, or_dash, scope::listed, yes_no};
use types::{
    BootChoiceView, BootNetworkView, BootState, BootView, ClientState, ClientView, DataDiskView,
    DhcpMode, EntryKind, Fill, Hop, HopState, InterfaceView, LabView, LeaseState, LeaseView,
    NextSnapshotView, OverlayMode, SystemInfoView,
};

impl Row for ClientView {
    const HEAD: &'static [&'static str] =
        &["NAME", "MAC", "ADDRESS", "IMAGE", "MODE", "BOOT", "STATE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.mac.to_string(),
            or_dash(self.address),
            or_dash(self.image_name.as_deref()),
            mode(self.mode).into(),
            self.last_boot
                .as_ref()
                .map(rail)
                .unwrap_or_else(|| "▯▯▯▯▯▯▯".into()),
            state(self),
        ]
    }
}

/// One computer; `choice` is what it boots next.
pub fn client(c: &ClientView, choice: &BootChoiceView) -> String {
    fields(&[
        ("name", c.name.clone()),
        ("id", c.id.to_string()),
        ("mac", c.mac.to_string()),
        ("state", state(c)),
        ("address", or_dash(c.address)),
        ("image", or_dash(c.image_name.as_deref())),
        ("version", or_dash(choice.version)),
        ("channel", or_dash(choice.channel)),
        ("mode", mode(c.mode).into()),
        ("group", or_dash(c.group_name.as_deref())),
        ("boot entry", or_dash(c.boot_entry_name.as_deref())),
        ("next boot", or_dash(c.one_shot_name.as_deref())),
        ("loader set", or_dash(c.loader_set.as_deref())),
        ("loader", or_dash(c.loader)),
        ("data disks", data_disks(c)),
        ("changes", changes(c)),
        ("disk in use", yes_no(c.disk_in_use)),
        ("next snapshot", or_dash(c.next_snapshot.map(next_snapshot))),
        ("virtual", yes_no(c.is_virtual)),
        ("created", c.created_at.to_string()),
        ("revision", c.revision.to_string()),
        ("last boot", or_dash(c.last_boot.as_ref().map(|b| b.id))),
    ])
}

/// The question before a computer is removed: what is lost with it.
pub fn removal(c: &ClientView, snapshots: usize) -> String {
    let written = c.held_bytes();
    let mut lost = Vec::new();
    if written > 0 {
        lost.push(format!("the {} that it wrote", bytes(written)));
    }
    match snapshots {
        0 => {}
        1 => lost.push("a snapshot of its disk".into()),
        n => lost.push(format!("{n} snapshots of its disk")),
    }
    match lost.is_empty() {
        true => format!("Remove the computer {}? It has written nothing.", c.name),
        false => format!("Remove the computer {}, {}?", c.name, lost.join(" and ")),
    }
}

/// What it wrote to the disk that it starts from, and the most that it may.
fn changes(c: &ClientView) -> String {
    held(c.overlay_bytes, c.overlay_limit_bytes)
}

/// Its data disks in their order, each with what it wrote there.
fn data_disks(c: &ClientView) -> String {
    let disk = |d: &DataDiskView| {
        let held = held(d.overlay_bytes, d.overlay_limit_bytes);
        format!("{} ({held})", or_dash(d.image_name.as_deref()))
    };
    let all: Vec<_> = c.data_disks.iter().map(disk).collect();
    or_dash((!all.is_empty()).then(|| all.join(", ")))
}

fn held(held: u64, limit: Option<u64>) -> String {
    let fill = match Fill::of(held, limit) {
        Fill::Room => "",
        Fill::Nearly => ", nearly full",
        Fill::Full => ", full: it refuses what is new",
    };
    match limit {
        None => bytes(held),
        Some(limit) => format!("{} of {}{fill}", bytes(held), bytes(limit)),
    }
}

fn next_snapshot(next: NextSnapshotView) -> String {
    match next.waits {
        None => next.at.to_string(),
        Some(why) => format!("due since {}: {}", next.at, why.words()),
    }
}

impl Row for LeaseView {
    const HEAD: &'static [&'static str] = &[
        "ADDRESS", "MAC", "CLIENT", "SCOPE", "RESERVED", "ENDS", "STATE",
    ];

    fn cells(&self) -> Vec<String> {
        let state = match self.state {
            LeaseState::Active => "active",
            LeaseState::Expired => "expired",
            LeaseState::Released => "released",
            LeaseState::Declined => "declined",
        };
        vec![
            self.address.to_string(),
            self.mac.to_string(),
            or_dash(self.client_name.as_deref().or(self.hostname.as_deref())),
            self.scope.clone(),
            if self.is_reserved { "yes" } else { "no" }.into(),
            self.ends_at.to_string(),
            state.into(),
        ]
    }
}

pub fn status(info: &SystemInfoView, networks: &[BootNetworkView]) -> String {
    let lab = lab(&info.lab);
    let mut boot: String = networks
        .iter()
        .map(|n| format!("boot     {}\n", network(n)))
        .collect();
    if boot.is_empty() {
        boot = format!("boot     {NO_NETWORK}\n");
    }
    format!(
        "nsboot {} on {}\nup since {}\ndata     {} ({} of {} free)\nmemory   {}\nlab      {lab}\n{boot}",
        info.version,
        info.hostname,
        info.started_at,
        info.data_dir,
        bytes(info.disk_free_bytes),
        bytes(info.disk_total_bytes),
        bytes(info.memory_rss_bytes),
    )
}

/// Whether virtual computers can be booted, and which run.
pub fn lab(lab: &LabView) -> String {
    match (&lab.reason, lab.running.as_slice()) {
        (Some(why), _) => format!("not available: {why}"),
        (None, []) => "available, no virtual computer runs".into(),
        (None, running) => format!("running: {}", running.join(", ")),
    }
}

fn dhcp(mode: DhcpMode) -> &'static str {
    match mode {
        DhcpMode::Full => "full",
        DhcpMode::Proxy => "proxy",
        DhcpMode::Off => "off",
    }
}

impl Row for InterfaceView {
    const HEAD: &'static [&'static str] = &["INTERFACE", "MAC", "ADDRESSES", "LINK", "DHCP"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            or_dash(self.mac),
            listed(&self.addresses),
            link(self).into(),
            dhcp(self.mode).into(),
        ]
    }
}

fn link(i: &InterfaceView) -> &'static str {
    match (i.is_up, i.has_link) {
        (false, _) => "switched off",
        (true, false) => "no link",
        (true, true) => "up",
    }
}

impl Row for BootNetworkView {
    const HEAD: &'static [&'static str] =
        &["INTERFACE", "ADDRESS", "DHCP", "RANGE", "LEASES", "STATE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.interface.clone(),
            or_dash(self.address.map(|a| format!("{a}/{}", self.prefix_len))),
            dhcp(self.mode).into(),
            or_dash(self.range.map(|r| format!("{}-{}", r.first, r.last))),
            format!("{} of {}", self.leases_active, self.leases_total),
            network_state(self),
        ]
    }
}

const NO_NETWORK: &str =
    "no interface is served: nsboot network set INTERFACE --range FIRST-LAST serves one";

fn network_state(n: &BootNetworkView) -> String {
    match (&n.error, n.address) {
        (Some(error), _) => error.clone(),
        (None, Some(_)) => "runs".into(),
        (None, None) => "is being started".into(),
    }
}

fn network(n: &BootNetworkView) -> String {
    match (&n.error, n.address) {
        (Some(error), _) => format!("{} does not run: {error}", n.interface),
        (None, Some(address)) => format!("{} at {address}/{}", n.interface, n.prefix_len),
        (None, None) => n.interface.clone(),
    }
}

/// The diagnosis of a client's last boot, or of what stands in the way of its first one.
/// `choice` is what it boots next.
pub fn why(client: &ClientView, networks: &[BootNetworkView], choice: &BootChoiceView) -> String {
    let mut out = format!("{} ({}): {}\n", client.name, client.mac, state(client));
    let Some(boot) = &client.last_boot else {
        out += "It has not been seen booting.\n";
        if networks.is_empty() {
            out += &format!("Here {NO_NETWORK}.\n");
        }
        for broken in networks.iter().filter(|n| n.error.is_some()) {
            out += &format!("The boot network {}.\n", network(broken));
        }
        out += &format!("{}\n", choice.outcome);
        // Not every boot entry needs one.
        if choice.kind == EntryKind::Image && client.image_id.is_none() {
            out += &format!("nsboot client set {} --image NAME\n", client.name);
        }
        return out + "Then turn it on and let it start from the network.\n";
    };
    out + &course(boot)
}

/// One boot.
pub fn boot(boot: &BootView) -> String {
    let facts = fields(&[
        ("id", boot.id.to_string()),
        ("mac", boot.mac.to_string()),
        ("address", or_dash(boot.address)),
        ("began", boot.started_at.to_string()),
        ("state", boot_state(boot)),
    ]);
    facts + &course(boot)
}

impl Row for BootView {
    const HEAD: &'static [&'static str] = &["BEGAN", "MAC", "ADDRESS", "BOOT", "STATE", "ID"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.started_at.to_string(),
            self.mac.to_string(),
            or_dash(self.address),
            rail(self),
            boot_state(self),
            self.id.to_string(),
        ]
    }
}

/// Why it stopped, its hops, and what was seen.
fn course(boot: &BootView) -> String {
    let mut out = String::new();
    if let Some(cause) = &boot.cause {
        out += &format!("{} [{}]\n{}\n", cause.title, cause.code, cause.hint);
    }
    for hop in &boot.hops {
        let took = match (hop.started_at, hop.finished_at) {
            (Some(a), Some(b)) => format!("{:7.2} s", a.seconds_to(b)),
            (Some(_), None) => "      …  ".into(),
            _ => "         ".into(),
        };
        out += &format!("  {} {:<7}{took}\n", mark(hop.state), name(hop.hop));
    }
    for note in &boot.notes {
        out += &format!(
            "  {:8.2} s  {}\n",
            boot.started_at.seconds_to(note.at),
            note.text
        );
    }
    out
}

fn state(client: &ClientView) -> String {
    if client.state == ClientState::Retired {
        return "retired".into();
    }
    let Some(boot) = &client.last_boot else {
        return match client.state {
            ClientState::Discovered => format!("discovered, its code is {}", client.mac.code()),
            ClientState::Retired => "retired".into(),
            ClientState::Adopted => "not seen yet".into(),
        };
    };
    boot_state(boot)
}

fn boot_state(boot: &BootView) -> String {
    let hop = boot.current().map(|h| name(h.hop)).unwrap_or("Link");
    match boot.state {
        BootState::Ready => {
            let took = boot.ended_at.map(|e| boot.started_at.seconds_to(e));
            took.map_or("ready".into(), |s| format!("ready after {s:.1} s"))
        }
        BootState::Booting => format!("at {hop}"),
        BootState::Superseded => format!("restarted at {hop}"),
        // What was seen after that, such as a file that the next loader fetches, is of no account.
        BootState::HandedOver => match boot.notes.iter().rfind(|n| n.hop == Hop::Ipxe) {
            Some(note) => note.text.to_lowercase(),
            None => "handed over".into(),
        },
        BootState::Stopped => match &boot.cause {
            Some(cause) => format!("stopped at {hop}: {}", cause.title),
            None => format!("stopped at {hop}"),
        },
    }
}

fn rail(boot: &BootView) -> String {
    boot.hops.iter().map(|h| mark(h.state)).collect()
}

fn mark(state: HopState) -> char {
    match state {
        HopState::Pending => '▯',
        HopState::Now => '▨',
        HopState::Done => '▮',
        HopState::Skipped => '·',
        HopState::Failed => '✕',
    }
}

fn name(hop: Hop) -> &'static str {
    match hop {
        Hop::Link => "Link",
        Hop::Dhcp => "DHCP",
        Hop::Loader => "Loader",
        Hop::Ipxe => "iPXE",
        Hop::Disk => "Disk",
        Hop::Kernel => "Kernel",
        Hop::Login => "Login",
    }
}

fn mode(mode: OverlayMode) -> &'static str {
    match mode {
        OverlayMode::Reset => "reset",
        OverlayMode::Keep => "keep",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_it_was_handed_over_to_is_said_whatever_was_seen_after_that() {
        let note = |hop, text| json!({"at": "2026-11-21T07:00:00Z", "hop": hop, "text": text});
        let boot: BootView = serde_json::from_value(json!({
            "id": uuid::Uuid::nil(), "mac": "52:54:00:00:00:07", "address": null, "client_id": null,
            "state": "handed_over", "started_at": "2026-11-21T07:00:00Z", "ended_at": null, "hops": [],
            "cause": null, "facts": null, "notes": [
                note("ipxe", "Script served"), note("ipxe", "Goes on with the kernel of rescue"),
                note("loader", "vmlinuz fetched"), note("dhcp", "ACK 10.77.0.5"),
            ],
        }))
        .expect("a boot");
        assert_eq!(boot_state(&boot), "goes on with the kernel of rescue");
    }

    fn computer(overlay_bytes: u64, data: &[u64]) -> ClientView {
        let data: Vec<_> = data
            .iter()
            .map(|bytes| json!({"image_id": uuid::Uuid::nil(), "image_name": "pack", "overlay_bytes": bytes, "overlay_limit_bytes": null}))
            .collect();
        serde_json::from_value(json!({
            "id": uuid::Uuid::nil(), "name": "pc-07", "mac": "52:54:00:00:00:07", "state": "adopted",
            "image_id": null, "image_name": null, "mode": "reset", "group_id": null, "group_name": null,
            "boot_entry_id": null, "boot_entry_name": null, "one_shot_id": null, "one_shot_name": null,
            "loader_set": null, "loader": null, "is_virtual": false, "address": null, "overlay_bytes": overlay_bytes,
            "quota_bytes": null, "overlay_limit_bytes": null, "data_disks": data,
            "disk_in_use": false, "created_at": "2026-11-21T07:00:00Z", "revision": 1, "last_boot": null,
        }))
        .expect("a computer")
    }

    #[test]
    fn who_removes_a_computer_is_told_what_is_lost() {
        let asked = |written, data: &[u64], snapshots| removal(&computer(written, data), snapshots);
        assert_eq!(
            asked(0, &[], 0),
            "Remove the computer pc-07? It has written nothing."
        );
        assert_eq!(
            asked(3 << 20, &[1 << 20], 0),
            "Remove the computer pc-07, the 4.0 MiB that it wrote?"
        );
        assert_eq!(
            asked(1 << 20, &[], 2),
            "Remove the computer pc-07, the 1.0 MiB that it wrote and 2 snapshots of its disk?"
        );
        assert_eq!(
            asked(0, &[], 1),
            "Remove the computer pc-07, a snapshot of its disk?"
        );
    }

    #[test]
    fn only_a_computer_that_starts_its_image_is_told_that_it_has_none() {
        let client = computer(0, &[]);
        let rule = json!({"value": "", "from": "client", "steps": []});
        let told = |kind: &str, outcome: &str| {
            let choice = json!({
                "client_id": client.id, "client_name": "pc-07", "state": "adopted", "outcome": outcome,
                "kind": kind, "entry": rule, "image_name": null, "loader_set": rule, "loader": rule,
            });
            why(
                &client,
                &[],
                &serde_json::from_value(choice).expect("a choice"),
            )
        };
        let local = told("local", "It starts from the disk in the computer.");
        assert!(local.contains("from the disk in the computer") && !local.contains("--image"));
        let image = told("image", "Nothing: it has no image.");
        assert!(
            image.contains("no image.\nnsboot client set pc-07 --image NAME\n"),
            "{image}"
        );
    }
}
