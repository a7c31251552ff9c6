//! Router solicitations and the advertisement of no router (RFC 4861 sections 4.1 and 4.2). The
//! kernel makes and checks the ICMPv6 checksum.

use types::MacAddr;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION_HEADER: usize = 8;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;

/// Not a router, nothing to configure: hop limit unspecified, no DHCPv6, lifetime and timers zero.
pub const NO_ROUTER: [u8; 16] = [
    ROUTER_ADVERTISEMENT,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
];

/// Who asks for routers; None for anything but a valid solicitation that names its Ethernet address
/// (section 6.1.1).
pub fn solicitor(message: &[u8]) -> Option<MacAddr> {
    let (header, mut options) = message.split_at_checked(SOLICITATION_HEADER)?;
    if header[..2] != [ROUTER_SOLICITATION, 0] {
        return None;
    }
    let mut found = None;
    while let [kind, units, ..] = *options {
        // In units of eight bytes; an option of none would never end.
        if units == 0 {
            return None;
        }
        let (option, rest) = options.split_at_checked(usize::from(units) * 8)?;
        if kind == SOURCE_LINK_LAYER_ADDRESS {
            found = Some(MacAddr(*option.get(2..)?.first_chunk()?));
        }
        options = rest;
    }
    found.filter(|_| options.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As iPXE 1.0.0 of Debian 12 sent it in the lab.
    const SENT: [u8; 16] = [
        0x85, 0x00, 0x0e, 0x0a, 0, 0, 0, 0, 0x01, 0x01, 0x52, 0x54, 0x00, 0x77, 0x00, 0x01,
    ];
    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x77, 0, 1]);

    #[test]
    fn solicitations() {
        assert_eq!(solicitor(&SENT), Some(MAC));
        // An option before it and one behind it.
        let mut more = SENT[..8].to_vec();
        more.extend([14, 1, 0, 0, 0, 0, 0, 0]);
        more.extend(&SENT[8..]);
        more.extend([14, 2]);
        more.extend([0; 14]);
        assert_eq!(solicitor(&more), Some(MAC));
        // Without its address; another code, another message; cut; an option of no length.
        assert_eq!(solicitor(&SENT[..8]), None);
        for (at, value) in [(0, 134), (0, 135), (1, 1), (8, 7), (9, 0), (9, 2)] {
            let mut bad = SENT;
            bad[at] = value;
            assert_eq!(solicitor(&bad), None, "byte {at} is {value}");
        }
        let endless = [&SENT[..8], &[14, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(solicitor(&endless), None);
        for len in 0..SENT.len() {
            assert_eq!(solicitor(&SENT[..len]), None, "cut at {len}");
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut message = SENT[..8].to_vec();
            message.extend(tail);
            let _ = solicitor(&message);
        }
    }
}
