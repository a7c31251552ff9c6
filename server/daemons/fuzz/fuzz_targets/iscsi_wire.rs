//! iSCSI: any 48 bytes are a header that can be read and written again.
#![no_main]

use daemons::iscsi::wire::Pdu;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((bhs, rest)) = bytes.split_first_chunk::<48>() else {
        return;
    };
    let pdu = Pdu::parse(bhs);
    // What is read of a header is all that is written of it.
    let once = pdu.encode(rest.len());
    assert_eq!(Pdu::parse(&once).encode(rest.len()), once);
});
