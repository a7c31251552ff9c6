//! One DHCP packet in, what to do out (RFC 2131 section 4.3). No sockets, no clock, no database.

use super::{
    facts,
    reply::{Answer, Asked, Settings, destination, nak, nak_destination},
    wire::{MessageType, Packet, code},
};
use engine::{
    boot::{Advice, Firmware, Machine, Signal},
    leases::{Claim, Lease, Pool},
};
use std::{net::Ipv4Addr, time::Duration};
use types::{Cause, MacAddr, Timestamp};

/// What the engine knows about a machine.
pub trait BootAdvisor {
    /// What it is to load next, and in which form it is told so.
    fn advise(&self, machine: &Machine) -> Advice;
    /// The name that it is known by.
    fn host_name(&self, mac: MacAddr) -> Option<String>;
}

/// A packet as it came in.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub packet: &'a Packet,
    /// It was sent to our own address, not broadcast.
    pub to_us: bool,
    pub at: Timestamp,
}

/// What is to be done about a packet.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// Nothing, for this reason.
    Silent(&'static str),
    /// Send it now.
    Answer(Box<Answer>),
    /// Store the lease; once it is durable, send the answer if there is one.
    Commit(Lease, Option<Box<Answer>>),
}

/// What a packet means.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// The machine, if the packet names a usable one.
    pub machine: Option<Machine>,
    /// What the packet tells the boots, as of when it arrived.
    pub seen: Vec<Signal>,
    /// The address that the machine has or is about to have from another server.
    pub heard: Option<Ipv4Addr>,
    pub outcome: Outcome,
}

impl Decision {
    /// Nothing is done, for this reason.
    pub(super) fn silent(machine: Option<Machine>, why: &'static str) -> Decision {
        Decision {
            machine,
            seen: Vec::new(),
            heard: None,
            outcome: Outcome::Silent(why),
        }
    }
}

/// Decides about one packet and changes `pool`, that of the scope that it is of, accordingly.
pub fn decide(
    arrival: Arrival<'_>,
    settings: &Settings,
    pool: &mut Pool,
    advisor: &dyn BootAdvisor,
) -> Decision {
    let silent = Decision::silent;
    let packet = arrival.packet;
    if packet.op != 1 {
        return silent(None, "not a request");
    }
    let Some(machine) = facts::machine(packet) else {
        return silent(None, "no usable Ethernet address");
    };
    let Some(kind) = packet.message_type() else {
        return silent(Some(machine), "no message type: BOOTP is not served");
    };
    let case = Case {
        arrival,
        settings,
        advisor,
        machine: &machine,
    };
    let outcome = match kind {
        MessageType::Discover => case.discover(pool),
        MessageType::Request => case.request(pool),
        MessageType::Decline => case.decline(pool),
        MessageType::Release => case.release(pool),
        MessageType::Inform => case.inform(),
        MessageType::Offer | MessageType::Ack | MessageType::Nak => {
            Outcome::Silent("another server's answer")
        }
    };
    let firmware = machine.firmware;
    let mut seen = Vec::new();
    if firmware != Firmware::Other && kind == MessageType::Discover {
        seen.push(Signal::Discover { firmware });
        if outcome == Outcome::Silent(NO_FREE_ADDRESS) {
            seen.push(Signal::NoAddress {
                cause: no_free_address(),
            });
        }
    }
    let named = packet.address(code::SERVER_ID);
    if kind == MessageType::Request && !named.is_some_and(|s| settings.is_us(s)) {
        seen.extend(took_other(packet, &machine, settings.server));
    }
    Decision {
        machine: Some(machine),
        seen,
        heard: None,
        outcome,
    }
}

/// What a REQUEST tells that takes up the offer of another server than `us`.
pub(super) fn took_other(packet: &Packet, machine: &Machine, us: Ipv4Addr) -> Vec<Signal> {
    let server = packet.address(code::SERVER_ID).filter(|s| *s != us);
    let address = packet.address(code::REQUESTED_ADDRESS);
    let took = server
        .zip(address)
        .map(|(server, address)| Signal::TookOther {
            server,
            address,
            firmware: machine.firmware,
        });
    took.into_iter().collect()
}

