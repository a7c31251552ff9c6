//! Every message in every state, every row of the reply addressing, and damaged packets.

use super::super::{
    reply::Destination,
    wire::{
        Item,
        tests::{Random, damage, sample},
    },
};
use super::*;
use engine::boot::{BootFile, choices};
use engine::leases::{OFFER_SECONDS, Plan, QUARANTINE_SECONDS, Reserved, Shape};
use types::{AddressRange, LeaseState, Subnet};

const T0: Timestamp = Timestamp(1_800_000_000_000_000);
const US: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

/// Loader for boot ROMs, script for iPXE, in the usual form, as the engine does.
pub(crate) fn advice(firmware: Firmware, is_proxy: bool) -> Advice {
    Advice {
        file: match firmware {
            Firmware::BiosPxe => BootFile::Loader("undionly.kpxe".into()),
            Firmware::UefiPxe => BootFile::Loader("ipxe.efi".into()),
            Firmware::UefiHttp => BootFile::Url("http://10.77.0.1:8080/f/ipxe.efi".into()),
            Firmware::Ipxe => BootFile::Url("http://10.77.0.1:8080/b/x.ipxe".into()),
            Firmware::RaspberryPi => BootFile::Loader(String::new()),
            Firmware::Other => BootFile::None,
        },
        form: choices(firmware, is_proxy)[0],
        delay: std::time::Duration::ZERO,
    }
}

struct Advisor;
impl BootAdvisor for Advisor {
    fn advise(&self, machine: &Machine) -> Advice {
        advice(machine.firmware, false)
    }
    fn host_name(&self, _: MacAddr) -> Option<String> {
        Some("pc31".into())
    }
}

/// A server with three addresses and a clock.
struct Lab {
    pool: Pool,
    settings: Settings,
    now: Timestamp,
}

impl Lab {
    fn new() -> Lab {
        let range = AddressRange {
            first: ip(100),
            last: ip(102),
        };
        Lab {
            pool: Pool::new(Shape {
                subnet: Subnet::of(US, 24),
                ranges: vec![range],
                excluded: vec![AddressRange {
                    first: US,
                    last: US,
                }],
                reserved: vec![],
            }),
            settings: Settings::bare(US, 24),
            now: T0,
        }
    }
    fn decide(&mut self, packet: &Packet, to_us: bool) -> Decision {
        let arrival = Arrival {
            packet,
            to_us,
            at: self.now,
        };
        decide(arrival, &self.settings, &mut self.pool, &Advisor)
    }
    fn outcome(&mut self, packet: &Packet) -> Outcome {
        self.decide(packet, false).outcome
    }
    /// The answer, whether or not it waits for the disk.
    fn answer(&mut self, packet: &Packet) -> Answer {
        match self.outcome(packet) {
            Outcome::Answer(answer) | Outcome::Commit(_, Some(answer)) => *answer,
            other => panic!("no answer: {other:?}"),
        }
    }
    /// A computer that went through DISCOVER and REQUEST.
    fn bound(&mut self, n: u8) -> Ipv4Addr {
        let offer = self.answer(&packet(MessageType::Discover, n, &[])).packet;
        let ack = self.answer(&selecting(n, offer.yiaddr)).packet;
        assert_eq!(ack.message_type(), Some(MessageType::Ack));
        ack.yiaddr
    }
}

fn packet(kind: MessageType, n: u8, options: &[(u8, &[u8])]) -> Packet {
    let mut p = sample();
    p.flags = 0;
    p.chaddr[5] = n;
    p.items.clear();
    p.push(code::MESSAGE_TYPE, &[kind as u8]);
    for (code, data) in options {
        p.push(*code, data);
    }
    p
}
fn selecting(n: u8, address: Ipv4Addr) -> Packet {
    packet(
        MessageType::Request,
        n,
        &[(54, &US.octets()), (50, &address.octets())],
    )
}
fn rebooting(n: u8, address: Ipv4Addr) -> Packet {
    packet(MessageType::Request, n, &[(50, &address.octets())])
}
fn extending(n: u8, address: Ipv4Addr) -> Packet {
    let mut p = packet(MessageType::Request, n, &[]);
    p.ciaddr = address;
    p
}
fn kind(answer: &Answer) -> Option<MessageType> {
    answer.packet.message_type()
}
fn codes(p: &Packet) -> Vec<u8> {
    p.items
        .iter()
        .filter_map(|i| match i {
            super::super::wire::Item::Option { code, .. } => Some(*code),
            super::super::wire::Item::Pad => None,
        })
        .collect()
}
fn is_silent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Silent(_))
}

