//! Round trips, captured packets beside expected text, and a hundred thousands of damaged packets.

use super::*;
use dhcproto::{Decodable, Encodable, Encoder, v4};
use proptest::prelude::*;

/// A decoder must keep every byte and answer every question about any packet without a panic.
fn exercise(bytes: &[u8]) {
    let Ok(packet) = Packet::decode(bytes) else {
        return;
    };
    assert_eq!(packet.encode(), bytes, "lossless");
    for code in [
        code::MESSAGE_TYPE,
        code::OVERLOAD,
        code::VENDOR_CLASS,
        code::RELAY_AGENT,
        0,
        255,
    ] {
        let _ = (packet.option(code), packet.address(code), packet.u32(code));
    }
    let _ = (packet.message_type(), packet.mac(), packet.is_truncated());
    let _ = format!("{packet:?}");
    let reply = Packet::reply_to(&packet).encode_padded();
    assert!(reply.len() >= MIN_LEN);
    Packet::decode(&reply).expect("our own packet");
}

/// A request as a boot ROM sends it.
pub(crate) fn sample() -> Packet {
    let mut p = Packet {
        op: 1,
        htype: 1,
        hlen: 6,
        hops: 0,
        xid: 0x0012_3456,
        secs: 4,
        flags: 0x8000,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: [
            0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        sname: [0; 64],
        file: [0; 128],
        items: vec![],
        tail: vec![END],
    };
    p.push(code::MESSAGE_TYPE, &[1]);
    p.push(code::PARAMETERS, &[1, 3, 6, 12, 43, 60, 66, 67]);
    p.push(code::ARCHITECTURE, &[0, 0]);
    p.push(code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001");
    p
}

#[test]
fn short_packets_and_wrong_cookies_are_refused() {
    let good = sample().encode();
    for len in 0..FIXED {
        assert_eq!(Packet::decode(&good[..len]), Err(WireError::Short(len)));
    }
    let mut bad = good.clone();
    bad[238] ^= 1;
    assert_eq!(Packet::decode(&bad), Err(WireError::Cookie));
    assert_eq!(Packet::decode(&good).map(|p| p.encode()), Ok(good));
}

#[test]
fn an_odd_option_spoils_no_other() {
    // The inputs on which the codec of the crate dhcproto loses what follows.
    for (code, data) in [
        (12, &b"caf\xe9"[..]),
        (94, &[1, 2]),
        (50, &[1, 2, 3]),
        (81, &[]),
        (53, &[]),
    ] {
        let mut p = sample();
        p.items.insert(
            1,
            Item::Option {
                code,
                data: data.to_vec(),
            },
        );
        let p = Packet::decode(&p.encode()).expect("decodes");
        assert_eq!(p.option(code::ARCHITECTURE).as_deref(), Some(&[0, 0][..]));
        assert!(p.option(code::VENDOR_CLASS).is_some());
    }
}

#[test]
fn a_cut_off_option_keeps_those_before_it() {
    let whole = sample().encode();
    let cut = &whole[..whole.len() - 5];
    let p = Packet::decode(cut).expect("decodes");
    assert!(p.is_truncated());
    assert_eq!(p.message_type(), Some(MessageType::Discover));
    assert_eq!(p.option(code::VENDOR_CLASS), None);
    assert_eq!(p.encode(), cut);
}

#[test]
fn long_options_are_split_and_joined() {
    let mut p = sample();
    let long: Vec<u8> = (0..700).map(|i| i as u8).collect();
    p.push(code::BOOT_FILE, &long);
    p.push(code::MESSAGE, &[]);
    let sizes: Vec<usize> = parts(&p.items, code::BOOT_FILE).map(<[u8]>::len).collect();
    assert_eq!(sizes, [255, 255, 190]);
    let p = Packet::decode(&p.encode()).expect("decodes");
    assert_eq!(p.option(code::BOOT_FILE).as_deref(), Some(&long[..]));
    assert_eq!(p.option(code::MESSAGE).as_deref(), Some(&[][..]));
}

#[test]
fn overloaded_fields_hold_options() {
    let mut p = sample();
    p.push(code::OVERLOAD, &[3]);
    p.push(code::HOST_NAME, b"one-");
    p.file[..8].copy_from_slice(&[12, 4, b't', b'w', b'o', b'-', 0, 255]);
    p.sname[..6].copy_from_slice(&[12, 3, b's', b'i', b'x', 255]);
    // After its end mark a field means nothing.
    p.sname[6..9].copy_from_slice(&[12, 1, b'!']);
    let mut p = Packet::decode(&p.encode()).expect("decodes");
    assert_eq!(
        p.option(code::HOST_NAME).as_deref(),
        Some(&b"one-two-six"[..])
    );
    for (bits, want) in [(1, "one-two-"), (2, "one-six"), (4, "one-"), (0, "one-")] {
        p.items
            .retain(|i| !matches!(i, Item::Option { code: 52, .. }));
        p.push(code::OVERLOAD, &[bits]);
        assert_eq!(
            p.option(code::HOST_NAME).as_deref(),
            Some(want.as_bytes()),
            "{bits}"
        );
    }
}

#[test]
fn file_names_always_end_in_a_nul() {
    let mut p = sample();
    assert!(p.set_file(&"x".repeat(127)));
    assert_eq!(p.file[127], 0);
    assert!(!p.set_file(&"y".repeat(128)));
    assert_eq!(p.file[0], b'x');
    assert!(p.set_file("a"));
    assert_eq!(p.file[..2], *b"a\0");
}

#[test]
fn server_names_always_end_in_a_nul() {
    let mut p = sample();
    for (len, kept) in [(0, 0), (62, 62), (63, 63), (64, 63), (200, 63)] {
        p.set_sname(&"s".repeat(len));
        assert!(p.sname[..kept].iter().all(|b| *b == b's'), "{len}");
        assert!(p.sname[kept..].iter().all(|b| *b == 0), "{len}");
    }
}

#[test]
fn only_ethernet_addresses_of_one_computer_count() {
    let mut p = sample();
    assert_eq!(
        p.mac().map(|m| m.to_string()).as_deref(),
        Some("52:54:00:12:34:56")
    );
    p.hlen = 5;
    assert_eq!(p.mac(), None);
    p.hlen = 6;
    p.chaddr[0] |= 1;
    assert_eq!(p.mac(), None);
    p.chaddr = [0; 16];
    assert_eq!(p.mac(), None);
    p = sample();
    p.htype = 32;
    assert_eq!(p.mac(), None);
}

/// Captured packets, as hex, beside what they say.
#[test]
fn captured_packets_read_as_expected() {
    let seen = crate::captures::compare("src/dhcp/captures", |bytes| {
        exercise(bytes);
        format!("{:?}\n", Packet::decode(bytes).expect("a DHCP packet"))
    });
    assert!(seen >= 6, "only {seen} captures found");
}

/// A small generator, so that a failing round can be repeated by its number.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // xorshift64* (Vigna 2016).
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }
}

