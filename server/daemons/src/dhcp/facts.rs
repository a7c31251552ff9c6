//! What a packet says about the machine that sent it: firmware, architecture, UUID, names.

use super::wire::{Packet, code};
use engine::boot::{Firmware, Machine};
use engine::leases::Asker;
use types::MacAddr;

/// Longest host name that is kept (RFC 1035: a label has at most 63).
const MAX_HOST_NAME: usize = 63;

/// The machine behind a packet; None if it has no usable Ethernet address.
pub fn machine(packet: &Packet) -> Option<Machine> {
    let arch = architecture(packet);
    Some(Machine {
        mac: packet.mac()?,
        firmware: firmware(packet, arch),
        arch,
        uuid: uuid(packet),
    })
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

/// iPXE first: it calls itself `PXEClient`, too.
fn firmware(packet: &Packet, arch: Option<u16>) -> Firmware {
    let class = packet.option(code::VENDOR_CLASS).unwrap_or_default();
    if packet.option(code::IPXE).is_some() || is_ipxe_user_class(packet) {
        Firmware::Ipxe
    } else if class.starts_with(b"HTTPClient") {
        Firmware::UefiHttp
    } else if class.starts_with(b"PXEClient") {
        match arch {
            Some(6..) => Firmware::UefiPxe,
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
