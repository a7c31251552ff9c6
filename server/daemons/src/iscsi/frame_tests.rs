//! The byte stream: whatever way it is cut, the frames are the same.

use super::*;
use crate::iscsi::reply::{Numbers, Reply};
use crate::iscsi::wire::{Pdu, Request};

fn nop(len: usize) -> Vec<u8> {
    let pdu = Pdu {
        immediate: true,
        lun: 0,
        itt: len as u32,
        cmd_sn: 0,
        exp_stat_sn: 0,
        request: Request::NopOut { ttt: 0 },
    };
    let mut bytes = pdu.encode(len).to_vec();
    bytes.extend(std::iter::repeat_n(0xab, len));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn frames_do_not_depend_on_how_the_stream_is_cut() {
    let stream: Vec<u8> = [0, 1, 4, 511, 8192].into_iter().flat_map(nop).collect();
    for cut in [1, 3, 47, 48, 49, 4096, 100_000] {
        let mut inbox = Inbox::new(8192);
        let mut lens = Vec::new();
        for mut part in stream.chunks(cut) {
            while !part.is_empty() {
                inbox.fill(&mut part).unwrap();
            }
            while let Some(frame) = inbox.next().unwrap() {
                assert!(inbox.bytes(&frame.data).iter().all(|b| *b == 0xab));
                lens.push(frame.data.len());
            }
        }
        assert_eq!(lens, [0, 1, 4, 511, 8192], "cut {cut}");
    }
}

#[test]
fn a_segment_longer_than_agreed_is_refused_from_its_header() {
    let mut inbox = Inbox::new(8192);
    inbox.fill(&mut &nop(8193)[..48]).unwrap();
    assert_eq!(inbox.next().err(), Some(FrameError::TooLong(8193)));
}

#[test]
fn digests_are_made_and_checked() {
    let digests = Digests {
        header: true,
        data: true,
    };
    let mut sent = Vec::new();
    let mut out = Outbox::new(&mut sent);
    out.digests = digests;
    let reply = Reply::NopIn {
        lun: 0,
        itt: 1,
        ttt: 2,
    };
    let header = reply.encode(Numbers::default(), 5);
    out.send(&header, b"hello").unwrap();
    out.flush().unwrap();
    assert_eq!(sent.len(), 48 + 4 + 8 + 4);
    for (flip, expected) in [
        (None, None),
        (Some(20), Some(FrameError::HeaderDigest)),
        (Some(53), Some(FrameError::DataDigest)),
    ] {
        let mut bytes = sent.clone();
        if let Some(at) = flip {
            bytes[at] ^= 1;
        }
        let mut inbox = Inbox::new(8192);
        inbox.digests = digests;
        inbox.fill(&mut &bytes[..]).unwrap();
        assert_eq!(inbox.next().err(), expected);
    }
    // RFC 3720 appendix B.4: 32 bytes of zeros.
    assert_eq!(
        crc32c::crc32c(&[0; 32]).to_le_bytes(),
        [0xaa, 0x36, 0x91, 0x8a]
    );
}
