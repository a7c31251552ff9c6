//! Bytes as the protocol's document has them, and bytes as it does not.

use super::*;
use crate::nbd::testing::{info, meta};
use proptest::prelude::*;

#[test]
fn the_greeting_is_that_of_fixed_newstyle() {
    assert_eq!(&greeting(), b"NBDMAGICIHAVEOPT\0\x03");
}

#[test]
fn only_clients_of_fixed_newstyle_are_let_in() {
    let parse = |flags: u32| ClientFlags::parse(flags.to_be_bytes());
    assert_eq!(parse(1), Ok(ClientFlags { no_zeroes: false }));
    assert_eq!(parse(3), Ok(ClientFlags { no_zeroes: true }));
    for flags in [0, 2, 4, 5, 7, 0x1_0001, u32::MAX] {
        assert_eq!(parse(flags), Err(WireError::ClientFlags(flags)));
    }
}

#[test]
fn an_option_begins_with_its_magic() {
    let go = b"IHAVEOPT\0\0\0\x07\0\0\x10\0";
    let header = OptionHeader {
        option: option::GO,
        len: 4096,
    };
    assert_eq!(OptionHeader::parse(go), Ok(header));
    let http = b"GET / HTTP/1.1\r\n";
    assert!(matches!(
        OptionHeader::parse(http),
        Err(WireError::OptionMagic(_))
    ));
}

#[test]
fn well_formed_data_is_read() {
    assert_eq!(
        InfoRequest::parse(&info("pc-1", &[3, 9])),
        Some(InfoRequest {
            name: "pc-1",
            wanted: vec![3, 9]
        })
    );
    assert_eq!(
        MetaRequest::parse(&meta("", &["base:allocation", "x"])),
        Some(MetaRequest {
            name: "",
            queries: vec!["base:allocation", "x"]
        })
    );
    assert_eq!(export_name(b"pc-1"), Some("pc-1"));
    assert_eq!(export_name(b""), Some(""));
}

#[test]
fn malformed_data_is_refused() {
    let long = "x".repeat(MAX_STRING + 1);
    let cases: [(&str, Vec<u8>); 9] = [
        ("nothing", vec![]),
        ("half a length", vec![0, 0]),
        (
            "a name longer than the data",
            info("pc-1", &[])[..6].to_vec(),
        ),
        ("a length near 4 GiB", vec![0xff, 0xff, 0xff, 0xff, 1]),
        ("a byte too many", [info("pc-1", &[3]), vec![0]].concat()),
        ("no UTF-8", vec![0, 0, 0, 1, 0xff, 0, 0]),
        ("a NUL in the name", info("a\0b", &[])),
        ("a name beyond 4096 bytes", info(&long, &[])),
        ("a count beyond the data", {
            let mut data = info("pc-1", &[]);
            let at = data.len() - 2;
            data[at..].copy_from_slice(&[0xff, 0xff]);
            data
        }),
    ];
    for (what, data) in cases {
        assert_eq!(InfoRequest::parse(&data), None, "{what}");
    }
    let good = meta("pc-1", &["base:allocation"]);
    for len in 0..good.len() {
        assert_eq!(MetaRequest::parse(&good[..len]), None, "cut at {len}");
    }
    let mut many = meta("pc-1", &[]);
    let at = many.len() - 4;
    many[at..].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(MetaRequest::parse(&many), None);
    assert_eq!(export_name(b"a\0"), None);
    assert_eq!(export_name(long.as_bytes()), None);
}

#[test]
fn a_request_is_28_bytes() {
    let bytes = *b"\x25\x60\x95\x13\0\x01\0\x01COOKIE!!\0\0\0\0\0\0\x10\0\0\0\x02\0";
    let request = Request {
        flags: flag::FUA,
        command: Command::Write,
        cookie: u64::from_be_bytes(*b"COOKIE!!"),
        offset: 4096,
        len: 512,
    };
    assert_eq!(Request::parse(&bytes), Ok(request));
    assert_eq!(request.encode(), bytes);
    assert_eq!(
        Request::parse(&[0; REQUEST_LEN]),
        Err(WireError::RequestMagic(0))
    );
}

#[test]
fn replies_are_to_the_letter() {
    let mut out = Vec::new();
    put_answer(&mut out, option::GO, answer::POLICY, &[b"no", b"!"]);
    assert_eq!(
        out,
        b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\x80\0\0\x02\0\0\0\x03no!"
    );
    assert_eq!(
        &simple_reply(Some(NbdError::NoSpace), 7),
        b"\x67\x44\x66\x98\0\0\0\x1c\0\0\0\0\0\0\0\x07"
    );
    assert_eq!(
        &chunk(ChunkKind::ErrorOffset, true, 7, 14),
        b"\x66\x8e\x33\xef\0\x01\x80\x02\0\0\0\0\0\0\0\x07\0\0\0\x0e"
    );
    assert_eq!(
        &chunk(ChunkKind::OffsetHole, false, 7, 12)[4..8],
        b"\0\0\0\x02"
    );
}

proptest! {
    #[test]
    fn no_bytes_panic_and_what_is_read_is_written_again(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        head in any::<[u8; REQUEST_LEN]>(),
    ) {
        let _ = (InfoRequest::parse(&bytes), MetaRequest::parse(&bytes), export_name(&bytes));
        if let Some(header) = bytes.first_chunk() {
            let _ = OptionHeader::parse(header);
        }
        let mut head = head;
        head[..4].copy_from_slice(&REQUEST.to_be_bytes());
        let request = Request::parse(&head).unwrap();
        prop_assert_eq!(request.encode(), head);
    }

    #[test]
    fn what_is_well_formed_is_read_back(
        name in "[a-z0-9-]{0,40}",
        queries in proptest::collection::vec("[a-z:]{0,20}", 0..5),
        wanted in proptest::collection::vec(any::<u16>(), 0..9),
    ) {
        let data = info(&name, &wanted);
        prop_assert_eq!(InfoRequest::parse(&data), Some(InfoRequest { name: &name, wanted }));
        let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
        let data = meta(&name, &queries);
        prop_assert_eq!(MetaRequest::parse(&data), Some(MetaRequest { name: &name, queries }));
    }
}
