//! What a packet says about the machine that sent it: firmware, architecture, UUID, names.

use super::wire::{MessageType, Packet, code};
use engine::boot::{Features, Firmware, Machine};
use engine::leases::Asker;
use types::MacAddr;

/// Longest host name that is kept (RFC 1035: a label has at most 63).
const MAX_HOST_NAME: usize = 63;

/// The machine behind a packet; None if it has no usable Ethernet address.
pub fn machine(packet: &Packet) -> Option<Machine> {
    let arch = architecture(packet);
    let mac = packet.mac()?;
    Some(Machine {
        mac,
        firmware: firmware(packet, arch, mac),
        arch,
        uuid: uuid(packet),
        ipxe: features(packet),
        vendor_class: vendor_class(packet),
        is_discover: packet.message_type() == Some(MessageType::Discover),
    })
}

/// Longer than any that firmware sends; the rest tells nothing apart.
const MAX_VENDOR_CLASS: usize = 64;

/// Option 60, what can be read of it.
fn vendor_class(packet: &Packet) -> String {
    let class = packet.option(code::VENDOR_CLASS).unwrap_or_default();
    let class = class.iter().filter(|b| b.is_ascii_graphic() || **b == b' ');
    class.take(MAX_VENDOR_CLASS).map(|b| *b as char).collect()
}

/// Who asks for a lease.
pub fn asker(packet: &Packet, mac: MacAddr) -> Asker {
    Asker {
        mac,
        client_id: packet
            .option(code::CLIENT_ID)
            .map_or_else(Vec::new, |id| id[..id.len().min(255)].to_vec()),
        hostname: host_name(packet),
    }
}

/// Ethernet prefixes of Raspberry Pis. Up to the Pi 5 their boot ROM says that it is a BIOS.
const RASPBERRY_PI: [[u8; 3]; 6] = [
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0x28, 0xcd, 0xc1],
    [0xd8, 0x3a, 0xdd],
    [0x2c, 0xcf, 0x67],
];
/// Architecture of a Raspberry Pi that says so (IANA, *Processor Architecture Types*).
const ARCH_RPIBOOT: u16 = 41;

/// iPXE first: it calls itself `PXEClient`, too.
fn firmware(packet: &Packet, arch: Option<u16>, mac: MacAddr) -> Firmware {
    let class = packet.option(code::VENDOR_CLASS).unwrap_or_default();
    if packet.option(code::IPXE).is_some() || is_ipxe_user_class(packet) {
        Firmware::Ipxe
    } else if class.starts_with(b"HTTPClient") {
        Firmware::UefiHttp
    } else if class.starts_with(b"PXEClient") {
        match arch {
            Some(ARCH_RPIBOOT) => Firmware::RaspberryPi,
            Some(6..) => Firmware::UefiPxe,
            _ if RASPBERRY_PI.contains(&[mac.0[0], mac.0[1], mac.0[2]]) => Firmware::RaspberryPi,
            _ => Firmware::BiosPxe,
        }
    } else {
        Firmware::Other
    }
}

/// User class `iPXE`, raw as iPXE sends it or as a list of counted strings (RFC 3004 section 4).
fn is_ipxe_user_class(packet: &Packet) -> bool {
    let Some(class) = packet.option(code::USER_CLASS) else {
        return false;
    };
    if &*class == b"iPXE" {
        return true;
    }
    let mut rest = &*class;
    while let [len, tail @ ..] = rest {
        let Some((entry, tail)) = tail.split_at_checked(usize::from(*len)) else {
            return false;
        };
        if entry == b"iPXE" {
            return true;
        }
        rest = tail;
    }
    false
}

/// The feature bits of option 175, which is a row of sub-options.
fn features(packet: &Packet) -> Features {
    const ISCSI: u8 = 0x11;
    const HTTP: u8 = 0x13;
    let Some(options) = packet.option(code::IPXE) else {
        return Features::default();
    };
    let has = |feature| suboption(&options, feature).is_some_and(|v| v.iter().any(|b| *b != 0));
    Features {
        http: has(HTTP),
        iscsi: has(ISCSI),
    }
}

