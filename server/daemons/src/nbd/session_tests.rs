//! What is let through, and what is refused with which error.

use super::*;
use proptest::prelude::*;

const SIZE: u64 = 1 << 20;

fn terms() -> Terms {
    Terms {
        structured: true,
        allocation: true,
        ..Terms::new(SIZE, false)
    }
}

fn request(command: Command, flags: u16, offset: u64, len: u32) -> Request {
    Request {
        flags,
        command,
        cookie: 1,
        offset,
        len,
    }
}

/// The error of a request, and the payload that is to be thrown away.
fn refused(terms: Terms, request: Request) -> Option<(NbdError, u32)> {
    match terms.decide(&request) {
        Work::Refuse { error, payload } => Some((error, payload)),
        _ => None,
    }
}

#[test]
fn bad_requests_get_the_error_that_the_protocol_names() {
    use Command::*;
    use NbdError::*;
    let end = SIZE - 512;
    let cases = [
        ("read past the end", request(Read, 0, end, 1024), Invalid, 0),
        (
            "write past the end",
            request(Write, 0, end, 1024),
            NoSpace,
            1024,
        ),
        (
            "zeros past the end",
            request(WriteZeroes, 0, end, 1024),
            NoSpace,
            0,
        ),
        ("trim past the end", request(Trim, 0, end, 1024), Invalid, 0),
        (
            "status past the end",
            request(BlockStatus, 0, end, 1024),
            Invalid,
            0,
        ),
        (
            "an end beyond 64 bits",
            request(Write, 0, u64::MAX - 511, 1024),
            NoSpace,
            1024,
        ),
        ("an unaligned offset", request(Read, 0, 1, 512), Invalid, 0),
        (
            "an unaligned length",
            request(Write, 0, 0, 100),
            Invalid,
            100,
        ),
        (
            "a read over 32 MiB",
            request(Read, 0, 0, MAX_PAYLOAD + 512),
            Invalid,
            0,
        ),
        (
            "a write over 32 MiB",
            request(Write, 0, 0, MAX_PAYLOAD + 512),
            Invalid,
            MAX_PAYLOAD + 512,
        ),
        (
            "an unknown flag",
            request(Write, 1 << 9, 0, 512),
            Invalid,
            512,
        ),
        (
            "DF on a write",
            request(Write, flag::DF, 0, 512),
            Invalid,
            512,
        ),
        (
            "NO_HOLE on a trim",
            request(Trim, flag::NO_HOLE, 0, 512),
            Invalid,
            0,
        ),
        ("a cache request", request(Other(5), 0, 0, 512), Invalid, 0),
        (
            "an unknown command",
            request(Other(77), 0, 0, 512),
            Invalid,
            0,
        ),
        ("an empty status", request(BlockStatus, 0, 0, 0), Invalid, 0),
        (
            "zeros that take space, at once",
            request(WriteZeroes, flag::NO_HOLE | flag::FAST_ZERO, 0, 512),
            NotSupported,
            0,
        ),
    ];
    for (what, request, error, payload) in cases {
        assert_eq!(refused(terms(), request), Some((error, payload)), "{what}");
    }
    let simple = Terms::new(SIZE, false);
    for request in [
        request(Read, flag::DF, 0, 512),
        request(BlockStatus, 0, 0, 512),
    ] {
        assert_eq!(refused(simple, request), Some((Invalid, 0)), "{request:?}");
    }
    let read_only = Terms::new(SIZE, true);
    for (command, payload) in [(Write, 512), (Trim, 0), (WriteZeroes, 0)] {
        let refusal = refused(read_only, request(command, 0, 0, 512));
        assert_eq!(refusal, Some((Permission, payload)), "{command:?}");
    }
}

