//! The configuration of GRUB for one client: Debian's signed GRUB is what Secure Boot lets start, and
//! it asks for `/grub/grub.cfg` over TFTP.
//!
//! Files are named by TFTP, too: Debian 12 signs its GRUB 2.06 for the network without a module for HTTP, and with
//! Secure Boot on it loads none. So it comes to nothing when it was itself loaded by HTTP: it looks for its
//! configuration at `(http,SERVER:PORT)/grub`, has no such disk, and stands at its prompt. It knows no iSCSI; a disk is told to the kernel on its command line, with the parameters
//! of open-iscsi's initramfs, instead of by an iBFT.

use super::{
    next::Next,
    script::{Plane, RETRY_SECONDS, is_by_nbd, plain},
};
use crate::export::Export;
use store::BootEntryRecord;
use types::{EntryKind, MacAddr};

/// Where GRUB looks: the signed builds of Debian have the prefix `/grub`.
const CONFIG: &str = "grub/grub.cfg";
/// Where a machine asks whose address is not from us.
const BY_MAC: &str = "grub/by-mac/";
/// Where what it is to do is, once it has proved that it is where it says.
const BY_TICKET: &str = "grub/by-ticket/";

/// Whose configuration is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// Of whoever asks.
    Own,
    /// Of this machine.
    Of(MacAddr),
    /// Of whom this ticket was given to.
    Ticket(String),
}

/// Whether this is the name of a configuration. Those that GRUB tries before it, with an address in
/// their names, are not.
pub(super) fn asked(file: &[u8]) -> Option<Asked> {
    let file = std::str::from_utf8(file).ok()?.trim_start_matches('/');
    if file == CONFIG {
        return Some(Asked::Own);
    }
    if let Some(ticket) = file.strip_prefix(BY_TICKET) {
        return Some(Asked::Ticket(ticket.strip_suffix(".cfg")?.into()));
    }
    let mac = file.strip_prefix(BY_MAC)?.strip_suffix(".cfg")?;
    mac.parse().ok().filter(MacAddr::is_unicast).map(Asked::Of)
}

/// Sends the machine to the configuration under its own Ethernet address.
pub(super) fn ask_by_mac(plane: &Plane) -> String {
    format!(
        "source (tftp,{})/{BY_MAC}$net_default_mac.cfg\n",
        plane.server
    )
}

/// Sends the machine to what it is to do.
pub(super) fn ask_with(plane: &Plane, ticket: &str) -> String {
    format!("source (tftp,{})/{BY_TICKET}{ticket}.cfg\n", plane.server)
}

/// Whether GRUB can start it.
pub(super) fn can_start(entry: &BootEntryRecord) -> bool {
    match entry.kind {
        EntryKind::Local => true,
        EntryKind::Kernel => [&entry.kernel]
            .into_iter()
            .chain(&entry.initrds)
            .all(|f| !is_far(f)),
        EntryKind::Image | EntryKind::Script => false,
    }
}

/// The configuration of what was chosen.
pub(super) fn of(plane: &Plane, mac: MacAddr, next: &Next) -> String {
    let entry = &next.entry;
    let (what, start) = match entry.kind {
        EntryKind::Local => ("from its own disk".to_string(), "exit\n".to_string()),
        _ => (
            format!("with {}", entry.name),
            start_kernel(plane, mac, next),
        ),
    };
    let say = echo(&format!("starting {} {what}", next.client));
    say + &start + &echo("it could not be started") + &retry(plane, mac)
}

/// Says why nothing is booted, and asks again after a while.
pub(super) fn explain(plane: &Plane, mac: MacAddr, lines: &[String]) -> String {
    let said: String = lines.iter().map(|line| echo(line)).collect();
    said + &retry(plane, mac)
}

fn start_kernel(plane: &Plane, mac: MacAddr, next: &Next) -> String {
    let (server, entry) = (plane.server, &next.entry);
    let disk = next.disk.as_ref().filter(|_| !is_by_nbd(entry));
    let file = |f: &String| format!("(tftp,{server})/{f}");
    let mut linux = format!("linux {}", file(&entry.kernel));
    let own = filled_in(plane, mac, &next.client, &entry.command_line);
    let iscsi = disk.map(|disk| parameters(plane, disk)).unwrap_or_default();
    for word in own.split(' ').map(String::from).chain(iscsi) {
        if !word.is_empty() {
            linux += " ";
            linux += &quoted(&word);
        }
    }
    let initrds: Vec<String> = entry.initrds.iter().map(file).collect();
    match initrds.is_empty() {
        true => format!("if {linux}; then boot; fi\n"),
        false => format!(
            "if {linux}; then if initrd {}; then boot; fi; fi\n",
            initrds.join(" ")
        ),
    }
}

/// Whether a file is on another server, by its address.
fn is_far(file: &str) -> bool {
    file.starts_with("http://")
}

/// The command line with what iPXE would fill in.
fn filled_in(plane: &Plane, mac: MacAddr, client: &str, text: &str) -> String {
    let (colons, hyphens) = (mac.to_string(), mac.hexhyp());
    let known = [
        ("${net0/mac:hexhyp}", &hyphens),
        ("${mac:hexhyp}", &hyphens),
        ("${net0/mac}", &colons),
        ("${mac}", &colons),
        ("${nsboot}", &plane.base_url()),
        ("${nsboot-server}", &plane.server.to_string()),
        ("${nsboot-client}", &plain(client)),
    ];
    known
        .into_iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
}

/// The disk for the initramfs of open-iscsi (its `README.Debian`).
fn parameters(plane: &Plane, disk: &Export) -> Vec<String> {
    let mut all = vec![
        format!("iscsi_target_name={}", disk.target),
        format!("iscsi_target_ip={}", plane.server),
        format!("iscsi_target_port={}", plane.iscsi_port),
        "iscsi_target_group=1".into(),
    ];
    if let Some(initiator) = &disk.initiator {
        all.push(format!("iscsi_initiator={initiator}"));
    }
    if let Some(chap) = &disk.chap {
        all.push(format!("iscsi_username={}", chap.username));
        all.push(format!("iscsi_password={}", chap.secret.expose()));
    }
    all
}

/// One word, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn echo(text: &str) -> String {
    format!("echo {}\n", quoted(&format!("NSBoot: {}", plain(text))))
}

/// Asks again and again. Only the first configuration loops: those that it reads say what they have to
/// say and come back, so that a machine that waits for days nests nothing.
fn retry(plane: &Plane, mac: MacAddr) -> String {
    let config = match plane.assigns_addresses {
        true => CONFIG.to_string(),
        false => format!("{BY_MAC}{mac}.cfg"),
    };
    format!(
        "if [ -z \"$nsboot_asks\" ]; then\n  set nsboot_asks=1\n  while true; do\n    \
         sleep {RETRY_SECONDS}\n    source (tftp,{})/{config}\n  done\nfi\n",
        plane.server
    )
}

#[cfg(test)]
#[path = "grub_tests.rs"]
mod tests;
