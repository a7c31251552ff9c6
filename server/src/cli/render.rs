//! Answers as people read them: tables, the boot rail, the diagnosis.

use serde_json::Value;
use types::{
    BootNetworkView, BootState, BootView, ClientState, ClientView, Hop, HopState, ImageState,
    ImageView, LeaseState, LeaseView, OverlayMode, SystemInfoView,
};

/// Rows under a head, columns as wide as their widest cell.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return "none".into();
    }
    let mut width: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in &rows {
        for (w, cell) in width.iter_mut().zip(row) {
            *w = (*w).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&width)
            .map(|(c, w)| format!("{c:<w$}", w = *w))
            .collect();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    let mut out = line(head.to_vec());
    for row in &rows {
        out += &line(row.iter().map(String::as_str).collect());
    }
    out
}

/// Bytes in the largest binary unit that leaves at least 1.
fn bytes(n: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (n.max(1).ilog2() / 10).min(4) as usize;
    match step {
        0 => format!("{n} B"),
        _ => format!(
            "{:.1} {}",
            n as f64 / (1u64 << (10 * step)) as f64,
            units[step]
        ),
    }
}

pub fn clients(clients: &[ClientView]) -> String {
    let rows = clients.iter().map(|c| {
        vec![
            c.name.clone(),
            c.mac.to_string(),
            c.address
                .map(|a| a.to_string())
                .unwrap_or_else(|| "-".into()),
            c.image_name.clone().unwrap_or_else(|| "-".into()),
            mode(c.mode).into(),
            c.last_boot
                .as_ref()
                .map(rail)
                .unwrap_or_else(|| "▯▯▯▯▯▯▯".into()),
            state(c),
        ]
    });
    table(
        &["NAME", "MAC", "ADDRESS", "IMAGE", "MODE", "BOOT", "STATE"],
        rows.collect(),
    )
}

pub fn images(images: &[ImageView]) -> String {
    let rows = images.iter().map(|i| {
        let state = match i.state {
            ImageState::Importing => format!("importing {}", bytes(i.received_bytes)),
            ImageState::Ready => "ready".into(),
            ImageState::Failed => format!("failed: {}", i.error.as_deref().unwrap_or("unknown")),
        };
        vec![
            i.name.clone(),
            bytes(i.size_bytes),
            bytes(i.allocated_bytes),
            i.client_count.to_string(),
            state,
        ]
    });
    table(
        &["NAME", "SIZE", "ON DISK", "CLIENTS", "STATE"],
        rows.collect(),
    )
}

pub fn leases(leases: &[LeaseView]) -> String {
    let rows = leases.iter().map(|l| {
        let state = match l.state {
            LeaseState::Active => "active",
            LeaseState::Expired => "expired",
            LeaseState::Released => "released",
            LeaseState::Declined => "declined",
        };
        vec![
            l.address.to_string(),
            l.mac.to_string(),
            l.client_name
                .clone()
                .or_else(|| l.hostname.clone())
                .unwrap_or_else(|| "-".into()),
            l.interface.clone(),
            state.into(),
            l.ends_at.to_string(),
        ]
    });
    table(
        &["ADDRESS", "MAC", "CLIENT", "INTERFACE", "STATE", "ENDS"],
        rows.collect(),
    )
}

pub fn status(info: &SystemInfoView, networks: &[BootNetworkView]) -> String {
    let lab = match (&info.lab.reason, info.lab.running.as_slice()) {
        (Some(why), _) => format!("not available: {why}"),
        (None, []) => "available, no virtual computer runs".into(),
        (None, running) => format!("running: {}", running.join(", ")),
    };
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

const NO_NETWORK: &str =
    "no interface is served: name one in [[boot]] of nsboot.toml, then start nsboot again";

fn network(n: &BootNetworkView) -> String {
    match (&n.error, n.address) {
        (Some(error), _) => format!("{} does not run: {error}", n.interface),
        (None, Some(address)) => format!("{} at {address}/{}", n.interface, n.prefix_len),
        (None, None) => n.interface.clone(),
    }
}

/// The diagnosis of a client's last boot, or of what stands in the way of its first one.
pub fn why(client: &ClientView, networks: &[BootNetworkView]) -> String {
    let mut out = format!("{} ({}): {}\n", client.name, client.mac, state(client));
    let Some(boot) = &client.last_boot else {
        out += "It has not been seen booting.\n";
        if networks.is_empty() {
            out += &format!("Here {NO_NETWORK}.\n");
        }
        for broken in networks.iter().filter(|n| n.error.is_some()) {
            out += &format!("The boot network {}.\n", network(broken));
        }
        if client.image_id.is_none() {
            out += &format!(
                "It has no image: nsboot client set {} --image NAME.\n",
                client.name
            );
        }
        return out + "Then turn it on and let it start from the network.\n";
    };
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
    let Some(boot) = &client.last_boot else {
        return match client.state {
            ClientState::Discovered => "discovered".into(),
            ClientState::Adopted => "not seen yet".into(),
        };
    };
    let hop = boot.current().map(|h| name(h.hop)).unwrap_or("Link");
    match boot.state {
        BootState::Ready => {
            let took = boot.ended_at.map(|e| boot.started_at.seconds_to(e));
            took.map_or("ready".into(), |s| format!("ready after {s:.1} s"))
        }
        BootState::Booting => format!("at {hop}"),
        BootState::Superseded => format!("restarted at {hop}"),
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

/// JSON as block YAML. Strings are written as JSON strings, which YAML reads as they are.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                block(item, indent + 2, &mut inner);
                out.push_str(&format!("{pad}- {}", inner.trim_start()));
            }
        }
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                let nested = matches!(item, Value::Array(a) if !a.is_empty())
                    || matches!(item, Value::Object(o) if !o.is_empty());
                if nested {
                    out.push_str(&format!("{pad}{key}:\n"));
                    block(item, indent + 2, out);
                } else {
                    out.push_str(&format!("{pad}{key}: {item}\n"));
                }
            }
        }
        leaf => out.push_str(&format!("{pad}{leaf}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn yaml_nests_lists_and_maps() {
        let v = serde_json::json!({"a": [{"b": 1, "c": ["x: y"]}, 2], "e": [], "n": null});
        assert_eq!(
            yaml(&v),
            "a:\n  - b: 1\n    c:\n      - \"x: y\"\n  - 2\ne: []\nn: null\n"
        );
    }

    #[test]
    fn columns_line_up_and_an_empty_list_says_none() {
        assert_eq!(table(&["A", "BB"], vec![]), "none");
        let rows = vec![
            vec!["long".into(), "x".into()],
            vec!["é".into(), "y".into()],
        ];
        assert_eq!(table(&["A", "BB"], rows), "A     BB\nlong  x\né     y\n");
    }
}