#[test]
fn good_requests_become_work() {
    use Command::*;
    let (offset, len) = (4096, 512);
    let decide = |command, flags| terms().decide(&request(command, flags, offset, len));
    let whole = true;
    assert_eq!(decide(Read, flag::DF), Work::Read { offset, len, whole });
    let durable = true;
    let write = Work::Write {
        offset,
        len,
        durable,
    };
    assert_eq!(decide(Write, flag::FUA), write);
    let discard = |durable| Work::Discard {
        offset,
        len,
        durable,
    };
    assert_eq!(decide(Trim, flag::FUA), discard(true));
    assert_eq!(decide(WriteZeroes, flag::FAST_ZERO), discard(false));
    let zeros = Work::WriteZeros {
        offset,
        len,
        durable: false,
    };
    assert_eq!(decide(WriteZeroes, flag::NO_HOLE), zeros);
    let one = true;
    assert_eq!(
        decide(BlockStatus, flag::REQ_ONE),
        Work::Status { offset, len, one }
    );
    assert_eq!(decide(Flush, flag::FUA), Work::Flush);
    assert_eq!(decide(Disconnect, 0), Work::Disconnect);
    for command in [Read, Write, Trim, WriteZeroes] {
        let empty = request(command, 0, SIZE, 0);
        assert_eq!(terms().decide(&empty), Work::Nothing, "{command:?}");
    }
}

#[test]
fn flags_say_what_the_disk_can() {
    let has = |terms: Terms, bit| terms.flags() & bit != 0;
    let (rw, ro) = (terms(), Terms::new(SIZE, true));
    for bit in [can::HAS_FLAGS, can::FLUSH, can::MULTI_CONN] {
        assert!(has(rw, bit) && has(ro, bit), "{bit:#x}");
    }
    for bit in [
        can::FUA,
        can::TRIM,
        can::WRITE_ZEROES,
        can::FAST_ZERO,
        can::DF,
    ] {
        assert!(has(rw, bit) && !has(ro, bit), "{bit:#x}");
    }
    assert!(has(ro, can::READ_ONLY) && !has(rw, can::READ_ONLY));
    assert_eq!(Terms::new(1_000_000, false).size, 999_936);
}

#[test]
fn errors_of_the_disk_are_told_by_the_protocols_numbers() {
    use io::ErrorKind as Kind;
    let cases = [
        (Kind::PermissionDenied, NbdError::Permission),
        (Kind::StorageFull, NbdError::NoSpace),
        (Kind::QuotaExceeded, NbdError::NoSpace),
        (Kind::OutOfMemory, NbdError::NoMemory),
        (Kind::Unsupported, NbdError::NotSupported),
        (Kind::InvalidInput, NbdError::Invalid),
        (Kind::Other, NbdError::Io),
    ];
    for (kind, error) in cases {
        assert_eq!(NbdError::of(&kind.into()), error, "{kind:?}");
    }
    assert_eq!(
        NbdError::of(&io::Error::from_raw_os_error(28)),
        NbdError::NoSpace
    );
}

proptest! {
    /// Whatever is asked, what is done stays within the disk and is whole sectors.
    #[test]
    fn no_work_leaves_the_disk(
        number in 0u16..9, flags in 0u16..64, offset in any::<u64>(), near in any::<bool>(),
        len in any::<u32>(), read_only: bool, structured: bool, allocation: bool,
    ) {
        let offset = if near { offset % (2 * SIZE) / 512 * 512 } else { offset };
        let len = if near { len % (1 << 20) / 512 * 512 } else { len };
        let mut bytes = request(Command::Read, flags, offset, len).encode();
        bytes[6..8].copy_from_slice(&number.to_be_bytes());
        let request = Request::parse(&bytes).unwrap();
        let terms = Terms { structured, allocation, ..Terms::new(SIZE, read_only) };
        let (offset, len, writes) = match terms.decide(&request) {
            Work::Read { offset, len, .. } | Work::Status { offset, len, .. } => (offset, len, false),
            Work::Write { offset, len, .. }
            | Work::Discard { offset, len, .. }
            | Work::WriteZeros { offset, len, .. } => (offset, len, true),
            _ => return Ok(()),
        };
        prop_assert!(offset + u64::from(len) <= SIZE && len > 0);
        prop_assert!(offset.is_multiple_of(512) && len.is_multiple_of(512));
        prop_assert!(!(writes && read_only));
    }
}