/// A packet of a known kind of machine.
struct Case<'a> {
    arrival: Arrival<'a>,
    settings: &'a Settings,
    advisor: &'a dyn BootAdvisor,
    machine: &'a Machine,
}

impl Case<'_> {
    fn discover(&self, pool: &mut Pool) -> Outcome {
        let packet = self.arrival.packet;
        let wanted = packet.address(code::REQUESTED_ADDRESS);
        let Some(address) = pool.offer(self.machine.mac, wanted, self.arrival.at) else {
            return Outcome::Silent(NO_FREE_ADDRESS);
        };
        let seconds = self.settings.seconds(packet.u32(code::LEASE_TIME));
        let asked = self.asked();
        let delay = asked.boot.as_ref().map_or(Duration::ZERO, |b| b.delay);
        let answer = asked.lease(MessageType::Offer, address, seconds);
        match self.answer(answer, address, Signal::Offer { address }) {
            Outcome::Answer(answer) => Outcome::Answer(Box::new(Answer { delay, ..*answer })),
            other => other,
        }
    }

    /// Which of the four states the client is in: RFC 2131 section 4.3.2 and table 4.
    fn request(&self, pool: &mut Pool) -> Outcome {
        let packet = self.arrival.packet;
        let requested = packet.address(code::REQUESTED_ADDRESS);
        match (packet.address(code::SERVER_ID), requested) {
            (Some(server), _) if !self.settings.is_us(server) => {
                pool.forget_offer(self.machine.mac, self.arrival.at);
                Outcome::Silent("it took another server's offer")
            }
            // SELECTING; a few clients name the address in ciaddr only.
            (Some(_), requested) => self.selecting(pool, requested.unwrap_or(packet.ciaddr)),
            (None, _) if packet.ciaddr != Ipv4Addr::UNSPECIFIED => self.extending(pool),
            (None, Some(requested)) => self.rebooting(pool, requested),
            (None, None) => Outcome::Silent("a request without an address"),
        }
    }

    fn selecting(&self, pool: &mut Pool, address: Ipv4Addr) -> Outcome {
        match self.claim(pool, address, true) {
            Claim::Granted(lease) => self.grant(lease),
            Claim::Elsewhere => self.refuse("this computer was offered another address"),
            Claim::Taken => self.refuse("the address belongs to another computer"),
            Claim::Unknown => self.refuse("the address is not one of this server's"),
        }
    }

    /// RENEWING when sent to us, REBINDING when broadcast.
    fn extending(&self, pool: &mut Pool) -> Outcome {
        let address = self.arrival.packet.ciaddr;
        let renewing = self.arrival.to_us && self.arrival.packet.giaddr == Ipv4Addr::UNSPECIFIED;
        if !self.settings.is_local(address) {
            return self.refuse("the address is of another network");
        }
        match self.claim(pool, address, renewing) {
            Claim::Granted(lease) => self.grant(lease),
            Claim::Elsewhere => self.refuse("this computer has another address by now"),
            Claim::Taken => self.refuse("the address belongs to another computer"),
            Claim::Unknown if renewing => self.refuse("the address is not one of this server's"),
            Claim::Unknown => Outcome::Silent("rebinding an address that we know nothing of"),
        }
    }

    /// INIT-REBOOT: a server without a record of the client must be silent.
    fn rebooting(&self, pool: &mut Pool, address: Ipv4Addr) -> Outcome {
        if !self.settings.is_local(address) {
            return self.refuse("the address is of another network");
        }
        match self.claim(pool, address, false) {
            Claim::Granted(lease) => self.grant(lease),
            Claim::Elsewhere => self.refuse("this computer has another address by now"),
            Claim::Taken | Claim::Unknown => {
                Outcome::Silent("a reboot with an address that we know nothing of")
            }
        }
    }

    fn decline(&self, pool: &mut Pool) -> Outcome {
        let packet = self.arrival.packet;
        let Some(address) = packet.address(code::REQUESTED_ADDRESS) else {
            return Outcome::Silent("a DECLINE without an address");
        };
        if !self.is_for_us() {
            return Outcome::Silent("a DECLINE for another server");
        }
        match pool.decline(self.machine.mac, address, self.arrival.at) {
            Some(lease) => Outcome::Commit(lease, None),
            None => Outcome::Silent("a DECLINE of an address that is not its own"),
        }
    }

    fn release(&self, pool: &mut Pool) -> Outcome {
        if !self.is_for_us() {
            return Outcome::Silent("a RELEASE for another server");
        }
        let address = self.arrival.packet.ciaddr;
        match pool.release(self.machine.mac, address, self.arrival.at) {
            Some(lease) => Outcome::Commit(lease, None),
            None => Outcome::Silent("a RELEASE of an address that is not its own"),
        }
    }

    fn inform(&self) -> Outcome {
        let packet = self.arrival.packet;
        let answer = Answer {
            packet: self.asked().inform(),
            to: destination(packet, self.machine.mac, Ipv4Addr::UNSPECIFIED),
            sent: None,
            delay: Duration::ZERO,
        };
        Outcome::Answer(Box::new(answer))
    }

    fn claim(&self, pool: &mut Pool, address: Ipv4Addr, trust: bool) -> Claim {
        let packet = self.arrival.packet;
        let seconds = self.settings.seconds(packet.u32(code::LEASE_TIME));
        let asker = facts::asker(packet, self.machine.mac);
        pool.claim(&asker, address, seconds, trust, self.arrival.at)
    }

    fn grant(&self, lease: Lease) -> Outcome {
        let address = lease.address;
        let seconds = self
            .settings
            .seconds(self.arrival.packet.u32(code::LEASE_TIME));
        let packet = self.asked().lease(MessageType::Ack, address, seconds);
        let sent = Signal::Ack {
            address,
            firmware: self.machine.firmware,
        };
        match self.answer(packet, address, sent) {
            Outcome::Answer(answer) => Outcome::Commit(lease, Some(answer)),
            other => other,
        }
    }

    fn refuse(&self, why: &'static str) -> Outcome {
        let request = self.arrival.packet;
        let sent = Signal::NoAddress {
            cause: Cause {
                code: "dhcp_nak".into(),
                title: format!("The address it asked for was refused: {why}"),
                hint: "It asks for a new one by itself; if it does not, restart it.".into(),
            },
        };
        Outcome::Answer(Box::new(Answer {
            packet: nak(request, self.settings, why),
            to: nak_destination(request),
            // An operating system with an old lease is not a boot that stops.
            sent: self.is_booting().then_some(sent),
            delay: Duration::ZERO,
        }))
    }

    fn answer(&self, packet: Packet, yours: Ipv4Addr, sent: Signal) -> Outcome {
        Outcome::Answer(Box::new(Answer {
            packet,
            to: destination(self.arrival.packet, self.machine.mac, yours),
            sent: Some(sent).filter(|s| self.is_booting() || !matches!(s, Signal::Offer { .. })),
            delay: Duration::ZERO,
        }))
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            request: self.arrival.packet,
            settings: self.settings,
            boot: self.is_booting().then(|| self.advisor.advise(self.machine)),
            host_name: self.advisor.host_name(self.machine.mac),
        }
    }

    /// An operating system that asks for its address is no boot.
    fn is_booting(&self) -> bool {
        self.machine.firmware != Firmware::Other
    }

    fn is_for_us(&self) -> bool {
        let named = self.arrival.packet.address(code::SERVER_ID);
        named.is_none_or(|server| self.settings.is_us(server))
    }
}

/// Why a DISCOVER got no offer.
const NO_FREE_ADDRESS: &str = "every address of the range is in use";

/// The same, for the page.
fn no_free_address() -> Cause {
    Cause {
        code: "no_free_address".into(),
        title: "Every address of the range is in use".into(),
        hint: "Widen `range` of this boot network, or wait until leases expire.".into(),
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
pub(super) mod tests;
