//! Answers: which options they carry, and where they go.

use super::{
    forms, relay,
    wire::{MessageType, Packet, code},
};
use engine::{
    boot::{Advice, Signal},
    leases::{Plan, options::OptionBytes},
};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};
use types::{MacAddr, Subnet};

/// What the answers to one computer say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Our address on the interface: boot server, source of answers.
    pub server: Ipv4Addr,
    /// By which it is to name us: `server`, or what its relay wants there.
    pub server_id: Ipv4Addr,
    /// The network that it is on.
    pub subnet: Subnet,
    pub router: Option<Ipv4Addr>,
    pub dns: Vec<Ipv4Addr>,
    pub domain: Option<String>,
    pub lease_seconds: u32,
    /// The name that its reservation gives it.
    pub host_name: Option<String>,
    /// What administrators set besides; they go before router, name servers and domain.
    pub options: Vec<OptionBytes>,
    /// Whether option 61 is echoed (RFC 6842); a few old clients choke on it.
    pub echo_client_id: bool,
}

impl Settings {
    /// For a network of which we know nothing but where we are on it.
    pub fn bare(server: Ipv4Addr, prefix_len: u8) -> Settings {
        Settings::planned(server, &Plan::plain(Subnet::of(server, prefix_len)), None)
    }

    /// What a scope says to the computer that sent a packet.
    pub fn planned(server: Ipv4Addr, plan: &Plan, packet: Option<&Packet>) -> Settings {
        let mac = packet.and_then(Packet::mac);
        let own = mac.and_then(|mac| plan.computers.get(&mac));
        Settings {
            server,
            server_id: packet.and_then(relay::server_id).unwrap_or(server),
            subnet: plan.subnet,
            router: plan.router,
            dns: plan.dns.clone(),
            domain: plan.domain.clone(),
            lease_seconds: plan.lease_seconds,
            host_name: own.and_then(|own| own.hostname.clone()),
            options: mac.map_or_else(Vec::new, |mac| plan.options_for(mac, &[])),
            echo_client_id: true,
        }
    }

    /// Whether an address is on the computer's network.
    pub fn is_local(&self, address: Ipv4Addr) -> bool {
        self.subnet.contains(address)
    }

    /// Whether a server identifier is ours.
    pub fn is_us(&self, server: Ipv4Addr) -> bool {
        server == self.server || server == self.server_id
    }

    /// Seconds that a lease lasts: never longer than configured, shorter if asked, at least a minute.
    pub fn seconds(&self, asked: Option<u32>) -> u32 {
        asked.map_or(self.lease_seconds, |a| a.max(60).min(self.lease_seconds))
    }
}

/// Where an answer goes (RFC 2131 section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Port 67 of the relay that passed the request on.
    Relay(Ipv4Addr),
    /// Port 68 of a client that has this address.
    Unicast(Ipv4Addr),
    /// Port 68 of 255.255.255.255.
    Broadcast,
    /// Port 68 of this address, in a frame to this Ethernet address: it can't answer ARP yet.
    Frame(MacAddr, Ipv4Addr),
    /// This address and port, from which it was asked.
    Port(SocketAddrV4),
}

/// A packet to send, and what to tell the boots once it has left.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    pub packet: Packet,
    pub to: Destination,
    pub sent: Option<Signal>,
    /// How long it is held back.
    pub delay: Duration,
}

/// Who is answered, and with what besides the address.
pub(super) struct Asked<'a> {
    pub request: &'a Packet,
    pub settings: &'a Settings,
    /// None for what does not boot.
    pub boot: Option<Advice>,
    /// The name that we know the client by.
    pub host_name: Option<String>,
}