const PXE: (u8, &[u8]) = (60, b"PXEClient:Arch:00000:UNDI:002001");

#[test]
fn a_bios_rom_gets_address_and_loader() {
    let mut lab = Lab::new();
    let options = [
        PXE,
        (93, &[0, 0][..]),
        (
            97,
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        ),
        (61, &[1, 2, 3]),
        (82, &[1, 2, 7, 7]),
    ];
    let discover = packet(MessageType::Discover, 1, &options);
    let decision = lab.decide(&discover, false);
    let firmware = Firmware::BiosPxe;
    assert_eq!(decision.seen, [Signal::Discover { firmware }]);
    let Outcome::Answer(answer) = decision.outcome else {
        panic!("an OFFER needs no record");
    };
    assert_eq!(answer.sent, Some(Signal::Offer { address: ip(100) }));
    let p = Packet::decode(&answer.packet.encode_padded()).expect("our own");
    assert_eq!(
        (p.op, p.xid, p.yiaddr, p.siaddr),
        (2, discover.xid, ip(100), US)
    );
    assert_eq!(&p.file[..14], b"undionly.kpxe\0");
    // The order that strict ROMs are used to; what the relay added is last (RFC 3046).
    assert_eq!(
        codes(&p),
        [53, 54, 51, 58, 59, 1, 28, 60, 43, 66, 67, 97, 61, 82]
    );
    for (code, want) in [
        (1, &[255, 255, 255, 0][..]),
        (28, &[10, 77, 0, 255]),
        (43, &[6, 1, 8, 255]),
        (51, &3600u32.to_be_bytes()),
        (53, &[2]),
        (54, &US.octets()),
        (58, &1800u32.to_be_bytes()),
        (59, &3150u32.to_be_bytes()),
        (60, b"PXEClient"),
        (66, b"10.77.0.1"),
        (67, b"undionly.kpxe\0"),
        (82, &[1, 2, 7, 7]),
    ] {
        assert_eq!(p.option(code).as_deref(), Some(want), "option {code}");
    }
    for (code, sent) in &options[2..] {
        assert_eq!(p.option(*code).as_deref(), Some(*sent), "echo of {code}");
    }
}

#[test]
fn firmware_decides_what_else_is_told() {
    let mut lab = Lab::new();
    let offer = |lab: &mut Lab, options: &[(u8, &[u8])]| {
        lab.answer(&packet(MessageType::Discover, 1, options))
            .packet
    };
    let p = offer(&mut lab, &[PXE, (175, &[0xb1, 0])]);
    assert_eq!(p.option(175).as_deref(), Some(&[176, 1, 1][..]));
    assert_eq!(
        p.option(67).as_deref(),
        Some(&b"http://10.77.0.1:8080/b/x.ipxe\0"[..])
    );
    assert_eq!((p.siaddr, p.option(60), p.option(43)), (US, None, None));

    let p = offer(&mut lab, &[(60, b"PXEClient"), (93, &[0, 7])]);
    assert_eq!(p.option(67).as_deref(), Some(&b"ipxe.efi\0"[..]));
    assert_eq!(
        (p.option(60), p.option(43)),
        (None, None),
        "60 alone means port 4011"
    );

    let p = offer(&mut lab, &[(60, b"HTTPClient:Arch:00016"), (93, &[0, 16])]);
    assert_eq!(p.option(60).as_deref(), Some(&b"HTTPClient"[..]));

    let p = offer(&mut lab, &[(60, b"MSFT 5.0"), (55, &[1, 12])]);
    assert_eq!((p.siaddr, p.file[0], p.option(67)), (NONE, 0, None));
    assert_eq!(p.option(12).as_deref(), Some(&b"pc31"[..]));
    assert_eq!(p.option(3), None);

    lab.settings.router = Some(ip(254));
    lab.settings.dns = vec![ip(253), ip(252)];
    lab.settings.echo_client_id = false;
    let p = offer(&mut lab, &[(61, &[1, 2])]);
    assert_eq!(p.option(3).as_deref(), Some(&ip(254).octets()[..]));
    assert_eq!(p.option(6).as_deref().map(<[u8]>::len), Some(8));
    assert_eq!(p.option(61), None, "switched off");
}

