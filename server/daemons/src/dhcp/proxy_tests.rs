//! Every row of the table of forms: what is sent beside another server, and what port 4011 says.

use super::super::{
    session::tests::advice,
    wire::tests::{Random, damage, sample},
};
use super::*;
use engine::boot::BootFile;
use types::{MacAddr, Timestamp};

const US: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 31);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const UUID: [u8; 17] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const LOAD_NOW: &[u8] = &[6, 1, 8, 255];

struct Advisor;
impl BootAdvisor for Advisor {
    fn advise(&self, machine: &Machine) -> Advice {
        match machine.arch {
            // RISC-V: nobody has a loader for it.
            Some(27) => Advice {
                file: BootFile::None,
                form: Form::None,
                delay: std::time::Duration::ZERO,
            },
            _ => advice(machine.firmware, true),
        }
    }
    fn host_name(&self, _: MacAddr) -> Option<String> {
        None
    }
}

fn settings() -> Settings {
    Settings::bare(US, 24)
}

fn packet(kind: MessageType, class: &[u8], arch: u16, more: &[(u8, &[u8])]) -> Packet {
    let mut p = sample();
    p.items.clear();
    p.push(code::MESSAGE_TYPE, &[kind as u8]);
    p.push(code::VENDOR_CLASS, class);
    p.push(code::ARCHITECTURE, &arch.to_be_bytes());
    p.push(code::MACHINE_ID, &UUID);
    for (code, data) in more {
        p.push(*code, data);
    }
    p
}

fn on_67(packet: &Packet) -> Decision {
    let arrival = Arrival {
        packet,
        to_us: false,
        at: Timestamp(1_800_000_000_000_000),
    };
    decide(arrival, &settings(), &Advisor)
}

fn answer(decision: Decision) -> Answer {
    match decision.outcome {
        Outcome::Answer(answer) => *answer,
        other => panic!("no answer: {other:?}"),
    }
}

/// Codes of an answer in their order.
fn codes(p: &Packet) -> Vec<u8> {
    let code = |item: &super::super::wire::Item| match item {
        super::super::wire::Item::Option { code, .. } => Some(*code),
        super::super::wire::Item::Pad => None,
    };
    p.items.iter().filter_map(code).collect()
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|b| *b == 0).expect("terminated");
    std::str::from_utf8(&field[..end]).expect("text")
}

#[test]
fn a_bios_rom_is_told_to_load_at_once() {
    for arch in 0..=5 {
        let offer = answer(on_67(&packet(
            MessageType::Discover,
            b"PXEClient:Arch:00000:UNDI:002001",
            arch,
            &[],
        )));
        let p = &offer.packet;
        assert_eq!(
            (p.yiaddr, p.siaddr, text(&p.file)),
            (NONE, US, "undionly.kpxe"),
            "{arch}"
        );
        assert_eq!(codes(p), [53, 54, 60, 43, 66, 67, 97], "{arch}");
        assert_eq!(p.option(43).as_deref(), Some(LOAD_NOW));
        assert_eq!(p.option(60).as_deref(), Some(&b"PXEClient"[..]));
        assert_eq!(p.option(97).as_deref(), Some(&UUID[..]));
        assert_eq!(p.address(54), Some(US));
        assert_eq!(offer.to, Destination::Broadcast);
        assert_eq!(offer.sent, Some(Signal::ProxyOffer));
    }
}

