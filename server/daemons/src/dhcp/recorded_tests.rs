//! Packets that `end2end/lab/record.py` kept of real firmware and clients; those named `made-` are made by hand after
//! documents.

use super::*;

fn recorded() -> BTreeMap<String, Packet> {
    let packets = crate::captures::packets("src/dhcp/captures");
    let decode = |(name, bytes): (String, Vec<u8>)| (name, Packet::decode(&bytes).expect("DHCP"));
    packets
        .into_iter()
        .map(decode)
        .filter(|(_, p)| p.op == 1)
        .collect()
}

/// What a machine is, and what it is told.
type Row = (Firmware, Option<u16>, Want);

/// By the beginning of a recording's name; the longest that fits counts.
fn rows() -> Vec<(&'static str, Row)> {
    use Firmware::{BiosPxe, Ipxe, Other, RaspberryPi, UefiHttp, UefiPxe};
    let script = |mac| ipxe(mac);
    let lab = "52-54-00-7a-00-01";
    let ia32 = "all/i386-efi/snponly.efi";
    let arm64 = "all/arm64-efi/snponly.efi";
    vec![
        ("bios-ipxe", (Ipxe, Some(0), script(lab))),
        ("undionly", (Ipxe, Some(0), script(lab))),
        ("snponly", (Ipxe, Some(7), script(lab))),
        ("uefi-x64", (UefiPxe, Some(7), uefi("all/snponly.efi"))),
        (
            "uefi-x64-http",
            (UefiHttp, Some(16), http("all/snponly.efi")),
        ),
        ("uefi-ia32", (UefiPxe, Some(6), uefi(ia32))),
        ("uefi-arm64", (UefiPxe, Some(11), uefi(arm64))),
        ("uefi-arm64-http", (UefiHttp, Some(19), http(arm64))),
        ("made-uefi-riscv64", (UefiPxe, Some(27), nothing())),
        ("made-uefi-riscv64-http", (UefiHttp, Some(28), nothing())),
        ("made-bios", (BiosPxe, Some(0), bios())),
        ("made-raspberry-pi", (RaspberryPi, Some(0), raspberry_pi())),
        // It says nothing of itself, not even that it boots.
        ("grub-x64", (Other, None, nothing())),
        ("qemu-ipxe", (Ipxe, Some(0), script("52-54-00-12-34-56"))),
        ("dhclient", (Other, None, nothing())),
        ("udhcpc", (Other, None, nothing())),
        ("perfdhcp", (Other, None, nothing())),
    ]
}

fn row(name: &str) -> Row {
    let fits = rows()
        .into_iter()
        .filter(|(start, _)| name.starts_with(start));
    let found = fits.max_by_key(|(start, _)| start.len());
    found.unwrap_or_else(|| panic!("no row for {name}")).1
}

#[test]
fn recorded_firmware_is_told_what_it_understands() {
    let server = Server::new();
    let recorded = recorded();
    for (name, packet) in &recorded {
        let (firmware, arch, want) = row(name);
        let machine = facts::machine(packet).expect("a computer");
        assert_eq!((machine.firmware, machine.arch), (firmware, arch), "{name}");
        check(&server, packet, &want, name);
    }
    for (start, _) in rows() {
        let is_there = recorded.keys().any(|name| name.starts_with(start));
        assert!(is_there, "nothing recorded for {start}");
    }
}

/// A relay's address and option 82, and client identifiers of every length and odd content, change nothing
/// but what goes back.
#[test]
fn relays_and_odd_client_ids_change_nothing_else() {
    let server = Server::new();
    for (name, packet) in recorded() {
        let (_, _, want) = row(&name);
        for id in [
            &[0][..],
            &[1, 2],
            &[255; 2],
            &[7; 254],
            &[9; 255],
            &[3; 300],
        ] {
            let packet = with_long(&packet, code::CLIENT_ID, id);
            check(&server, &packet, &want, &name);
        }
        let mut relayed = packet.clone();
        relayed.giaddr = ip(254);
        relayed.push(code::RELAY_AGENT, &[1, 4, 0, 0, 0, 7, 2, 2, 1, 1]);
        check(&server, &relayed, &want, &name);
        let last = |p: Option<Packet>| p.and_then(|p| options(&p).last().map(|(code, _)| *code));
        assert_eq!(last(server.leased(&relayed)), Some(code::RELAY_AGENT));
        for answer in [server.beside(&relayed), server.boot_server(&relayed)] {
            assert!(answer.is_none() || last(answer) == Some(code::RELAY_AGENT));
        }
    }
}

/// Options in parts (RFC 3396) and options in `file` and `sname` (option 52) say what they say in one piece.
#[test]
fn options_in_parts_and_in_other_fields_say_the_same() {
    let server = Server::new();
    for (name, packet) in recorded() {
        let (_, _, want) = row(&name);
        for first in 1..4 {
            let split = split(&packet, first);
            let can_be = options(&packet).iter().any(|(_, data)| data.len() > first);
            assert_eq!(split.items.len() > packet.items.len(), can_be, "{name}");
            assert_eq!(facts::machine(&split), facts::machine(&packet), "{name}");
            check(&server, &split, &want, &name);
        }
        let moved = overloaded(&packet);
        assert_eq!(facts::machine(&moved), facts::machine(&packet), "{name}");
        check(&server, &moved, &want, &name);
    }
}

fn with_long(packet: &Packet, code: u8, value: &[u8]) -> Packet {
    let mut p = without(packet, &[code]);
    p.push(code, value);
    p
}

/// Each option that can be, in two parts, the first of so many bytes.
fn split(packet: &Packet, first: usize) -> Packet {
    let mut p = packet.clone();
    p.items.clear();
    for (code, data) in options(packet) {
        let (one, other) = data.split_at(first.min(data.len()));
        p.push(code, one);
        if !other.is_empty() {
            p.push(code, other);
        }
    }
    p
}

/// Those options that tell firmware apart, in `file` and `sname`, as far as they fit.
fn overloaded(packet: &Packet) -> Packet {
    let mut p = packet.clone();
    p.file = [0; 128];
    p.sname = [0; 64];
    let mut room = [(127, Vec::new()), (63, Vec::new())];
    for code in [
        code::VENDOR_CLASS,
        code::ARCHITECTURE,
        code::USER_CLASS,
        code::MACHINE_ID,
    ] {
        let Some(value) = packet.option(code) else {
            continue;
        };
        let fits = |(len, used): &&mut (usize, Vec<u8>)| used.len() + 2 + value.len() <= *len;
        if let Some((_, used)) = room.iter_mut().find(fits) {
            used.extend([code, value.len() as u8]);
            used.extend(&*value);
            p = without(&p, &[code]);
        }
    }
    let [(_, file), (_, sname)] = room;
    for (field, options) in [(&mut p.file[..], file), (&mut p.sname[..], sname)] {
        field[..options.len()].copy_from_slice(&options);
        field[options.len()] = 255;
    }
    p.push(code::OVERLOAD, &[3]);
    p
}
