//! What packets and answers tell the boots: what boots does, and who took whose address; nothing else.

use super::*;

/// Its REQUEST for that address, to that server.
fn taking(n: u8, server: Ipv4Addr, address: Ipv4Addr, more: &[(u8, &[u8])]) -> Packet {
    let (server, address) = (server.octets(), address.octets());
    let named: [(u8, &[u8]); 2] = [(54, &server), (50, &address)];
    packet(MessageType::Request, n, &[&named, more].concat())
}

fn sent(lab: &mut Lab, packet: &Packet) -> Option<Signal> {
    lab.answer(packet).sent
}

#[test]
fn a_boot_is_told_step_by_step() {
    let mut lab = Lab::new();
    let firmware = Firmware::BiosPxe;
    let discover = packet(MessageType::Discover, 1, &[PXE]);
    assert_eq!(
        lab.decide(&discover, false).seen,
        [Signal::Discover { firmware }]
    );
    let address = ip(100);
    assert_eq!(sent(&mut lab, &discover), Some(Signal::Offer { address }));
    let request = taking(1, US, address, &[PXE]);
    assert_eq!(
        lab.decide(&request, false).seen,
        [],
        "it takes what is ours"
    );
    let ack = Signal::Ack { address, firmware };
    assert_eq!(sent(&mut lab, &request), Some(ack));
    let Some(Signal::NoAddress { cause }) = sent(&mut lab, &taking(1, US, ip(102), &[PXE])) else {
        panic!("a boot that is refused its address");
    };
    assert_eq!(cause.code, "dhcp_nak");
    assert!(!cause.title.is_empty() && !cause.hint.is_empty());
}

#[test]
fn of_a_system_only_the_address_is_told() {
    let mut lab = Lab::new();
    let class: (u8, &[u8]) = (60, b"MSFT 5.0");
    let discover = packet(MessageType::Discover, 1, &[class]);
    assert_eq!(lab.decide(&discover, false).seen, []);
    assert_eq!(sent(&mut lab, &discover), None);
    let address = ip(100);
    let request = taking(1, US, address, &[class]);
    assert_eq!(lab.decide(&request, false).seen, []);
    let firmware = Firmware::Other;
    let ack = Signal::Ack { address, firmware };
    assert_eq!(sent(&mut lab, &request), Some(ack));
    for n in 2..=4 {
        let decision = lab.decide(&packet(MessageType::Discover, n, &[class]), false);
        assert_eq!(decision.seen, [], "also when every address is in use");
    }
}

#[test]
fn who_took_another_servers_address_is_told() {
    let mut lab = Lab::new();
    let (server, address) = (ip(9), ip(50));
    let firmware = Firmware::BiosPxe;
    let took = Signal::TookOther {
        server,
        address,
        firmware,
    };
    let request = taking(1, server, address, &[PXE]);
    assert_eq!(lab.decide(&request, false).seen, [took]);
    // Only a REQUEST takes anything.
    let (named, wanted) = (server.octets(), address.octets());
    let odd = packet(
        MessageType::Discover,
        1,
        &[PXE, (54, &named), (50, &wanted)],
    );
    assert_eq!(
        lab.decide(&odd, false).seen,
        [Signal::Discover { firmware }]
    );
    // The name that a relay gives us is ours.
    lab.settings.server_id = server;
    assert_eq!(lab.decide(&request, false).seen, []);
}
