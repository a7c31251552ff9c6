//! Whole talks, option by option.

use super::*;
use crate::nbd::testing::{info as info_data, meta as meta_data};
use engine::export::BlockDevice;
use proptest::prelude::*;
use std::{io, sync::Arc};
use wire::can;

/// A disk of 1 MiB that nobody reads.
struct Unread;

impl BlockDevice for Unread {
    fn size_bytes(&self) -> u64 {
        1 << 20
    }
    fn read_only(&self) -> bool {
        false
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
    fn extents(&self, _: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        Ok(vec![(len, true)])
    }
}

/// pc-1 may open its own disk; there is a pc-2, too.
struct One;

impl Names for One {
    fn find(&self, name: &str) -> Result<Found, Refusal> {
        match name {
            "" | "pc-1" => Ok(Found {
                name: "pc-1".into(),
                export: Export {
                    target: "iqn.t".into(),
                    lun: 0,
                    serial: "S1".into(),
                    naa: 0x3000_0000_0000_0001,
                    device: Arc::new(Unread),
                    data: Vec::new(),
                    chap: None,
                    initiator: None,
                },
            }),
            "pc-2" => Err(Refusal::NotYours),
            _ => Err(Refusal::NoSuchName),
        }
    }

    fn list(&self) -> Vec<String> {
        vec!["pc-1".into()]
    }
}

/// A talk with a client that wants the zeros.
fn talk() -> Handshake {
    Handshake::new(ClientFlags { no_zeroes: false })
}

/// The answers of one option: their types and data.
fn answers(option: u32, bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let field = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
        assert_eq!(field(8), option);
        let end = 20 + field(16) as usize;
        all.push((field(12), rest[20..end].to_vec()));
        rest = &rest[end..];
    }
    all
}

fn kinds(option: u32, answer: &Answer) -> Vec<u32> {
    let all = answers(option, &answer.bytes);
    all.iter().map(|(kind, _)| *kind).collect()
}

fn entry(answer: Answer) -> Entry {
    match answer.next {
        Next::Enter(entry) => *entry,
        _ => panic!("it does not enter"),
    }
}

#[test]
fn unknown_options_are_unsupported_and_the_talk_goes_on() {
    let mut talk = talk();
    // PEEK_EXPORT, STARTTLS, EXTENDED_HEADERS, and what nobody has thought of.
    for option in [0, 4, 5, 11, 77, u32::MAX] {
        let answer = talk.on_option(option, b"whatever", &One);
        assert_eq!(kinds(option, &answer), [answer::UNSUPPORTED]);
        assert!(matches!(answer.next, Next::Option) && answer.refused.is_none());
    }
    let go = talk.on_option(option::GO, &info_data("pc-1", &[]), &One);
    assert_eq!(entry(go).terms.size, 1 << 20);
}

#[test]
fn malformed_options_are_invalid_and_the_talk_goes_on() {
    let mut talk = talk();
    let cut = &info_data("pc-1", &[3])[..9];
    let cases: [(u32, &[u8]); 6] = [
        (option::LIST, b"x"),
        (option::INFO, cut),
        (option::GO, b""),
        (option::STRUCTURED_REPLY, b"x"),
        (option::LIST_META_CONTEXT, cut),
        // Well-formed, but structured replies were not agreed on.
        (
            option::SET_META_CONTEXT,
            &meta_data("pc-1", &["base:allocation"]),
        ),
    ];
    for (option, data) in cases {
        let answer = talk.on_option(option, data, &One);
        assert_eq!(kinds(option, &answer), [answer::INVALID], "{option}");
        assert!(matches!(answer.next, Next::Option));
    }
    let long = talk.on_too_long(option::GO);
    assert_eq!(kinds(option::GO, &long), [answer::TOO_BIG]);
    assert!(matches!(long.next, Next::Option));
    assert!(matches!(
        talk.on_too_long(option::EXPORT_NAME).next,
        Next::Close
    ));
}

#[test]
fn go_tells_what_is_asked_and_always_the_block_sizes() {
    let data = info_data("", &[info::NAME, info::DESCRIPTION, 99]);
    let told = talk().on_option(option::INFO, &data, &One);
    assert!(matches!(told.next, Next::Option));
    let told = answers(option::INFO, &told.bytes);
    let expected: [(u32, &[u8]); 5] = [
        (answer::INFO, b"\0\0\0\0\0\0\0\x10\0\0\x09\x6d"),
        (answer::INFO, b"\0\x03\0\0\x02\0\0\0\x10\0\x02\0\0\0"),
        (answer::INFO, b"\0\x01pc-1"),
        (answer::INFO, b"\0\x02the NSBoot disk of pc-1"),
        (answer::ACK, b""),
    ];
    assert_eq!(told.len(), expected.len());
    for ((kind, data), expected) in told.iter().zip(expected) {
        assert_eq!((*kind, data.as_slice()), expected);
    }
    let go = entry(talk().on_option(option::GO, &data, &One));
    assert_eq!(answers(option::GO, &go.accepted), told);
    assert!(!go.terms.structured && !go.terms.allocation);
    // Withdrawn at the last moment: the talk may go on.
    let late = go.refused(Refusal::NoSuchTarget).unwrap();
    assert_eq!(answers(option::GO, &late)[0].0, answer::UNKNOWN);
    let crowded = go.refused(Refusal::Crowded).unwrap();
    let (kind, text) = &answers(option::GO, &crowded)[0];
    assert_eq!(*kind, answer::POLICY);
    let most = engine::export::MOST_CONNECTIONS.to_string();
    assert!(String::from_utf8_lossy(text).contains(&most), "{text:?}");
}

