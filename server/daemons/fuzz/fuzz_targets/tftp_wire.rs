//! TFTP: any bytes decode without harm, and what is agreed to stays within its bounds.
#![no_main]

use daemons::tftp::{
    session::{Limits, Transfer, agree},
    wire::Packet,
};
use libfuzzer_sys::fuzz_target;

// The first byte says how long the request is; what follows the request plays the client's answers.
fuzz_target!(|input: &[u8]| {
    let Some((&len, bytes)) = input.split_first() else {
        return;
    };
    let (request, answers) = bytes.split_at(usize::from(len).min(bytes.len()));
    let Ok(packet) = Packet::decode(request) else {
        return;
    };
    let Packet::Read(request) = &packet else {
        return;
    };
    let _ = Packet::decode(&request.encode());
    let agreed = agree(request, 4000, Limits::default());
    assert!((8..=1468).contains(&agreed.blksize) && (1..=64).contains(&agreed.window));
    let (mut transfer, _) = Transfer::begin(vec![0u8; 4000].into(), agreed);
    for answer in answers.chunks(4) {
        if let Ok(packet) = Packet::decode(answer) {
            transfer.packet(&packet);
        }
        assert!(transfer.outgoing().all(|(_, block)| block.len() <= 1468));
    }
});
