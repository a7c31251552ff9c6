//! The iPXE script of a client. What is put in comes from us, not from the wire; it is cut down to
//! harmless characters all the same, because one line break would be a command.

use super::next::Next;
use crate::export::Export;
use std::net::Ipv4Addr;
use store::BootEntryRecord;
use types::{DhcpMode, EntryKind, MacAddr};

/// Where a machine finds our boot plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plane {
    /// Our address on the machine's network.
    pub server: Ipv4Addr,
    /// The TCP port of scripts and files.
    pub http_port: u16,
    /// The TCP port of disks.
    pub iscsi_port: u16,
    /// Whether computers here have their addresses from us, so that an address tells who asks.
    pub assigns_addresses: bool,
}

impl Plane {
    /// The usual ports on this address.
    pub fn at(server: Ipv4Addr, mode: DhcpMode) -> Self {
        Plane {
            server,
            http_port: 8080,
            iscsi_port: 3260,
            assigns_addresses: mode == DhcpMode::Full,
        }
    }

    /// Where this plane is. An address, not a name: firmware may have no resolver.
    pub fn base_url(&self) -> String {
        format!("http://{}:{}", self.server, self.http_port)
    }

    /// Where this machine's script is.
    pub fn script_url(&self, mac: MacAddr) -> String {
        format!("{}/b/{}.ipxe", self.base_url(), mac.hexhyp())
    }

    /// Where a file is that firmware or iPXE fetches by HTTP: below `/f/`, unless it is an address already.
    pub fn file_url(&self, file: &str) -> String {
        match file.starts_with("http://") {
            true => file.to_owned(),
            false => format!("{}/f/{file}", self.base_url()),
        }
    }
}

/// Seconds between two tries of a machine that has nothing to boot.
pub(super) const RETRY_SECONDS: u32 = 10;

/// The script of what was chosen.
pub(super) fn of(plane: &Plane, mac: MacAddr, next: &Next) -> String {
    let entry = &next.entry;
    let begin = |what: &str| begin(plane, &next.client, what);
    let attached = next.disk.as_ref().filter(|_| !is_by_nbd(entry));
    match (entry.kind, &next.disk) {
        (EntryKind::Image, Some(disk)) => {
            begin("from its network disk") + &boot_disk(plane, disk) + &failed(plane, mac)
        }
        (EntryKind::Local, _) => begin("from its own disk") + BOOT_LOCAL + &failed(plane, mac),
        (EntryKind::Kernel, _) => {
            let attach = attached.map(|disk| attach_disk(plane, disk));
            begin(&format!("with {}", entry.name))
                + &attach.unwrap_or_default()
                + &boot_kernel(plane, entry)
                + &failed(plane, mac)
        }
        // As the admin wrote it, to its end.
        (EntryKind::Script, _) => begin(&format!("with {}", entry.name)) + &entry.script + "\n",
        // Whoever chose this disk has made it ready.
        (EntryKind::Image, None) => explain(plane, mac, &["there is no disk".into()]),
    }
}

/// Whether a kernel opens its disk by NBD: then firmware and loader leave it alone.
pub(super) fn is_by_nbd(entry: &BootEntryRecord) -> bool {
    let mut words = entry.command_line.split(' ');
    entry.kind == EntryKind::Kernel && words.any(|word| word.starts_with("nbdroot="))
}

/// `${nsboot}` is our address, for scripts and command lines of the admin's own; `${nsboot-server}` and
/// `${nsboot-client}` are what a disk by NBD is named with.
fn begin(plane: &Plane, name: &str, what: &str) -> String {
    format!(
        "#!ipxe\nset nsboot {}\nset nsboot-server {}\nset nsboot-client {name}\necho NSBoot: starting {name} {}\n",
        plane.base_url(),
        plane.server,
        plain(what),
        name = plain(name)
    )
}

/// Who logs in to the disk, and with what.
fn credentials(export: &Export) -> String {
    let mut s = String::new();
    if let Some(initiator) = &export.initiator {
        s += &format!("set initiator-iqn {}\n", plain(initiator));
    }
    if let Some(chap) = &export.chap {
        s += &format!(
            "set username {}\nset password {}\n",
            plain(&chap.username),
            plain(chap.secret.expose())
        );
    }
    s
}

/// RFC 4173 section 5: protocol empty (TCP), LUN in hexadecimal.
fn disk_uri(plane: &Plane, export: &Export) -> String {
    format!(
        "iscsi:{}::{}:{:x}:{}",
        plane.server,
        plane.iscsi_port,
        export.lun,
        plain(&export.target)
    )
}

/// Boots the exported disk. The operating system finds target and credentials in the iBFT, which
/// iPXE writes for every disk that it describes.
fn boot_disk(plane: &Plane, disk: &Export) -> String {
    format!(
        "{}sanboot {} || goto failed\n",
        credentials(disk),
        disk_uri(plane, disk)
    )
}

/// Attaches the exported disk, so that the kernel finds it in the iBFT.
fn attach_disk(plane: &Plane, disk: &Export) -> String {
    format!(
        "{}sanhook --drive 0x80 {} || goto failed\n",
        credentials(disk),
        disk_uri(plane, disk)
    )
}

/// UEFI goes on with its next boot option; a BIOS can start its first disk only from here.
const BOOT_LOCAL: &str = "iseq ${platform} efi && exit 0 ||\n\
    sanboot --no-describe --drive 0x80 || goto failed\n";

/// Fetches kernel and initial RAM disks. An EFI kernel looks for the latter by the names on its command
/// line, which are ours: two files may have one name.
fn boot_kernel(plane: &Plane, entry: &BootEntryRecord) -> String {
    let mut kernel = format!("kernel {}", plane.file_url(&entry.kernel));
    let mut initrds = String::new();
    for (i, file) in entry.initrds.iter().enumerate() {
        kernel += &format!(" initrd=initrd{i}");
        let url = plane.file_url(file);
        initrds += &format!("initrd --name initrd{i} {url} || goto failed\n");
    }
    if !entry.command_line.is_empty() {
        kernel += " ";
        kernel += &entry.command_line;
    }
    format!("{kernel} || goto failed\n{initrds}boot || goto failed\n")
}

/// What follows when nothing started. A disk that stayed attached would be in the way of the next try.
fn failed(plane: &Plane, mac: MacAddr) -> String {
    format!(
        ":failed\necho NSBoot: it could not be started\nsanunhook --drive 0x80 ||\n{}",
        retry(plane, mac)
    )
}

/// Says why nothing is booted, and asks again after a while.
pub fn explain(plane: &Plane, mac: MacAddr, lines: &[String]) -> String {
    let mut s = String::from("#!ipxe\n");
    for line in lines {
        s += &format!("echo NSBoot: {}\n", plain(line));
    }
    s + &retry(plane, mac)
}

/// `--replace` ends this script first: a machine that waits for days must not nest one in another.
fn retry(plane: &Plane, mac: MacAddr) -> String {
    format!(
        ":again\nsleep {RETRY_SECONDS}\nchain --replace --autofree {} || goto again\n",
        plane.script_url(mac)
    )
}

/// Without line breaks, expansions (`${…}`) and operators (`||`, `&&`).
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | ',' | ':' | '-' | '_' | '/' | '\'' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
#[path = "script_tests.rs"]
pub(super) mod tests;
