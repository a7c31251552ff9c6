//! NBD: any bytes are options and requests that can be read, and no request leads beyond the disk.
#![no_main]

use daemons::nbd::{
    session::{Terms, Work},
    wire::{InfoRequest, MetaRequest, OptionHeader, Request, export_name},
};
use libfuzzer_sys::fuzz_target;

const SIZE: u64 = 1 << 30;

fuzz_target!(|bytes: &[u8]| {
    let _ = (InfoRequest::parse(bytes), export_name(bytes));
    if let Some(request) = MetaRequest::parse(bytes) {
        assert!(request.queries.len() <= bytes.len());
    }
    if let Some(header) = bytes.first_chunk() {
        let _ = OptionHeader::parse(header);
    }
    // The magic is ours: nobody would hit upon it for long.
    let Some((fields, [modes, ..])) = bytes.split_first_chunk::<24>() else {
        return;
    };
    let mut head = [0; 28];
    head[..4].copy_from_slice(&0x2560_9513u32.to_be_bytes());
    head[4..].copy_from_slice(fields);
    let request = Request::parse(&head).expect("it has the magic");
    assert_eq!(request.encode(), head);
    let terms = Terms {
        structured: modes & 1 != 0,
        allocation: modes & 2 != 0,
        ..Terms::new(SIZE, modes & 4 != 0)
    };
    match terms.decide(&request) {
        Work::Read { offset, len, .. }
        | Work::Status { offset, len, .. }
        | Work::Write { offset, len, .. }
        | Work::Discard { offset, len, .. }
        | Work::WriteZeros { offset, len, .. } => {
            assert!(len > 0 && offset + u64::from(len) <= SIZE);
            assert!(offset % 512 == 0 && len % 512 == 0);
        }
        Work::Refuse { payload, .. } => assert!(payload == 0 || payload == request.len),
        Work::Flush | Work::Nothing | Work::Disconnect => {}
    }
});