/// Changes a few bytes, cuts, doubles or grows a packet.
pub(crate) fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        // Mostly in the options: that is where the lengths are.
        let from = if random.below(4) == 0 {
            0
        } else {
            FIXED.min(bytes.len())
        };
        let at = from + random.below(bytes.len().saturating_sub(from));
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), random.below(256) as u8),
            2 => bytes.extend_from_within(at.min(bytes.len())..),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 255, 52, 3, random.below(256) as u8][random.below(5)];
                }
            }
        }
        bytes.truncate(2000);
    }
}

#[test]
fn two_hundred_thousand_damaged_packets_do_no_harm() {
    let seeds: Vec<Vec<u8>> = {
        let mut overloaded = sample();
        overloaded.push(code::OVERLOAD, &[3]);
        overloaded.file[..4].copy_from_slice(&[60, 2, b'P', b'X']);
        let mut long = sample();
        long.push(code::RELAY_AGENT, &[7; 600]);
        [sample(), overloaded, long]
            .iter()
            .map(Packet::encode)
            .collect()
    };
    let mut random = Random(0x5eed);
    for round in 0..200_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        damage(&mut bytes, &mut random);
        exercise(&bytes);
    }
}

/// What the crate dhcproto makes of a well-formed packet is what we make of it.
#[test]
fn dhcproto_agrees_on_well_formed_packets() {
    let ours = sample();
    let theirs = v4::Message::from_bytes(&ours.encode()).expect("well-formed");
    assert_eq!(theirs.xid(), ours.xid);
    assert_eq!(theirs.chaddr(), &ours.chaddr[..6]);
    assert!(theirs.flags().broadcast());
    assert_eq!(theirs.opts().msg_type(), Some(v4::MessageType::Discover));

    let mut message = v4::Message::new(
        Ipv4Addr::new(10, 0, 0, 9),
        Ipv4Addr::new(10, 0, 0, 10),
        Ipv4Addr::new(10, 0, 0, 1),
        Ipv4Addr::new(10, 9, 9, 9),
        &[2, 0, 0, 0, 0, 7],
    );
    message.set_fname(b"undionly.kpxe");
    let options = message.opts_mut();
    options.insert(v4::DhcpOption::MessageType(v4::MessageType::Request));
    options.insert(v4::DhcpOption::RequestedIpAddress(Ipv4Addr::new(
        10, 0, 0, 77,
    )));
    options.insert(v4::DhcpOption::AddressLeaseTime(4711));
    let mut bytes = Vec::new();
    message
        .encode(&mut Encoder::new(&mut bytes))
        .expect("encodes");
    let ours = Packet::decode(&bytes).expect("well-formed");
    assert_eq!(ours.message_type(), Some(MessageType::Request));
    assert_eq!(ours.address(50), Some(Ipv4Addr::new(10, 0, 0, 77)));
    assert_eq!(ours.u32(51), Some(4711));
    assert_eq!(ours.mac(), Some(MacAddr([2, 0, 0, 0, 0, 7])));
    assert_eq!(ours.giaddr, Ipv4Addr::new(10, 9, 9, 9));
    assert_eq!(&ours.file[..14], b"undionly.kpxe\0");
    assert_eq!(ours.encode(), bytes);
}

proptest! {
    #[test]
    fn any_options_come_back(options in prop::collection::vec((1u8..255, prop::collection::vec(any::<u8>(), 0..600)), 0..12)) {
        let mut p = sample();
        p.items.clear();
        for (code, data) in options.iter().filter(|(code, _)| *code != code::OVERLOAD) {
            p.push(*code, data);
        }
        let back = Packet::decode(&p.encode()).expect("our own packet");
        prop_assert_eq!(&back, &p);
        for (wanted, _) in options.iter().filter(|(code, _)| *code != code::OVERLOAD) {
            let joined: Vec<u8> = options.iter().filter(|(c, _)| c == wanted).flat_map(|(_, d)| d.clone()).collect();
            prop_assert_eq!(back.option(*wanted).map(Cow::into_owned), Some(joined));
        }
    }

    #[test]
    fn any_bytes_after_the_cookie_come_back(head in prop::collection::vec(any::<u8>(), 236), options in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&head[..], &COOKIE, &options].concat();
        exercise(&bytes);
        prop_assert!(Packet::decode(&bytes).is_ok());
    }
}
