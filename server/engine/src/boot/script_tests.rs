//! Scripts, to the letter.

use super::*;
use crate::{
    export::{BlockDevice, Chap},
    secrets::Secret,
};
use std::{io, sync::Arc};
use types::{BootEntryId, Timestamp};
use uuid::Uuid;

pub(in crate::boot) const PLANE: Plane = Plane {
    server: Ipv4Addr::new(10, 77, 0, 1),
    http_port: 8080,
    iscsi_port: 3260,
    assigns_addresses: true,
};
pub(in crate::boot) const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

#[test]
fn the_script_says_why_and_asks_again() {
    assert_eq!(
        explain(
            &PLANE,
            MAC,
            &["52:54:00:12:34:56 is not one of our computers yet".into()]
        ),
        "#!ipxe\necho NSBoot: 52:54:00:12:34:56 is not one of our computers yet\n:again\nsleep 10\n\
         chain --replace --autofree http://10.77.0.1:8080/b/52-54-00-12-34-56.ipxe || goto again\n"
    );
}

#[test]
fn no_text_becomes_a_command() {
    for evil in [
        "a\nchain http://evil/",
        "a\r\nshell",
        "${net0/mac}",
        "x || shell",
        "x && poweroff",
        "\u{1b}[2J",
        "x;y`z`",
        "a\u{2028}b",
    ] {
        let script = explain(&PLANE, MAC, &[evil.into()]);
        assert_eq!(script.lines().count(), 5, "{evil:?}");
        let line = script.lines().nth(1).unwrap_or_default();
        assert!(
            line.starts_with("echo NSBoot: ")
                && !line.contains(['$', '|', '&', ';', '`', '\u{1b}']),
            "{line:?}"
        );
    }
}

/// A disk that nobody reads.
struct Unread;

impl BlockDevice for Unread {
    fn size_bytes(&self) -> u64 {
        0
    }
    fn read_only(&self) -> bool {
        true
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn extents(&self, _: u64, _: u64) -> io::Result<Vec<(u64, bool)>> {
        Ok(Vec::new())
    }
}

pub(in crate::boot) fn disk() -> Export {
    Export {
        target: "iqn.2026-11.org.nsboot:x".into(),
        lun: 0,
        serial: "serial".into(),
        naa: 0,
        device: Arc::new(Unread),
        data: Vec::new(),
        chap: Some(Chap {
            username: "user".into(),
            secret: Secret::from(String::from("secretsecret1234")),
        }),
        initiator: Some("iqn.2026-11.org.nsboot:client-x".into()),
    }
}

pub(in crate::boot) fn entry(name: &str, kind: EntryKind) -> BootEntryRecord {
    BootEntryRecord {
        id: BootEntryId(Uuid::from_u128(9)),
        name: name.into(),
        kind,
        kernel: String::new(),
        initrds: Vec::new(),
        command_line: String::new(),
        attach_disk: false,
        script: String::new(),
        created_at: Timestamp(0),
        revision: 1,
    }
}

pub(in crate::boot) fn kernel() -> BootEntryRecord {
    BootEntryRecord {
        kernel: "debian/linux".into(),
        initrds: vec![
            "debian/initrd.gz".into(),
            "http://mirror.lab/extra/initrd.gz".into(),
        ],
        command_line: "ip=dhcp BOOTIF=01-${net0/mac:hexhyp} a=it's;b".into(),
        ..entry("installer", EntryKind::Kernel)
    }
}

fn script(entry: BootEntryRecord, disk: Option<Export>) -> String {
    let next = Next {
        client: "pc-07".into(),
        entry: Arc::new(entry),
        disk,
    };
    of(&PLANE, MAC, &next)
}

const FAILED: &str = ":failed\necho NSBoot: it could not be started\nsanunhook --drive 0x80 ||\n:again\nsleep 10\n\
    chain --replace --autofree http://10.77.0.1:8080/b/52-54-00-12-34-56.ipxe || goto again\n";
const CREDENTIALS: &str = "set initiator-iqn iqn.2026-11.org.nsboot:client-x\nset username user\n\
    set password secretsecret1234\n";

#[test]
fn an_image_is_booted_from_the_network_disk() {
    assert_eq!(
        script(entry("image", EntryKind::Image), Some(disk())),
        format!(
            "#!ipxe\nset nsboot http://10.77.0.1:8080\nset nsboot-server 10.77.0.1\nset nsboot-client pc-07\necho NSBoot: starting pc-07 from its network disk\n\
             {CREDENTIALS}sanboot iscsi:10.77.0.1::3260:0:iqn.2026-11.org.nsboot:x || goto failed\n{FAILED}"
        )
    );
}

#[test]
fn a_local_disk_is_the_firmwares_on_uefi_and_the_first_one_on_a_bios() {
    assert_eq!(
        script(entry("local", EntryKind::Local), None),
        format!(
            "#!ipxe\nset nsboot http://10.77.0.1:8080\nset nsboot-server 10.77.0.1\nset nsboot-client pc-07\necho NSBoot: starting pc-07 from its own disk\n\
             iseq ${{platform}} efi && exit 0 ||\nsanboot --no-describe --drive 0x80 || goto failed\n{FAILED}"
        )
    );
}

#[test]
fn a_kernel_gets_its_ram_disks_by_the_names_on_its_command_line_and_its_disk_before() {
    let start = "kernel http://10.77.0.1:8080/f/debian/linux initrd=initrd0 initrd=initrd1 ip=dhcp \
        BOOTIF=01-${net0/mac:hexhyp} a=it's;b || goto failed\n\
        initrd --name initrd0 http://10.77.0.1:8080/f/debian/initrd.gz || goto failed\n\
        initrd --name initrd1 http://mirror.lab/extra/initrd.gz || goto failed\nboot || goto failed\n";
    let head = "#!ipxe\nset nsboot http://10.77.0.1:8080\nset nsboot-server 10.77.0.1\nset nsboot-client pc-07\necho NSBoot: starting pc-07 with installer\n";
    assert_eq!(script(kernel(), None), format!("{head}{start}{FAILED}"));
    let hook =
        "sanhook --drive 0x80 iscsi:10.77.0.1::3260:0:iqn.2026-11.org.nsboot:x || goto failed\n";
    assert_eq!(
        script(kernel(), Some(disk())),
        format!("{head}{CREDENTIALS}{hook}{start}{FAILED}")
    );
}

#[test]
fn a_script_of_the_admins_own_runs_as_it_is() {
    let own = BootEntryRecord {
        script: "menu what\nchain ${nsboot}/f/tool.efi || shell".into(),
        ..entry("tools", EntryKind::Script)
    };
    assert_eq!(
        script(own, None),
        "#!ipxe\nset nsboot http://10.77.0.1:8080\nset nsboot-server 10.77.0.1\nset nsboot-client pc-07\necho NSBoot: starting pc-07 with tools\n\
         menu what\nchain ${nsboot}/f/tool.efi || shell\n"
    );
}
