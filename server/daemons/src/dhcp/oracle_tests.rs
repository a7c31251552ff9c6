//! The crate dhcproto reads our answers as we mean them: well-formed requests of every kind, with odd
//! and with long client identifiers, options over 255 bytes, and what a relay adds.

use super::*;
use dhcproto::{Decodable, Encodable, v4};

/// What dhcproto makes of an answer, written by dhcproto, says the same to us.
pub(crate) fn agrees(answer: &Packet) {
    let bytes = answer.encode_padded();
    assert!(bytes.len() >= 300, "{} bytes: {answer:?}", bytes.len());
    let theirs = v4::Message::from_bytes(&bytes).expect("well formed");
    assert_eq!(theirs.opcode(), v4::Opcode::BootReply);
    assert_eq!(theirs.xid(), answer.xid);
    assert_eq!(theirs.flags().broadcast(), answer.wants_broadcast());
    assert_eq!(
        [
            theirs.ciaddr(),
            theirs.yiaddr(),
            theirs.siaddr(),
            theirs.giaddr()
        ],
        [answer.ciaddr, answer.yiaddr, answer.siaddr, answer.giaddr]
    );
    assert_eq!(theirs.chaddr(), &answer.chaddr[..6]);
    let again = theirs.to_vec().expect("what was read can be written");
    let again = Packet::decode(&again).expect("well formed");
    let codes: std::collections::BTreeSet<u8> = answer
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Option { code, .. } => Some(*code),
            Item::Pad => None,
        })
        .collect();
    assert!(codes.len() >= 3, "{answer:?}");
    for code in codes {
        assert_eq!(
            again.option(code),
            answer.option(code),
            "option {code} of {answer:?}"
        );
    }
}

#[test]
fn dhcproto_reads_every_answer_as_it_is_meant() {
    let mut plan = Plan::plain(Subnet::of(US, 24));
    plan.router = Some(ip(254));
    plan.dns = vec![ip(2), ip(3)];
    plan.domain = Some("lab.example".into());
    // One that takes several parts (RFC 3396).
    plan.options = vec![(26, vec![5, 220]), (224, vec![0xab; 390])];
    let ids: [&[u8]; 5] = [
        &[1, 2, 0, 0, 0, 0, 7],
        &[0],
        &[255; 2],
        &[7; 254],
        &[9; 255],
    ];
    let machines: [&[(u8, &[u8])]; 4] = [
        &[],
        &[
            (60, b"PXEClient:Arch:00000:UNDI:002001"),
            (93, &[0, 0]),
            (97, &[7; 17]),
        ],
        &[(60, b"PXEClient:Arch:00007:UNDI:003016"), (93, &[0, 7])],
        &[(175, &[0xb1, 1, 1]), (77, b"iPXE")],
    ];
    let mut seen = 0;
    for id in ids {
        for machine in machines {
            for relay in [None, Some(ip(254))] {
                let mut lab = Lab::new();
                let mut ask = |kind, options: &[(u8, &[u8])]| {
                    let all = [options, machine, &[(61, id)]].concat();
                    let mut p = packet(kind, 7, &all);
                    if let Some(relay) = relay {
                        p.giaddr = relay;
                        p.push(code::RELAY_AGENT, &[1, 2, 7, 7]);
                    }
                    lab.settings = Settings::planned(US, &plan, Some(&p));
                    let answer = lab.answer(&p).packet;
                    agrees(&answer);
                    seen += 1;
                    answer
                };
                let offer = ask(MessageType::Discover, &[]);
                let (us, it) = (US.octets(), offer.yiaddr.octets());
                let ack = ask(MessageType::Request, &[(54, &us), (50, &it)]);
                assert_eq!(ack.message_type(), Some(MessageType::Ack));
                let wrong = ip(9).octets();
                let nak = ask(MessageType::Request, &[(54, &us), (50, &wrong)]);
                assert_eq!(nak.message_type(), Some(MessageType::Nak));
                ask(MessageType::Inform, &[]);
            }
        }
    }
    assert_eq!(seen, 5 * 4 * 2 * 4);
}