/// The boot item that firmware chose (option 43, tag 71: type and layer), as it goes back. A layer with
/// its highest bit set asks for credentials, which nobody has.
pub fn boot_item(packet: &Packet) -> Option<[u8; 7]> {
    const BOOT_ITEM: u8 = 71;
    let options = packet.option(code::VENDOR_SPECIFIC)?;
    let [a, b, c, d] = *suboption(&options, BOOT_ITEM)? else {
        return None;
    };
    (c & 0x80 == 0).then_some([BOOT_ITEM, 4, a, b, c, d, 255])
}

/// The value of a sub-option in an option that is a row of them (RFC 2132 section 8.4).
fn suboption(options: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = options;
    loop {
        match rest {
            [0, tail @ ..] => rest = tail,
            [255, ..] | [] => return None,
            [code, len, tail @ ..] => {
                let (value, tail) = tail.split_at_checked(usize::from(*len))?;
                if *code == wanted {
                    return Some(value);
                }
                rest = tail;
            }
            [_] => return None,
        }
    }
}

/// Option 93, first entry (RFC 4578; it may be a list), else the number in the vendor class
/// `PXEClient:Arch:00007:…` of firmware that leaves the option out.
fn architecture(packet: &Packet) -> Option<u16> {
    if let Some([high, low, ..]) = packet.option(code::ARCHITECTURE).as_deref() {
        return Some(u16::from_be_bytes([*high, *low]));
    }
    let class = packet.option(code::VENDOR_CLASS)?;
    let text = std::str::from_utf8(&class).ok()?;
    let mut words = text.split(':');
    words.find(|word| *word == "Arch")?;
    words.next()?.parse().ok()
}

/// Option 97: a zero byte, then the UUID (RFC 4578 section 2.3). Boards without one send zeros.
fn uuid(packet: &Packet) -> Option<[u8; 16]> {
    let id = packet.option(code::MACHINE_ID)?;
    let (0, uuid) = id.split_first().map(|(kind, uuid)| (*kind, uuid))? else {
        return None;
    };
    let uuid: [u8; 16] = uuid.try_into().ok()?;
    (uuid != [0; 16]).then_some(uuid)
}