#[test]
fn uefi_is_sent_to_port_4011_with_neither_file_nor_option_43() {
    // IA32, x64 as 7, 8 and 9, ARM32, ARM64, RISC-V 32, LoongArch.
    for arch in [6, 7, 8, 9, 10, 11, 25, 37, 39] {
        let discover = packet(
            MessageType::Discover,
            b"PXEClient:Arch:00007:UNDI:003016",
            arch,
            &[],
        );
        let offer = answer(on_67(&discover));
        let p = &offer.packet;
        assert_eq!(
            (p.yiaddr, p.siaddr, text(&p.file)),
            (NONE, US, ""),
            "{arch}"
        );
        assert_eq!(
            codes(p),
            [53, 54, 60, 97],
            "{arch}: a discovery option makes old EDK2 throw it away"
        );

        let source = SocketAddrV4::new(CLIENT, 68);
        for kind in [MessageType::Request, MessageType::Inform] {
            let mut request = packet(kind, b"PXEClient:Arch:00007:UNDI:003016", arch, &[]);
            request.ciaddr = CLIENT;
            let decision = boot_server(&request, source, &settings(), &Advisor);
            assert_eq!(decision.heard, Some(CLIENT));
            let ack = answer(decision);
            let p = &ack.packet;
            assert_eq!(p.message_type(), Some(MessageType::Ack));
            assert_eq!((p.yiaddr, p.ciaddr, p.siaddr), (NONE, CLIENT, US));
            assert_eq!((text(&p.sname), text(&p.file)), ("10.77.0.1", "ipxe.efi"));
            assert_eq!(codes(p), [53, 54, 60, 66, 67, 97]);
            assert_eq!(ack.to, Destination::Port(source), "to where it came from");
            let file = "ipxe.efi".into();
            assert_eq!(ack.sent, Some(Signal::BootServer { file }));
        }
    }
}

#[test]
fn http_boot_gets_an_address_of_http() {
    for arch in [15, 16, 18, 19, 26, 28] {
        let offer = answer(on_67(&packet(
            MessageType::Discover,
            b"HTTPClient:Arch:00016:UNDI:003001",
            arch,
            &[],
        )));
        let p = &offer.packet;
        assert_eq!(p.option(60).as_deref(), Some(&b"HTTPClient"[..]));
        assert_eq!(
            p.option(67).as_deref(),
            Some(&b"http://10.77.0.1:8080/f/ipxe.efi\0"[..])
        );
        assert_eq!((p.yiaddr, p.option(43)), (NONE, None));
    }
}

#[test]
fn ipxe_of_any_age_gets_its_script_without_port_4011() {
    let classes: [&[(u8, &[u8])]; 3] =
        [&[(77, b"iPXE")], &[(77, b"\x04iPXE")], &[(175, &[0xb1, 0])]];
    for more in classes {
        for arch in [0, 7] {
            let offer = answer(on_67(&packet(
                MessageType::Discover,
                b"PXEClient:Arch:00000",
                arch,
                more,
            )));
            let p = &offer.packet;
            // It heeds a second answer by option 60, and asks no more when it has server and file.
            assert_eq!(p.option(60).as_deref(), Some(&b"PXEClient"[..]));
            assert_eq!(
                (p.siaddr, text(&p.file)),
                (US, "http://10.77.0.1:8080/b/x.ipxe")
            );
            assert_eq!((p.option(43), p.option(175)), (None, None));
        }
    }
}

#[test]
fn a_raspberry_pi_finds_its_menu() {
    let mut discover = packet(
        MessageType::Discover,
        b"PXEClient:Arch:00000:UNDI:002001",
        0,
        &[],
    );
    discover.chaddr[..3].copy_from_slice(&[0xdc, 0xa6, 0x32]);
    for p in [
        answer(on_67(&discover)).packet,
        answer(on_67(&packet(MessageType::Discover, b"PXEClient", 41, &[]))).packet,
    ] {
        let menu = p.option(43).expect("a menu");
        // Tag 9: boot item 0, seventeen letters; then the end.
        assert!(
            menu.ends_with(b"\x09\x14\x00\x00\x11Raspberry Pi Boot\xff"),
            "{menu:?}"
        );
        assert!(menu.starts_with(&[6, 1, 3, 10, 4, 0]));
        assert_eq!((p.siaddr, text(&p.file)), (US, ""));
        assert_eq!(p.option(66).as_deref(), Some(&b"10.77.0.1"[..]));
    }
}

