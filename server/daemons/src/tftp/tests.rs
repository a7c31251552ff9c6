//! Packets as firmware sends them, transfers over a bad line, and bytes that are no packets.

use super::{
    session::{Limits, Step, Transfer, agree},
    wire::{self, Mode, Packet, Request},
};
use proptest::prelude::*;
use std::sync::Arc;

fn read(options: &[(&str, &str)]) -> Request {
    let options = options
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    Request {
        file: b"undionly.kpxe".to_vec(),
        mode: Mode::Octet,
        options,
    }
}

/// What a client receives when one in so many packets, either way, is lost.
fn receive(data: &[u8], options: &[(&str, &str)], lose_every: usize) -> Vec<u8> {
    let agreed = agree(&read(options), data.len() as u64, Limits::default());
    let (blksize, window) = (agreed.blksize as usize, agreed.window);
    let (mut t, mut step) = Transfer::begin(data.into(), agreed);
    let (mut got, mut next, mut in_window, mut state) =
        (Vec::new(), 1u16, 0, 88_172_645_463_325_252u64);
    // By a reproducible dice: a strict rhythm could lose the same packet for ever.
    let mut lost = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        lose_every > 0 && state % lose_every as u64 == 0
    };
    for _ in 0..1_000_000 {
        let mut answers = Vec::new();
        match &step {
            Step::OptionAck if !lost() => answers.push(0),
            Step::Blocks => {
                let blocks: Vec<(u16, Vec<u8>)> =
                    t.outgoing().map(|(n, b)| (n, b.to_vec())).collect();
                let mut gap = false;
                for (n, bytes) in blocks {
                    if lost() {
                        gap = true;
                        continue;
                    }
                    if n != next {
                        gap = true; // out of turn or known: say again what is here
                        continue;
                    }
                    let last = bytes.len() < blksize;
                    got.extend_from_slice(&bytes);
                    next = next.wrapping_add(1);
                    in_window += 1;
                    if last || in_window == window {
                        answers.push(n);
                        in_window = 0;
                    }
                }
                if gap {
                    answers.push(next.wrapping_sub(1));
                    in_window = 0;
                }
            }
            Step::Done => return got,
            Step::Failed(why) => panic!("{why}"),
            _ => {}
        }
        step = Step::Wait;
        for a in answers {
            if !lost() {
                step = t.packet(&Packet::Ack(a));
            }
        }
        if step == Step::Wait {
            step = t.silence();
        }
    }
    panic!("the transfer never ended")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 512) as u8).collect()
}

#[test]
fn files_arrive_whole_at_every_size_and_window() {
    for len in [0, 1, 511, 512, 513, 1468, 2936, 100_000] {
        for options in [
            &[][..],
            &[("blksize", "1468")],
            &[("blksize", "1024"), ("windowsize", "4")],
            &[("windowsize", "64"), ("tsize", "0")],
        ] {
            assert!(
                receive(&pattern(len), options, 0) == pattern(len),
                "{len} {options:?}"
            );
        }
    }
}

#[test]
fn block_numbers_wrap() {
    let data = pattern(70_000 * 8);
    assert!(receive(&data, &[("blksize", "8")], 0) == data);
    assert!(receive(&data, &[("blksize", "8"), ("windowsize", "16")], 0) == data);
}

#[test]
fn a_lossy_line_corrupts_nothing() {
    for every in [12, 30, 100] {
        for options in [
            &[("blksize", "512")][..],
            &[("blksize", "1468"), ("windowsize", "8")],
        ] {
            assert!(
                receive(&pattern(60_000), options, every) == pattern(60_000),
                "every {every}, {options:?}"
            );
        }
    }
}

#[test]
fn options_are_answered_only_when_asked_and_never_raised() {
    for (asked, answers) in [
        (vec![], vec![]),
        (vec![("tsize", "0")], vec![("tsize", 5000)]),
        (vec![("blksize", "65464")], vec![("blksize", 1468)]),
        (
            vec![("blksize", "1024"), ("tsize", "0")],
            vec![("blksize", 1024), ("tsize", 5000)],
        ),
        (vec![("BLKSIZE", "8")], vec![]), // names reach us in lower case
        (vec![("blksize", "7")], vec![]),
        (vec![("blksize", "65465")], vec![]),
        (vec![("blksize", "-1")], vec![]),
        (vec![("blksize", "99999999999999999999")], vec![]),
        (vec![("windowsize", "0")], vec![]),
        (vec![("windowsize", "4000")], vec![("windowsize", 64)]),
        (vec![("timeout", "3")], vec![("timeout", 3)]),
        (vec![("timeout", "0"), ("timeout", "256")], vec![]),
        (vec![("multicast", "")], vec![]),
        (
            vec![("blksize", "600"), ("blksize", "700")],
            vec![("blksize", 600)],
        ),
    ] {
        assert_eq!(
            agree(&read(&asked), 5000, Limits::default()).answers,
            answers,
            "{asked:?}"
        );
    }
}

#[test]
fn a_size_probe_is_no_failure_and_duplicates_make_no_storm() {
    let begin = |options: &[(&str, &str)]| {
        Transfer::begin(
            pattern(5000).into(),
            agree(&read(options), 5000, Limits::default()),
        )
    };
    let (mut t, step) = begin(&[("tsize", "0")]);
    assert_eq!(step, Step::OptionAck);
    assert_eq!(
        t.packet(&Packet::Error(8, "User aborted the transfer".into())),
        Step::Probed
    );

    let (mut t, _) = begin(&[]);
    assert_eq!(t.packet(&Packet::Ack(1)), Step::Blocks);
    for _ in 0..10 {
        assert_eq!(
            t.packet(&Packet::Ack(1)),
            Step::Wait,
            "a duplicate ACK was answered"
        );
        assert_eq!(
            t.packet(&Packet::Ack(9)),
            Step::Wait,
            "an ACK from the future was taken"
        );
    }
    assert!(matches!(
        t.packet(&Packet::Error(3, "disk full".into())),
        Step::Failed(_)
    ));

    let (mut t, _) = begin(&[]);
    let repeats = (0..20).take_while(|_| t.silence() == Step::Blocks).count();
    assert_eq!(repeats, 5, "a silent peer is given up");
}