#[test]
fn rom_ipxe_and_system_get_one_address() {
    let mut lab = Lab::new();
    let mut seen = Vec::new();
    for id in [&[0, 9, 9][..], &[1, 0x52, 0x54, 0], &[255, 1, 2, 3, 4]] {
        let offer = lab.answer(&packet(MessageType::Discover, 1, &[(61, id)]));
        let mut request = selecting(1, offer.packet.yiaddr);
        request.push(61, id);
        seen.push(lab.answer(&request).packet.yiaddr);
    }
    assert_eq!(seen, [ip(100); 3]);
}

#[test]
fn an_ack_waits_for_its_lease() {
    let mut lab = Lab::new();
    lab.answer(&packet(MessageType::Discover, 1, &[PXE]));
    let mut request = selecting(1, ip(100));
    request.push(60, PXE.1);
    request.push(12, b"seat-4");
    let Outcome::Commit(lease, Some(answer)) = lab.outcome(&request) else {
        panic!("a record first");
    };
    assert_eq!((lease.address, lease.state), (ip(100), LeaseState::Active));
    assert_eq!(lease.hostname.as_deref(), Some("seat-4"));
    assert_eq!(lease.ends_at, T0.plus_seconds(3600));
    let firmware = Firmware::BiosPxe;
    assert_eq!(
        answer.sent,
        Some(Signal::Ack {
            address: ip(100),
            firmware
        })
    );
}

#[test]
fn a_full_range_is_said_and_not_answered() {
    let mut lab = Lab::new();
    for n in 1..=3 {
        lab.bound(n);
    }
    let decision = lab.decide(&packet(MessageType::Discover, 4, &[PXE]), false);
    assert!(is_silent(&decision.outcome));
    assert!(
        matches!(&decision.seen[..], [Signal::Discover { .. }, Signal::NoAddress { cause }] if cause.code == "no_free_address")
    );
}

#[test]
fn selecting_states() {
    let mut lab = Lab::new();
    let mine = lab.bound(1);
    for (request, why) in [
        (selecting(1, ip(102)), "not what was offered"),
        (selecting(2, mine), "another's"),
        (selecting(3, ip(200)), "outside the range"),
    ] {
        let answer = lab.answer(&request);
        assert_eq!(kind(&answer), Some(MessageType::Nak), "{why}");
        assert_eq!(answer.packet.yiaddr, NONE);
    }
    // Only in the lease's first packet, by a client that leaves option 50 out.
    lab.answer(&packet(MessageType::Discover, 2, &[]));
    let mut odd = packet(MessageType::Request, 2, &[(54, &US.octets())]);
    odd.ciaddr = ip(101);
    assert_eq!(kind(&lab.answer(&odd)), Some(MessageType::Ack));
}

#[test]
fn another_servers_offer_taken_frees_ours() {
    let mut lab = Lab::new();
    lab.bound(1);
    lab.bound(2);
    lab.answer(&packet(MessageType::Discover, 3, &[]));
    assert!(is_silent(&lab.outcome(&packet(
        MessageType::Discover,
        4,
        &[]
    ))));
    let other = packet(
        MessageType::Request,
        3,
        &[(54, &ip(9).octets()), (50, &ip(50).octets())],
    );
    assert!(is_silent(&lab.outcome(&other)));
    assert_eq!(
        lab.answer(&packet(MessageType::Discover, 4, &[]))
            .packet
            .yiaddr,
        ip(102)
    );
}

#[test]
fn init_reboot_states() {
    let mut lab = Lab::new();
    let mine = lab.bound(1);
    assert_eq!(
        kind(&lab.answer(&rebooting(1, mine))),
        Some(MessageType::Ack)
    );
    for (request, why) in [
        (rebooting(1, ip(102)), "known by another address"),
        (rebooting(5, Ipv4Addr::new(192, 168, 1, 5)), "wrong network"),
    ] {
        assert_eq!(kind(&lab.answer(&request)), Some(MessageType::Nak), "{why}");
    }
    for (request, why) in [
        (rebooting(5, ip(102)), "no record, free"),
        (rebooting(5, mine), "no record, another's"),
        (rebooting(5, ip(9)), "no record, outside the range"),
        (packet(MessageType::Request, 5, &[]), "no address at all"),
    ] {
        assert!(is_silent(&lab.outcome(&request)), "{why}");
    }
    // Expired, but nobody else's yet: still its own.
    lab.now = T0.plus_seconds(100_000);
    assert_eq!(
        kind(&lab.answer(&rebooting(1, mine))),
        Some(MessageType::Ack)
    );
}