#[test]
fn a_chosen_boot_item_comes_back() {
    let more: [(u8, &[u8]); 1] = [(43, &[0x47, 4, 0, 9, 0, 0, 255])];
    let request = packet(MessageType::Request, b"PXEClient", 0, &more);
    let ack = answer(boot_server(
        &request,
        SocketAddrV4::new(CLIENT, 4011),
        &settings(),
        &Advisor,
    ));
    assert_eq!(ack.packet.option(43).as_deref(), Some(more[0].1));
}

#[test]
fn others_are_left_to_the_other_server() {
    for (kind, class) in [
        (MessageType::Discover, &b"MSFT 5.0"[..]),
        (MessageType::Request, b"PXEClient"),
        (MessageType::Inform, b"PXEClient"),
        (MessageType::Release, b"PXEClient"),
        (MessageType::Decline, b"PXEClient"),
        (MessageType::Offer, b"PXEClient"),
    ] {
        let decision = on_67(&packet(kind, class, 0, &[]));
        assert!(matches!(decision.outcome, Outcome::Silent(_)), "{kind:?}");
    }
    // Nothing to load: no answer that would keep it from another boot server's.
    let decision = on_67(&packet(MessageType::Discover, b"PXEClient", 27, &[]));
    assert!(matches!(decision.outcome, Outcome::Silent(_)));
    let mut reply = packet(MessageType::Discover, b"PXEClient", 0, &[]);
    reply.op = 2;
    assert!(matches!(on_67(&reply).outcome, Outcome::Silent(_)));
    for (kind, class) in [
        (MessageType::Discover, &b"PXEClient"[..]),
        (MessageType::Request, b"MSFT 5.0"),
    ] {
        let request = packet(kind, class, 0, &[]);
        let decision = boot_server(
            &request,
            SocketAddrV4::new(CLIENT, 68),
            &settings(),
            &Advisor,
        );
        assert!(matches!(decision.outcome, Outcome::Silent(_)), "{kind:?}");
    }
}

#[test]
fn who_takes_which_address_is_overheard() {
    let more: [(u8, &[u8]); 2] = [(50, &CLIENT.octets()), (54, &ROUTER.octets())];
    let decision = on_67(&packet(MessageType::Request, b"PXEClient", 0, &more));
    assert_eq!(decision.heard, Some(CLIENT));
    let took = Signal::TookOther {
        server: ROUTER,
        address: CLIENT,
        firmware: Firmware::BiosPxe,
    };
    assert_eq!(decision.seen, [took]);
    // An operating system renews: no boot, and yet its address.
    let mut renewal = packet(MessageType::Request, b"MSFT 5.0", 0, &[]);
    renewal.ciaddr = CLIENT;
    let decision = on_67(&renewal);
    assert_eq!((decision.heard, decision.seen), (Some(CLIENT), vec![]));
    // It remembers an address and may be told that it is another's by now.
    let remembered: [(u8, &[u8]); 1] = [(50, &CLIENT.octets())];
    let decision = on_67(&packet(MessageType::Request, b"MSFT 5.0", 0, &remembered));
    assert_eq!(decision.heard, None);
}

#[test]
fn a_relay_gets_its_answer_with_its_option_last() {
    let mut discover = packet(
        MessageType::Discover,
        b"PXEClient",
        7,
        &[(82, &[1, 2, 3, 4])],
    );
    discover.giaddr = Ipv4Addr::new(10, 88, 0, 1);
    let offer = answer(on_67(&discover));
    assert_eq!(offer.to, Destination::Relay(discover.giaddr));
    assert_eq!(codes(&offer.packet).last(), Some(&82));
}

#[test]
fn damaged_packets_never_stop_it() {
    let mut random = Random(7);
    let good = packet(
        MessageType::Discover,
        b"PXEClient:Arch:00007",
        7,
        &[(43, &[0x47, 4, 0, 1, 0, 0]), (175, &[0x13, 1, 1])],
    );
    for _ in 0..20_000 {
        let mut bytes = good.encode();
        damage(&mut bytes, &mut random);
        let Ok(p) = Packet::decode(&bytes) else {
            continue;
        };
        let _ = on_67(&p);
        let _ = boot_server(&p, SocketAddrV4::new(CLIENT, 68), &settings(), &Advisor);
    }
}