impl Asked<'_> {
    /// OFFER or ACK of an address.
    pub fn lease(&self, kind: MessageType, address: Ipv4Addr, seconds: u32) -> Packet {
        let mut p = self.start(kind);
        p.yiaddr = address;
        if kind == MessageType::Ack {
            p.ciaddr = self.request.ciaddr;
        }
        p.push_u32(code::LEASE_TIME, seconds);
        p.push_u32(code::RENEWAL_TIME, seconds / 2);
        p.push_u32(code::REBINDING_TIME, seconds - seconds / 8);
        self.finish(p)
    }

    /// The ACK of an INFORM: everything but an address and times (RFC 2131 section 4.3.5).
    pub fn inform(&self) -> Packet {
        let mut p = self.start(MessageType::Ack);
        p.ciaddr = self.request.ciaddr;
        self.finish(p)
    }

    fn start(&self, kind: MessageType) -> Packet {
        let mut p = Packet::reply_to(self.request);
        p.push(code::MESSAGE_TYPE, &[kind as u8]);
        p.push_address(code::SERVER_ID, self.settings.server_id);
        p
    }

    fn finish(&self, mut p: Packet) -> Packet {
        let s = self.settings;
        p.push_address(code::SUBNET_MASK, s.subnet.mask());
        p.push_address(code::BROADCAST_ADDRESS, s.subnet.broadcast());
        let is_set = |code: u8| s.options.iter().any(|(c, _)| *c == code);
        if let Some(router) = s.router.filter(|_| !is_set(code::ROUTER)) {
            p.push_address(code::ROUTER, router);
        }
        if !s.dns.is_empty() && !is_set(code::DNS) {
            let octets: Vec<u8> = s.dns.iter().flat_map(Ipv4Addr::octets).collect();
            p.push(code::DNS, &octets);
        }
        if let Some(domain) = s.domain.as_ref().filter(|_| !is_set(code::DOMAIN_NAME)) {
            p.push(code::DOMAIN_NAME, domain.as_bytes());
        }
        let wants_name = self
            .request
            .option(code::PARAMETERS)
            .is_some_and(|list| list.contains(&code::HOST_NAME));
        // What was set for it comes unasked, our own name for it does not.
        let name = self.host_name.as_ref().filter(|_| wants_name);
        if let Some(name) = s.host_name.as_ref().or(name) {
            p.push(code::HOST_NAME, name.as_bytes());
        }
        for (code, value) in &s.options {
            p.push(*code, value);
        }
        if let Some(advice) = &self.boot {
            forms::apply(&mut p, s.server, advice);
        }
        echo(&mut p, self.request, s.echo_client_id);
        p
    }
}

/// A refusal, with the reason in words (option 56).
pub(super) fn nak(request: &Packet, settings: &Settings, why: &str) -> Packet {
    let mut p = Packet::reply_to(request);
    p.push(code::MESSAGE_TYPE, &[MessageType::Nak as u8]);
    p.push_address(code::SERVER_ID, settings.server_id);
    p.push(code::MESSAGE, why.as_bytes());
    echo(&mut p, request, settings.echo_client_id);
    if request.giaddr != Ipv4Addr::UNSPECIFIED {
        // The relay must broadcast it: the client's address is what is wrong.
        p.set_broadcast();
    }
    p
}

/// What goes back as it came: machine id, client id (RFC 6842), and last the relay's own (RFC 3046).
pub(super) fn echo(p: &mut Packet, request: &Packet, client_id: bool) {
    let codes = [
        (code::MACHINE_ID, true),
        (code::CLIENT_ID, client_id),
        (code::RELAY_AGENT, true),
    ];
    for (code, _) in codes.into_iter().filter(|(_, wanted)| *wanted) {
        if let Some(value) = request.option(code) {
            p.push(code, &value);
        }
    }
}

/// Where OFFER and ACK go.
pub(super) fn destination(request: &Packet, mac: MacAddr, yours: Ipv4Addr) -> Destination {
    let set = |a: Ipv4Addr| a != Ipv4Addr::UNSPECIFIED;
    if set(request.giaddr) {
        Destination::Relay(request.giaddr)
    } else if set(request.ciaddr) {
        Destination::Unicast(request.ciaddr)
    } else if request.wants_broadcast() || !set(yours) {
        Destination::Broadcast
    } else {
        Destination::Frame(mac, yours)
    }
}

/// Where a NAK goes: never to an address, which is what is in doubt.
pub(super) fn nak_destination(request: &Packet) -> Destination {
    if request.giaddr == Ipv4Addr::UNSPECIFIED {
        Destination::Broadcast
    } else {
        Destination::Relay(request.giaddr)
    }
}