#[test]
fn renewing_is_trusted_and_rebinding_is_not() {
    let mut lab = Lab::new();
    let mine = lab.bound(1);
    lab.now = T0.plus_seconds(1800);
    for to_us in [true, false] {
        let decision = lab.decide(&extending(1, mine), to_us);
        let Outcome::Commit(lease, Some(answer)) = decision.outcome else {
            panic!("extended");
        };
        assert_eq!(lease.ends_at, lab.now.plus_seconds(3600));
        assert_eq!(answer.to, Destination::Unicast(mine));
        assert_eq!(answer.packet.ciaddr, mine);
    }
    // Lost records: a renewing client is taken at its word, a rebinding one is another server's.
    assert!(is_silent(&lab.outcome(&extending(6, ip(102)))));
    let renewed = lab.decide(&extending(6, ip(102)), true).outcome;
    assert!(matches!(renewed, Outcome::Commit(_, Some(_))));
    for (n, address, to_us) in [
        (1, ip(101), false),
        (7, mine, false),
        (7, mine, true),
        (7, ip(9), true),
        (7, Ipv4Addr::new(172, 16, 0, 1), false),
    ] {
        let decision = lab.decide(&extending(n, address), to_us);
        let Outcome::Answer(answer) = decision.outcome else {
            panic!("{address}: {decision:?}");
        };
        assert_eq!(kind(&answer), Some(MessageType::Nak), "{address}");
        assert_eq!(answer.sent, None, "an operating system is no boot");
    }
    assert!(
        is_silent(&lab.outcome(&extending(7, ip(9)))),
        "another server's"
    );
}

#[test]
fn release_and_decline() {
    let mut lab = Lab::new();
    let mine = lab.bound(1);
    let mut release = packet(MessageType::Release, 1, &[(54, &US.octets())]);
    release.ciaddr = mine;
    let Outcome::Commit(lease, None) = lab.outcome(&release) else {
        panic!("stored, not answered");
    };
    assert_eq!(lease.state, LeaseState::Released);
    assert!(is_silent(&lab.outcome(&release)), "twice");
    let mut stranger = release.clone();
    stranger.chaddr[5] = 9;
    assert!(is_silent(&lab.outcome(&stranger)));

    let mine = lab.bound(1);
    let decline = |server: Ipv4Addr| {
        packet(
            MessageType::Decline,
            1,
            &[(54, &server.octets()), (50, &mine.octets())],
        )
    };
    assert!(is_silent(&lab.outcome(&decline(ip(9)))), "another server's");
    assert!(is_silent(&lab.outcome(&packet(
        MessageType::Decline,
        1,
        &[]
    ))));
    let Outcome::Commit(lease, None) = lab.outcome(&decline(US)) else {
        panic!("stored, not answered");
    };
    assert_eq!(lease.state, LeaseState::Declined);
    assert_eq!(lease.ends_at, T0.plus_seconds(QUARANTINE_SECONDS));
    assert_ne!(lab.bound(1), mine);
}

#[test]
fn inform_gets_options_and_no_lease() {
    let mut lab = Lab::new();
    let mut inform = packet(MessageType::Inform, 1, &[]);
    inform.ciaddr = ip(50);
    let Outcome::Answer(answer) = lab.outcome(&inform) else {
        panic!("no record needed");
    };
    assert_eq!(kind(&answer), Some(MessageType::Ack));
    assert_eq!(answer.to, Destination::Unicast(ip(50)));
    let p = &answer.packet;
    assert_eq!(
        (p.yiaddr, p.option(51), p.option(58), p.option(59)),
        (NONE, None, None, None)
    );
    assert!(p.option(1).is_some());
    inform.ciaddr = NONE;
    assert_eq!(lab.answer(&inform).to, Destination::Broadcast);
}

