//! DHCP: any bytes decode without harm and encode to the same bytes.
#![no_main]

use daemons::dhcp::wire::Packet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = Packet::decode(bytes) else {
        return;
    };
    assert_eq!(packet.encode(), bytes);
    for code in 0..=255 {
        let _ = (packet.option(code), packet.address(code), packet.u32(code));
    }
    let _ = (packet.message_type(), packet.mac(), format!("{packet:?}"));
    let reply = Packet::reply_to(&packet).encode_padded();
    assert!(Packet::decode(&reply).is_ok());
});
