//! From packet bytes to answers, between the socket loop and the pure session: keeps the order
//! "stored, durable, acknowledged". Knows no sockets, so that a test can watch that order.

use super::{
    reply::{Answer, Destination, Settings},
    session::{self, Arrival, BootAdvisor, Decision, Outcome},
    wire::Packet,
};
use crate::net::datagram::Datagram;
use engine::{
    Counters,
    boot::{Signal, Who},
    leases::{Lease, Scope},
};
use std::{future::Future, io, sync::Arc};
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
    leases: Vec<Lease>,
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
    pub settings: Settings,
    pub scope: Arc<Scope>,
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
        let settings = &self.settings;
        let arrival = Arrival {
            packet: &packet,
            to_us: datagram.to == Some(settings.server),
            at: datagram.at.unwrap_or_else(engine::now),
        };
        let decision = self
            .scope
            .with_pool(|pool| session::decide(arrival, settings, pool, &*self.boots));
        self.act(decision, arrival.at, batch);
    }

    fn count(&self, packet: &Packet) {
        let kind = packet.message_type().map(|kind| kind as u8);
        self.counters.dhcp.message(kind);
    }

    fn act(&self, decision: Decision, at: Timestamp, batch: &mut Batch) {
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
                batch.leases.push(lease);
                batch.answers.extend(answer.map(|answer| (mac, answer)));
            }
        }
    }

    /// Queues the leases for the disk at once, so that the order of batches holds; the future
    /// acknowledges them when they are durable, and never if they could not be stored.
    pub fn store(self: &Arc<Self>, batch: Batch) -> impl Future<Output = ()> + Send + use<O> {
        let this = self.clone();
        let durable = this.scope.commit(batch.leases.clone());
        async move {
            if let Err(error) = durable.await {
                let count = batch.leases.len();
                tracing::error!(%error, count, "leases could not be stored, so they were not acknowledged; the computers will ask again");
                return;
            }
            for (mac, answer) in batch.answers {
                this.send(mac, *answer);
            }
            this.scope.announce(&batch.leases);
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
