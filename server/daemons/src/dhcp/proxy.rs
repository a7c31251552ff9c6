//! Boot information without addresses: beside another DHCP server on port 67 (PXE 2.1 section 2.2.3),
//! and on port 4011, where firmware asks what to load once it has an address (section 2.2.4). Pure.

use super::{
    facts, forms,
    reply::{Answer, Destination, Settings, destination, echo},
    session::{self, Arrival, BootAdvisor, Decision, Outcome},
    wire::{MessageType, Packet, code},
};
use engine::boot::{Advice, BootFile, Firmware, Form, Machine, Signal};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

/// Decides about a packet that came to port 67 where another server hands out the addresses.
pub fn decide(arrival: Arrival<'_>, settings: &Settings, advisor: &dyn BootAdvisor) -> Decision {
    let packet = arrival.packet;
    let Some(machine) = facts::machine(packet).filter(|_| packet.op == 1) else {
        return Decision::silent(None, "not a request, or no usable Ethernet address");
    };
    match packet.message_type() {
        Some(MessageType::Discover) => {
            let (seen, outcome) = discover(arrival, &machine, settings, advisor);
            Decision {
                machine: Some(machine),
                seen,
                heard: None,
                outcome,
            }
        }
        Some(MessageType::Request) => Decision {
            seen: session::took_other(packet, &machine, settings.server),
            heard: taken(packet),
            machine: Some(machine),
            outcome: Outcome::Silent("another server's address is asked for"),
        },
        _ => Decision::silent(Some(machine), "nothing that a proxy answers"),
    }
}

/// The address that a REQUEST is sure of: one that a server offered it just now, or that it has. One
/// that it only remembers (INIT-REBOOT) may be another computer's by now.
fn taken(packet: &Packet) -> Option<Ipv4Addr> {
    match packet.address(code::SERVER_ID) {
        Some(_) => packet.address(code::REQUESTED_ADDRESS),
        None => Some(packet.ciaddr).filter(|a| !a.is_unspecified()),
    }
}

fn discover(
    arrival: Arrival<'_>,
    machine: &Machine,
    settings: &Settings,
    advisor: &dyn BootAdvisor,
) -> (Vec<Signal>, Outcome) {
    let firmware = machine.firmware;
    if firmware == Firmware::Other {
        return (Vec::new(), Outcome::Silent("it does not boot"));
    }
    let seen = vec![Signal::Discover { firmware }];
    let advice = advisor.advise(machine);
    if advice.form == Form::None {
        return (seen, Outcome::Silent("there is no loader for it"));
    }
    let mut p = start(arrival.packet, settings, MessageType::Offer);
    forms::apply(&mut p, settings.server, &advice);
    echo(&mut p, arrival.packet, settings.echo_client_id);
    let answer = Answer {
        packet: p,
        to: destination(arrival.packet, machine.mac, Ipv4Addr::UNSPECIFIED),
        sent: Some(Signal::ProxyOffer),
        delay: advice.delay,
    };
    (seen, Outcome::Answer(Box::new(answer)))
}

/// Decides about a packet that came to port 4011 from `source`: a REQUEST or an INFORM of firmware that
/// has its address. The answer goes back to where it came from.
pub fn boot_server(
    packet: &Packet,
    source: SocketAddrV4,
    settings: &Settings,
    advisor: &dyn BootAdvisor,
) -> Decision {
    let asks = matches!(
        packet.message_type(),
        Some(MessageType::Request | MessageType::Inform)
    );
    let Some(machine) = facts::machine(packet).filter(|_| packet.op == 1 && asks) else {
        return Decision::silent(None, "no request for a boot file");
    };
    let advice = match machine.firmware {
        Firmware::Other => Advice {
            file: BootFile::None,
            form: Form::None,
            delay: Duration::ZERO,
        },
        _ => advisor.advise(&machine),
    };
    let (BootFile::Loader(file) | BootFile::Url(file)) = &advice.file else {
        return Decision::silent(Some(machine), "there is nothing for it to load");
    };
    let mut p = start(packet, settings, MessageType::Ack);
    p.ciaddr = packet.ciaddr;
    forms::boot_server(&mut p, settings.server, &advice);
    // The boot item that it chose goes back (PXE 2.1 table 2-1, tag 71); without one it just asks.
    if let Some(item) = facts::boot_item(packet).filter(|_| advice.form != Form::RaspberryPi) {
        p.push(code::VENDOR_SPECIFIC, &item);
    }
    echo(&mut p, packet, settings.echo_client_id);
    let sent = Signal::BootServer { file: file.clone() };
    let answer = Answer {
        packet: p,
        to: Destination::Port(source),
        sent: Some(sent),
        delay: Duration::ZERO,
    };
    Decision {
        machine: Some(machine),
        seen: Vec::new(),
        heard: Some(*source.ip()),
        outcome: Outcome::Answer(Box::new(answer)),
    }
}

fn start(request: &Packet, settings: &Settings, kind: MessageType) -> Packet {
    let mut p = Packet::reply_to(request);
    p.push(code::MESSAGE_TYPE, &[kind as u8]);
    p.push_address(code::SERVER_ID, settings.server);
    p
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