/// Option 12 as far as it is a name that can be shown: letters, digits, `-`, `_` and `.`.
fn host_name(packet: &Packet) -> Option<String> {
    let name = packet.option(code::HOST_NAME)?;
    let name = name.strip_suffix(&[0]).unwrap_or(&name);
    let is_name = !name.is_empty()
        && name.len() <= MAX_HOST_NAME
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    is_name.then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::sample;
    use super::*;

    fn with(options: &[(u8, &[u8])]) -> Packet {
        let mut p = sample();
        p.items.clear();
        for (code, data) in options {
            p.push(*code, data);
        }
        p
    }

    #[test]
    fn firmware_is_told_apart() {
        let pxe: (u8, &[u8]) = (60, b"PXEClient");
        for (options, want) in [
            (&[pxe, (93, &[0, 0])][..], Firmware::BiosPxe),
            (&[pxe], Firmware::BiosPxe),
            (&[pxe, (93, &[0])], Firmware::BiosPxe),
            (&[pxe, (93, &[0, 5])], Firmware::BiosPxe),
            (&[pxe, (93, &[0, 6])], Firmware::UefiPxe),
            (&[pxe, (93, &[0, 7, 0, 0])], Firmware::UefiPxe),
            (&[pxe, (93, &[0, 11])], Firmware::UefiPxe),
            (
                &[(60, b"PXEClient:Arch:00007:UNDI:003016")],
                Firmware::UefiPxe,
            ),
            (
                &[(60, b"PXEClient:Arch:00000:UNDI:002001")],
                Firmware::BiosPxe,
            ),
            (&[(60, b"PXEClient:Arch:zzz")], Firmware::BiosPxe),
            (
                &[(60, b"HTTPClient:Arch:00016:UNDI:003001")],
                Firmware::UefiHttp,
            ),
            (&[pxe, (77, b"iPXE")], Firmware::Ipxe),
            (&[pxe, (77, b"\x04iPXE")], Firmware::Ipxe),
            (&[pxe, (77, b"\x03foo\x04iPXE\x01x")], Firmware::Ipxe),
            (&[pxe, (77, b"\x03foo\x09iPXE")], Firmware::BiosPxe),
            (&[pxe, (77, b"")], Firmware::BiosPxe),
            (&[pxe, (175, &[0xb1, 0])], Firmware::Ipxe),
            (&[(175, &[])], Firmware::Ipxe),
            (&[(60, b"MSFT 5.0")], Firmware::Other),
            (&[(60, b"udhcp 1.35.0")], Firmware::Other),
            (&[(60, b"PXE")], Firmware::Other),
            (&[pxe, (93, &[0, 41])], Firmware::RaspberryPi),
            (&[], Firmware::Other),
        ] {
            let packet = with(options);
            assert_eq!(
                machine(&packet).map(|m| m.firmware),
                Some(want),
                "{packet:?}"
            );
        }
    }

    #[test]
    fn a_raspberry_pi_is_no_bios() {
        for prefix in RASPBERRY_PI {
            let mut p = with(&[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0])]);
            p.chaddr[..3].copy_from_slice(&prefix);
            let firmware = |p: &Packet| machine(p).map(|m| m.firmware);
            assert_eq!(firmware(&p), Some(Firmware::RaspberryPi));
            // One that runs UEFI, or iPXE by now.
            p.push(77, b"iPXE");
            assert_eq!(firmware(&p), Some(Firmware::Ipxe));
        }
    }

    #[test]
    fn what_an_ipxe_can_do() {
        let features = |options: &[u8]| super::features(&with(&[(175, options)]));
        let full = [0xb1, 1, 0, 0x13, 1, 1, 0x11, 1, 1, 0xeb, 3, 1, 0, 0];
        assert!(features(&full).suffice());
        for (options, http, iscsi) in [
            (&[0x13, 1, 1][..], true, false),
            (&[0x11, 1, 1], false, true),
            (&[0x13, 1, 0, 0x11, 1, 0], false, false),
            (&[0x13, 0, 0x11, 9, 1], false, false),
            (&[255, 0x13, 1, 1], false, false),
            (&[0x13], false, false),
            (&[], false, false),
        ] {
            assert_eq!(features(options), Features { http, iscsi }, "{options:?}");
        }
        assert!(!super::features(&with(&[])).suffice());
    }

    #[test]
    fn the_chosen_boot_item() {
        let item = |data: &[u8]| boot_item(&with(&[(43, data)]));
        let chosen = [0x47, 4, 0, 1, 0, 0, 255];
        assert_eq!(item(&[6, 1, 8, 0x47, 4, 0, 1, 0, 0, 255]), Some(chosen));
        assert_eq!(item(&[0, 0, 0x47, 4, 0, 1, 0, 0]), Some(chosen));
        for odd in [
            &[0x47, 4, 0, 1, 0x80, 0][..],
            &[0x47, 3, 0, 1, 0],
            &[0x47, 4, 0],
            &[0x47],
            &[],
        ] {
            assert_eq!(item(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn uuids() {
        let real: Vec<u8> = (0..17).collect();
        assert_eq!(uuid(&with(&[(97, &real)])), real[1..].try_into().ok());
        for odd in [&[0; 17][..], &[1; 17], &[0; 16], &[0], &[]] {
            assert_eq!(uuid(&with(&[(97, odd)])), None, "{odd:?}");
        }
        assert_eq!(uuid(&with(&[])), None);
    }

    #[test]
    fn host_names() {
        for (sent, want) in [
            (&b"pc-01"[..], Some("pc-01")),
            (b"pc.lan\0", Some("pc.lan")),
            (b"", None),
            (b"\0", None),
            (b"<script>", None),
            (b"caf\xe9", None),
            (&[b'x'; 64], None),
        ] {
            assert_eq!(host_name(&with(&[(12, sent)])).as_deref(), want);
        }
    }
}
