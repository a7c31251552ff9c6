//! From packet bytes to answers, between the socket loop and the pure session: keeps the order
//! "stored, durable, acknowledged". Knows no sockets, so that a test can watch that order.

use super::{
    relay,
    reply::{Answer, Destination, Settings},
    session::{self, Arrival, BootAdvisor, Decision, Outcome},
    wire::Packet,
};
use crate::net::datagram::Datagram;
use engine::{
    Counters,
    boot::{Signal, Who},
    leases::{Lease, Leases, Scope},
};
use std::{future::Future, io, net::Ipv4Addr, sync::Arc};
use types::{MacAddr, Timestamp};

/// What DHCP asks of, and tells, the boots. Calls must not block.
pub trait Boots: BootAdvisor + Send + Sync + 'static {
    /// Something was seen at that moment.
    fn signal(&self, who: Who, at: Timestamp, signal: Signal);
}

/// Where answers leave.
pub(super) trait Outlet: Send + Sync + 'static {
    /// Sends a packet.
    fn transmit(&self, bytes: &[u8], to: Destination) -> io::Result<()>;
}

/// The leases of a batch of packets, and the answers that wait for them.
#[derive(Default)]
pub(super) struct Batch {
    leases: Vec<(Arc<Scope>, Lease)>,
    answers: Vec<(MacAddr, Box<Answer>)>,
}

impl Batch {
    /// Whether nothing has to be stored.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }
}

/// Everything about one boot network's DHCP but its socket.
pub(super) struct Dispatch<O> {
    /// Our address on the interface.
    pub server: Ipv4Addr,
    /// The network's own scope.
    pub scope: Arc<Scope>,
    /// Those of relayed subnets among them.
    pub leases: Leases,
    pub boots: Arc<dyn Boots>,
    pub outlet: O,
    pub counters: Arc<Counters>,
}

impl<O: Outlet> Dispatch<O> {
    /// Decides about one datagram; sends what needs no record, puts the rest into the batch.
    pub fn take(&self, bytes: &[u8], datagram: Datagram, batch: &mut Batch) {
        let packet = match Packet::decode(bytes) {
            Ok(packet) => packet,
            Err(error) => {
                self.counters.dhcp.malformed.add(1);
                tracing::debug!(source = ?datagram.source, %error, "not a DHCP packet");
                return;
            }
        };
        self.count(&packet);
        let arrival = Arrival {
            packet: &packet,
            to_us: datagram.to == Some(self.server),
            at: datagram.at.unwrap_or_else(engine::now),
        };
        let Some(scope) = self.scope_of(arrival) else {
            tracing::debug!(relay = %packet.giaddr, "relayed from a network that has no scope here");
            return;
        };
        let decision = scope.decide(|pool, plan| {
            let settings = Settings::planned(self.server, plan, Some(&packet));
            session::decide(arrival, &settings, pool, &*self.boots)
        });
        self.act(decision, &scope, arrival.at, batch);
    }

    /// The scope that a packet is of: that of the link which its relay names, else our own.
    fn scope_of(&self, arrival: Arrival<'_>) -> Option<Arc<Scope>> {
        let is_own = |address| self.scope.decide(|_, plan| plan.subnet.contains(address));
        let ciaddr = arrival.packet.ciaddr;
        match relay::link(arrival.packet) {
            Some(link) if is_own(link) => Some(self.scope.clone()),
            Some(link) => self.leases.relayed_scope(link),
            // A computer behind a relay renews its lease with us directly.
            None if arrival.to_us && !ciaddr.is_unspecified() && !is_own(ciaddr) => {
                let relayed = self.leases.relayed_scope(ciaddr);
                Some(relayed.unwrap_or_else(|| self.scope.clone()))
            }
            None => Some(self.scope.clone()),
        }
    }

    fn count(&self, packet: &Packet) {
        let kind = packet.message_type().map(|kind| kind as u8);
        self.counters.dhcp.message(kind);
    }

    fn act(&self, decision: Decision, scope: &Arc<Scope>, at: Timestamp, batch: &mut Batch) {
        let Some(mac) = decision.machine.map(|m| m.mac) else {
            if let Outcome::Silent(why) = decision.outcome {
                tracing::debug!(why, "a DHCP packet is not answered");
            }
            return;
        };
        for signal in decision.seen {
            self.boots.signal(Who::Mac(mac), at, signal);
        }
        match decision.outcome {
            Outcome::Silent(why) => tracing::debug!(%mac, why, "a DHCP packet is not answered"),
            Outcome::Answer(answer) => self.send(mac, *answer),
            Outcome::Commit(lease, answer) => {
                batch.leases.push((scope.clone(), lease));
                batch.answers.extend(answer.map(|answer| (mac, answer)));
            }
        }
    }

    /// Queues the leases for the disk at once, so that the order of batches holds; the future
    /// acknowledges them when they are durable, and never if they could not be stored.
    pub fn store(self: &Arc<Self>, batch: Batch) -> impl Future<Output = ()> + Send + use<O> {
        let this = self.clone();
        let durable = this.leases.commit(batch.leases.clone());
        async move {
            if let Err(error) = durable.await {
                let count = batch.leases.len();
                tracing::error!(%error, count, "leases could not be stored, so they were not acknowledged; the computers will ask again");
                return;
            }
            for (mac, answer) in batch.answers {
                this.send(mac, *answer);
            }
            for (scope, lease) in batch.leases {
                scope.announce(&[lease]);
            }
        }
    }

    fn send(&self, mac: MacAddr, answer: Answer) {
        let bytes = answer.packet.encode_padded();
        if let Err(error) = self.outlet.transmit(&bytes, answer.to) {
            // Datagrams may get lost on any cable: the client asks again.
            tracing::warn!(scope = self.scope.name(), %mac, to = ?answer.to, %error, "a DHCP answer could not be sent");
            return;
        }
        self.count(&answer.packet);
        if let Some(signal) = answer.sent {
            self.boots.signal(Who::Mac(mac), engine::now(), signal);
        }
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
