//! GRUB's configuration, to the letter.

use super::*;
use crate::{boot::script::tests::*, export::Export};
use std::sync::Arc;

fn next(entry: BootEntryRecord, disk: Option<Export>) -> Next {
    Next {
        client: "pc-07".into(),
        entry: Arc::new(entry),
        disk,
    }
}

/// The kernel of other tests with files of ours alone.
fn near() -> BootEntryRecord {
    let mut entry = kernel();
    entry.initrds = vec!["debian/initrd.gz".into(), "extra/initrd.gz".into()];
    entry
}

const LOOP: &str = "if [ -z \"$nsboot_asks\" ]; then\n  set nsboot_asks=1\n  while true; do\n    sleep 10\n    \
                    source (tftp,10.77.0.1)/grub/grub.cfg\n  done\nfi\n";

#[test]
fn its_configuration_is_told_by_its_name_and_what_it_tries_before_is_not_there() {
    let mac = MAC;
    for (name, want) in [
        ("grub/grub.cfg", Some(Asked::Own)),
        ("/grub/grub.cfg", Some(Asked::Own)),
        ("grub/by-mac/52:54:00:12:34:56.cfg", Some(Asked::Of(mac))),
        ("/grub/by-mac/52-54-00-12-34-56.cfg", Some(Asked::Of(mac))),
        ("grub/grub.cfg-01-52-54-00-12-34-56", None),
        ("grub/grub.cfg-0A4D0064", None),
        ("/grub/by-ticket/abc.cfg", Some(Asked::Ticket("abc".into()))),
        ("grub/by-ticket/abc", None),
        ("grub/by-mac/.cfg", None),
        ("grub/by-mac/ff:ff:ff:ff:ff:ff.cfg", None),
        ("grub/by-mac/../../etc/passwd", None),
        ("grub/x86_64-efi/command.lst", None),
        ("", None),
    ] {
        assert_eq!(asked(name.as_bytes()), want, "{name}");
    }
    assert_eq!(asked(b"grub/grub.cfg\xff"), None);
}

#[test]
fn a_kernel_is_fetched_by_tftp_with_its_ram_disks_and_tries_again() {
    let text = of(&PLANE, MAC, &next(near(), None));
    let start = "echo 'NSBoot: starting pc-07 with installer'\n\
        if linux (tftp,10.77.0.1)/debian/linux 'ip=dhcp' 'BOOTIF=01-52-54-00-12-34-56' 'a=it'\\''s;b'; then \
        if initrd (tftp,10.77.0.1)/debian/initrd.gz (tftp,10.77.0.1)/extra/initrd.gz; then boot; fi; fi\n\
        echo 'NSBoot: it could not be started'\n";
    assert_eq!(text, format!("{start}{LOOP}"));
}

#[test]
fn a_disk_is_told_on_the_command_line() {
    let text = of(&PLANE, MAC, &next(near(), Some(disk())));
    for word in [
        "'iscsi_target_name=iqn.2026-11.org.nsboot:x'",
        "'iscsi_target_ip=10.77.0.1'",
        "'iscsi_target_port=3260'",
        "'iscsi_initiator=iqn.2026-11.org.nsboot:client-x'",
        "'iscsi_username=user'",
        "'iscsi_password=secretsecret1234'",
    ] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[test]
fn the_local_disk_is_the_firmwares_next_and_other_entries_need_ipxe() {
    let local = entry("local", EntryKind::Local);
    let text = of(&PLANE, MAC, &next(local.clone(), None));
    assert!(text.starts_with("echo 'NSBoot: starting pc-07 from its own disk'\nexit\n"));
    assert!(can_start(&local) && can_start(&near()));
    assert!(!can_start(&entry("image", EntryKind::Image)));
    assert!(!can_start(&entry("own", EntryKind::Script)));
    for far in ["http://mirror.lab:8080/linux", "http://mirror.lab/linux"] {
        let mut entry = near();
        entry.kernel = far.into();
        assert!(
            !can_start(&entry),
            "Debian's signed GRUB has no HTTP: {far}"
        );
    }
}

#[test]
fn the_screen_of_an_unknown_computer_says_its_code_and_asks_again() {
    let line = "52:54:00:12:34:56 is not ours; its code is 123456".to_string();
    let text = explain(&PLANE, MAC, &[line.clone(), "it's $x `y` \"z\"".into()]);
    let said = format!(
        "echo 'NSBoot: {}'\necho 'NSBoot: it'\\''s ?x ?y? ?z?'\n",
        line.replace(';', "?")
    );
    assert_eq!(text, format!("{said}{LOOP}"));
}

#[test]
fn a_machine_with_a_foreign_address_asks_by_its_own_name() {
    let plane = Plane {
        assigns_addresses: false,
        ..PLANE
    };
    assert_eq!(
        ask_by_mac(&plane),
        "source (tftp,10.77.0.1)/grub/by-mac/$net_default_mac.cfg\n"
    );
    let text = explain(&plane, MAC, &[]);
    assert!(text.contains("source (tftp,10.77.0.1)/grub/by-mac/52:54:00:12:34:56.cfg\n"));
}