/// RFC 2131 section 4.1, row by row.
#[test]
fn answers_go_where_they_belong() {
    let mac = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 1]);
    let relay = ip(254);
    let frame = Destination::Frame(mac, ip(100));
    for (giaddr, ciaddr, flags, want) in [
        (NONE, NONE, 0, frame),
        (NONE, NONE, 0x8000, Destination::Broadcast),
        (NONE, ip(100), 0, Destination::Unicast(ip(100))),
        (NONE, ip(100), 0x8000, Destination::Unicast(ip(100))),
        (relay, NONE, 0, Destination::Relay(relay)),
        (relay, ip(100), 0x8000, Destination::Relay(relay)),
    ] {
        let mut lab = Lab::new();
        let mut p = packet(MessageType::Discover, 1, &[]);
        p.chaddr[..6].copy_from_slice(&mac.0);
        (p.giaddr, p.ciaddr, p.flags) = (giaddr, ciaddr, flags);
        let answer = lab.answer(&p);
        assert_eq!(answer.to, want, "gi={giaddr} ci={ciaddr} flags={flags:x}");
        assert_eq!((answer.packet.giaddr, answer.packet.flags), (giaddr, flags));
    }
    // A NAK never goes to the address that is in doubt.
    for (giaddr, flags, want) in [
        (NONE, 0, Destination::Broadcast),
        (relay, 0x8000, Destination::Relay(relay)),
    ] {
        let mut lab = Lab::new();
        let mut p = extending(1, Ipv4Addr::new(172, 16, 0, 9));
        p.giaddr = giaddr;
        let answer = lab.answer(&p);
        assert_eq!((kind(&answer), answer.to), (Some(MessageType::Nak), want));
        assert_eq!(answer.packet.flags, flags, "the relay must broadcast");
        assert_eq!((answer.packet.ciaddr, answer.packet.yiaddr), (NONE, NONE));
    }
}

#[test]
fn what_is_not_for_us_is_not_answered() {
    let mut lab = Lab::new();
    let good = packet(MessageType::Discover, 1, &[]);
    let broken = |change: fn(&mut Packet)| {
        let mut p = good.clone();
        change(&mut p);
        p
    };
    for (p, why) in [
        (broken(|p| p.op = 2), "a reply"),
        (broken(|p| p.hlen = 16), "no Ethernet address"),
        (broken(|p| p.chaddr = [0xff; 16]), "a broadcast address"),
        (broken(|p| p.items.clear()), "no type"),
        (packet(MessageType::Offer, 1, &[]), "an offer"),
        (packet(MessageType::Ack, 1, &[]), "an ack"),
        (packet(MessageType::Nak, 1, &[]), "a nak"),
    ] {
        let decision = lab.decide(&p, false);
        assert!(is_silent(&decision.outcome), "{why}");
        assert_eq!(decision.seen, [], "{why}");
    }
    assert_eq!(lab.pool.leases().count(), 0);
    assert_eq!(lab.answer(&good).packet.yiaddr, ip(100), "nothing was held");
}

#[test]
fn lease_times_are_kept_in_bounds() {
    let mut lab = Lab::new();
    for (asked, want) in [(0, 60), (600, 600), (u32::MAX, 3600)] {
        let p = packet(MessageType::Discover, 1, &[(51, &asked.to_be_bytes())]);
        assert_eq!(lab.answer(&p).packet.u32(51), Some(want), "asked {asked}");
    }
    lab.now = T0.plus_seconds(OFFER_SECONDS);
    lab.settings.lease_seconds = 30;
    let p = packet(MessageType::Discover, 1, &[(51, &[0, 0, 0, 1])]);
    assert_eq!(
        lab.answer(&p).packet.u32(51),
        Some(30),
        "never more than configured"
    );
}

#[test]
fn damaged_packets_never_stop_the_session() {
    let mut lab = Lab::new();
    let seeds: Vec<Vec<u8>> = [
        packet(MessageType::Discover, 1, &[PXE, (82, &[1, 2, 3, 4])]),
        selecting(1, ip(100)),
        extending(1, ip(100)),
        packet(
            MessageType::Decline,
            1,
            &[(54, &US.octets()), (50, &ip(100).octets())],
        ),
        packet(MessageType::Inform, 1, &[(77, b"\x04iPXE")]),
    ]
    .iter()
    .map(Packet::encode)
    .collect();
    let mut random = Random(0xd1ce);
    for round in 0..200_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        damage(&mut bytes, &mut random);
        let Ok(p) = Packet::decode(&bytes) else {
            continue;
        };
        lab.now = lab.now.plus_seconds(1);
        if let Outcome::Answer(a) | Outcome::Commit(_, Some(a)) =
            lab.decide(&p, round % 2 == 0).outcome
        {
            let bytes = a.packet.encode_padded();
            assert!((300..65_000).contains(&bytes.len()));
            assert_eq!(Packet::decode(&bytes).map(|p| p.op), Ok(2));
        }
    }
}