#[test]
fn the_oldest_way_in_sends_zeros_unless_they_are_not_wanted() {
    let go = entry(talk().on_option(option::EXPORT_NAME, b"pc-1", &One));
    assert_eq!(go.accepted.len(), 8 + 2 + 124);
    assert_eq!(go.accepted[..8], (1u64 << 20).to_be_bytes());
    assert!(go.refused(Refusal::Busy).is_none(), "it knows no error");
    let mut short = Handshake::new(ClientFlags { no_zeroes: true });
    let go = entry(short.on_option(option::EXPORT_NAME, b"", &One));
    assert_eq!(go.accepted.len(), 8 + 2);
    for name in [&b"pc-2"[..], b"pc-3", b"\xff"] {
        let answer = talk().on_option(option::EXPORT_NAME, name, &One);
        assert!(matches!(answer.next, Next::Close) && answer.bytes.is_empty());
    }
}

#[test]
fn only_ones_own_disk_is_shown_and_opened() {
    let mut talk = talk();
    let list = talk.on_option(option::LIST, b"", &One);
    let expected = vec![
        (answer::SERVER, b"\0\0\0\x04pc-1".to_vec()),
        (answer::ACK, Vec::new()),
    ];
    assert_eq!(answers(option::LIST, &list.bytes), expected);
    talk.on_option(option::STRUCTURED_REPLY, b"", &One);
    for (name, kind, why) in [
        ("pc-2", answer::POLICY, Refusal::NotYours),
        ("pc-3", answer::UNKNOWN, Refusal::NoSuchName),
    ] {
        let (info, meta) = (info_data(name, &[]), meta_data(name, &[]));
        for (option, data) in [
            (option::GO, &info),
            (option::INFO, &info),
            (option::LIST_META_CONTEXT, &meta),
            (option::SET_META_CONTEXT, &meta),
        ] {
            let answer = talk.on_option(option, data, &One);
            assert_eq!(kinds(option, &answer), [kind], "{name}");
            assert_eq!(answer.refused, Some((name.to_owned(), why)));
            assert!(matches!(answer.next, Next::Option));
        }
    }
}

#[test]
fn the_context_counts_for_the_export_that_it_was_chosen_for_until_chosen_anew() {
    let mut talk = talk();
    let structured = talk.on_option(option::STRUCTURED_REPLY, b"", &One);
    assert_eq!(kinds(option::STRUCTURED_REPLY, &structured), [answer::ACK]);
    for (queries, listed, chosen) in [
        (&[][..], 1, 0),
        (&["base:"][..], 1, 0),
        (&["base:allocation"][..], 1, 1),
        (&["qemu:dirty-bitmap:x", "base:allocation"][..], 1, 1),
        (&["base:alloc"][..], 0, 0),
    ] {
        let data = meta_data("pc-1", queries);
        for (option, count) in [
            (option::LIST_META_CONTEXT, listed),
            (option::SET_META_CONTEXT, chosen),
        ] {
            let answer = talk.on_option(option, &data, &One);
            let kinds = kinds(option, &answer);
            let contexts = kinds.iter().filter(|k| **k == answer::META_CONTEXT);
            assert_eq!(contexts.count(), count, "{option} {queries:?}");
            assert_eq!(kinds.last(), Some(&answer::ACK));
        }
        let go = entry(talk.on_option(option::GO, &info_data("", &[]), &One));
        assert_eq!(go.terms.allocation, chosen == 1, "{queries:?}");
        assert!(go.terms.structured && go.terms.flags() & can::DF != 0);
    }
    let chosen = meta_data("pc-1", &["base:allocation"]);
    talk.on_option(option::SET_META_CONTEXT, &chosen, &One);
    talk.on_option(option::SET_META_CONTEXT, b"malformed", &One);
    let go = entry(talk.on_option(option::GO, &info_data("", &[]), &One));
    assert!(!go.terms.allocation, "what fails takes the old one away");
}

#[test]
fn a_client_that_goes_or_never_comes_to_an_end_is_closed() {
    let answer = talk().on_option(option::ABORT, b"", &One);
    assert_eq!(kinds(option::ABORT, &answer), [answer::ACK]);
    assert!(matches!(answer.next, Next::Close));
    let mut talk = talk();
    let mut asked = 0;
    while let Next::Option = talk.on_option(option::LIST, b"", &One).next {
        asked += 1;
    }
    assert_eq!(asked, MAX_OPTIONS);
}

proptest! {
    #[test]
    fn no_options_panic_and_every_answer_is_well_formed(
        options in proptest::collection::vec(
            (0u32..13, proptest::collection::vec(any::<u8>(), 0..60)), 0..20),
    ) {
        let mut talk = talk();
        for (option, data) in options {
            let answer = talk.on_option(option, &data, &One);
            let all = answers(option, &answer.bytes);
            prop_assert!(all.iter().all(|(kind, _)| *kind != 0));
        }
    }
}
