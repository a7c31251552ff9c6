//! TFTP: any bytes decode without harm, and what is agreed to stays within its bounds.
#![no_main]

use daemons::tftp::{
    session::{Transfer, agree},
    wire::Packet,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = Packet::decode(bytes) else {
        return;
    };
    let Packet::Read(request) = &packet else {
        return;
    };
    let _ = Packet::decode(&request.encode());
    let agreed = agree(request, 4000);
    assert!((8..=1468).contains(&agreed.blksize) && (1..=64).contains(&agreed.window));
    let (mut transfer, _) = Transfer::begin(vec![0u8; 4000].into(), agreed);
    // What follows the request plays the client's answers.
    for answer in bytes.chunks(4) {
        if let Ok(packet) = Packet::decode(answer) {
            transfer.packet(&packet);
        }
        assert!(transfer.outgoing().all(|(_, block)| block.len() <= 1468));
    }
});
