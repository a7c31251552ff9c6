//! What a relay says of itself: option 82 and its sub-options (RFC 3046).

use super::wire::{Packet, code};
use std::net::Ipv4Addr;

/// Sub-option 5: an address on the link of the computer, where `giaddr` is not (RFC 3527).
const LINK_SELECTION: u8 = 5;
/// Sub-option 11: what the relay wants as server identifier, so that renewals come by it (RFC 5107).
const SERVER_ID_OVERRIDE: u8 = 11;

/// An address on the link that a relayed packet came from; None for one that no relay passed on.
pub fn link(packet: &Packet) -> Option<Ipv4Addr> {
    is_relayed(packet).then(|| suboption(packet, LINK_SELECTION).unwrap_or(packet.giaddr))
}

/// The server identifier that the relay asks for.
pub fn server_id(packet: &Packet) -> Option<Ipv4Addr> {
    let wanted = suboption(packet, SERVER_ID_OVERRIDE)?;
    is_relayed(packet).then_some(wanted)
}

fn is_relayed(packet: &Packet) -> bool {
    packet.giaddr != Ipv4Addr::UNSPECIFIED
}

/// A sub-option that holds one address; a longer, shorter or cut-off one counts as absent.
fn suboption(packet: &Packet, wanted: u8) -> Option<Ipv4Addr> {
    let information = packet.option(code::RELAY_AGENT)?;
    let mut rest = &*information;
    while let [code, len, tail @ ..] = rest {
        let (value, tail) = tail.split_at_checked(usize::from(*len))?;
        if *code == wanted {
            let octets: [u8; 4] = value.try_into().ok()?;
            return Some(octets.into()).filter(|a: &Ipv4Addr| !a.is_unspecified());
        }
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::wire::tests::sample;
    use super::*;

    const RELAY: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 30, 0, 1);

    fn relayed(giaddr: Ipv4Addr, information: Option<&[u8]>) -> Packet {
        let mut p = sample();
        p.giaddr = giaddr;
        p.items.clear();
        if let Some(information) = information {
            p.push(code::RELAY_AGENT, information);
        }
        p
    }

    #[test]
    fn the_link_is_the_relays_unless_it_names_another() {
        let circuit = [1, 2, 7, 7];
        let selected = [&circuit[..], &[5, 4, 10, 30, 0, 1]].concat();
        for (information, want) in [
            (None, RELAY),
            (Some(&circuit[..]), RELAY),
            (Some(&selected), OTHER),
            // Too short, too long, cut off, nowhere.
            (Some(&[5, 3, 10, 30, 0]), RELAY),
            (Some(&[5, 5, 10, 30, 0, 1, 1]), RELAY),
            (Some(&[5, 4, 10, 30, 0]), RELAY),
            (Some(&[5]), RELAY),
            (Some(&[]), RELAY),
            (Some(&[5, 4, 0, 0, 0, 0]), RELAY),
            // Inside of another one.
            (Some(&[1, 6, 5, 4, 10, 30, 0, 1]), RELAY),
        ] {
            let packet = relayed(RELAY, information);
            assert_eq!(link(&packet), Some(want), "{information:?}");
        }
        // A computer that says so of itself is not believed.
        let forged = relayed(Ipv4Addr::UNSPECIFIED, Some(&selected));
        assert_eq!(link(&forged), None);
    }

    #[test]
    fn only_a_relay_may_ask_for_another_server_identifier() {
        let wanted = [11, 4, 10, 20, 0, 1];
        assert_eq!(server_id(&relayed(RELAY, Some(&wanted))), Some(RELAY));
        assert_eq!(server_id(&relayed(RELAY, None)), None);
        let forged = relayed(Ipv4Addr::UNSPECIFIED, Some(&wanted));
        assert_eq!(server_id(&forged), None);
    }
}