#[test]
fn what_is_set_for_a_scope_and_for_a_computer_is_said() {
    let mut lab = Lab::new();
    let mut plan = Plan::plain(Subnet::of(US, 24));
    plan.router = Some(ip(254));
    plan.dns = vec![ip(2), ip(3)];
    plan.domain = Some("lab.example".into());
    plan.lease_seconds = 600;
    plan.options = vec![(26, vec![5, 220]), (42, vec![10, 0, 0, 3])];
    let reserved = Reserved {
        hostname: Some("kiosk".into()),
        options: vec![(6, vec![10, 0, 0, 9]), (26, vec![5, 120])],
    };
    let discover = packet(MessageType::Discover, 7, &[]);
    let mac = discover.mac().expect("one");
    plan.computers.insert(mac, reserved);
    let text = |p: &Packet, code| {
        p.option(code)
            .map(|v| String::from_utf8_lossy(&v).into_owned())
    };

    let other = packet(MessageType::Discover, 8, &[]);
    lab.settings = Settings::planned(US, &plan, Some(&other));
    let offer = lab.answer(&other).packet;
    assert_eq!(offer.address(code::ROUTER), Some(ip(254)));
    assert_eq!(
        offer.option(code::DNS).as_deref(),
        Some(&[10, 77, 0, 2, 10, 77, 0, 3][..])
    );
    assert_eq!(
        text(&offer, code::DOMAIN_NAME).as_deref(),
        Some("lab.example")
    );
    assert_eq!(offer.u32(code::LEASE_TIME), Some(600));
    assert_eq!(offer.option(26).as_deref(), Some(&[5, 220][..]));
    assert_eq!(text(&offer, code::HOST_NAME), None, "not asked for");

    // The computer's own go before the scope's, fields among them, and each is there once.
    lab.settings = Settings::planned(US, &plan, Some(&discover));
    let offer = lab.answer(&discover).packet;
    assert_eq!(offer.address(code::DNS), Some(Ipv4Addr::new(10, 0, 0, 9)));
    assert_eq!(offer.option(26).as_deref(), Some(&[5, 120][..]));
    assert_eq!(offer.address(42), Some(Ipv4Addr::new(10, 0, 0, 3)));
    assert_eq!(text(&offer, code::HOST_NAME).as_deref(), Some("kiosk"));
    let codes: Vec<u8> = offer
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Option { code, .. } => Some(*code),
            Item::Pad => None,
        })
        .collect();
    let once: std::collections::HashSet<_> = codes.iter().collect();
    assert_eq!(once.len(), codes.len(), "{codes:?}");
}

#[test]
fn a_relay_may_name_us_otherwise() {
    let mut lab = Lab::new();
    let relay = ip(254);
    let information = [&[1, 2, 7, 7, 11, 4][..], &relay.octets()].concat();
    let relayed = |mut p: Packet| {
        p.giaddr = relay;
        p.push(code::RELAY_AGENT, &information);
        p
    };
    let plan = Plan::plain(Subnet::of(US, 24));
    let discover = relayed(packet(MessageType::Discover, 1, &[]));
    lab.settings = Settings::planned(US, &plan, Some(&discover));
    let offer = lab.answer(&discover);
    assert_eq!(offer.to, Destination::Relay(relay));
    assert_eq!(offer.packet.address(code::SERVER_ID), Some(relay));
    let last = offer.packet.items.last().expect("options");
    let echoed = Item::Option {
        code: code::RELAY_AGENT,
        data: information.clone(),
    };
    assert_eq!(last, &echoed, "unchanged, and last");
    let server = relay.octets();
    let address = offer.packet.yiaddr.octets();
    let request = packet(MessageType::Request, 1, &[(54, &server), (50, &address)]);
    let ack = lab.answer(&relayed(request)).packet;
    assert_eq!(ack.message_type(), Some(MessageType::Ack));
    assert_eq!(ack.address(code::SERVER_ID), Some(relay));
}

#[path = "oracle_tests.rs"]
pub(crate) mod oracle;
#[path = "signals_tests.rs"]
mod signals;