#[test]
fn a_closed_port_means_something_else_at_each_stage() {
    let data = pattern(1200);
    let begin = |options: &[(&str, &str)]| {
        Transfer::begin(
            data.as_slice().into(),
            agree(&read(options), 1200, Limits::default()),
        )
        .0
    };
    assert_eq!(begin(&[("tsize", "0")]).closed(), Step::Probed);
    let mut t = begin(&[]);
    assert_eq!(t.closed(), Step::Probed, "nothing was taken yet");
    t.packet(&Packet::Ack(1));
    assert!(
        matches!(t.closed(), Step::Left(why) if why.contains("512 of 1200")),
        "a machine that went off half way is no probe"
    );
    t.packet(&Packet::Ack(2));
    assert_eq!(t.closed(), Step::Done, "only the last ACK was lost");
}

#[test]
fn requests_as_firmware_sends_them() {
    // iPXE 2019 in QEMU, and Intel's BIOS ROM; the second pads with zeros.
    let ipxe = b"\0\x01undionly.kpxe\0octet\0blksize\x001432\0tsize\x000\0";
    let intel = b"\0\x01undionly.kpxe\0octet\0tsize\x000\0\0\0\0\0";
    assert_eq!(
        Packet::decode(ipxe),
        Ok(Packet::Read(read(&[("blksize", "1432"), ("tsize", "0")])))
    );
    assert_eq!(
        Packet::decode(intel),
        Ok(Packet::Read(read(&[("tsize", "0")])))
    );
    assert_eq!(read(&[("blksize", "1432"), ("tsize", "0")]).encode(), ipxe);
    assert_eq!(
        wire::option_ack(&[("blksize", 1432), ("tsize", 70000)]),
        b"\0\x06blksize\x001432\0tsize\x0070000\0"
    );
    assert_eq!(
        wire::error(1, "no such file"),
        b"\0\x05\0\x01no such file\0"
    );
}

#[test]
fn bytes_that_are_no_packet_are_refused() {
    for bad in [
        &b""[..],
        b"\0",
        b"\0\x01",
        b"\0\x01file",
        b"\0\x01file\0",
        b"\0\x01file\0octet",
        b"\0\0",
        b"\0\x07",
        b"\xff\xff",
        b"\0\x04",
        b"\0\x04\0",
        b"\0\x05",
    ] {
        assert!(Packet::decode(bad).is_err(), "{bad:?}");
    }
    assert!(Packet::decode(&[b"\0\x01".as_slice(), &[b'a'; 600], b"\0octet\0"].concat()).is_err());
}

#[test]
fn a_quarter_of_a_million_broken_packets_break_nothing() {
    let seeds = [
        read(&[("blksize", "1432"), ("windowsize", "4"), ("tsize", "0")]).encode(),
        wire::error(8, "x"),
        vec![0, 4, 0, 1],
    ];
    let mut state = 0x1234_5678_9abc_def1u64;
    let mut roll = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % n
    };
    let (mut transfer, _) = Transfer::begin(
        Arc::from(pattern(4000)),
        agree(&read(&[("windowsize", "4")]), 4000, Limits::default()),
    );
    for _ in 0..250_000 {
        let mut bytes = seeds[roll(seeds.len())].clone();
        for _ in 0..1 + roll(6) {
            match roll(3) {
                0 => bytes.truncate(roll(bytes.len() + 1)),
                1 => bytes.push(roll(256) as u8),
                _ if bytes.is_empty() => {}
                _ => {
                    let at = roll(bytes.len());
                    bytes[at] = roll(256) as u8;
                }
            }
        }
        if let Ok(packet) = Packet::decode(&bytes) {
            if let Packet::Read(request) = &packet {
                let agreed = agree(request, 4000, Limits::default());
                assert!((8..=1468).contains(&agreed.blksize) && (1..=64).contains(&agreed.window));
            }
            transfer.packet(&packet);
            assert!(transfer.outgoing().all(|(_, b)| b.len() <= 512));
        }
    }
}

proptest! {
    #[test]
    fn a_request_survives_the_wire(file in "[ -~]{0,80}", options in prop::collection::vec(("[a-z]{1,12}", "[0-9a-z]{0,8}"), 0..6)) {
        let request = Request { file: file.into_bytes(), mode: Mode::Octet, options };
        prop_assert_eq!(Packet::decode(&request.encode()), Ok(Packet::Read(request)));
    }
}

/// What firmware sent in the lab, as hex, beside what it says.
#[test]
fn captured_packets_read_as_expected() {
    let seen = crate::captures::compare("src/tftp/captures", |bytes| {
        format!("{:?}\n", Packet::decode(bytes).expect("a TFTP packet"))
    });
    assert!(seen >= 3, "only {seen} captures found");
}

#[test]
fn a_computer_that_can_take_less_is_agreed_less() {
    let asked = read(&[("blksize", "1468"), ("windowsize", "16")]);
    let limits = Limits {
        block: 1024,
        window: 1,
    };
    let agreed = agree(&asked, 5000, limits);
    assert_eq!(agreed.answers, [("blksize", 1024), ("windowsize", 1)]);
    // It never gets more than it asked for.
    let asked = read(&[("blksize", "600")]);
    assert_eq!(agree(&asked, 5000, limits).answers, [("blksize", 600)]);
}
