//! From packet bytes to answers, between the socket loop and the pure session: keeps the order
//! "stored, durable, acknowledged". Knows no sockets, so that a test can watch that order.

use super::{
    port::{Outlet, Port},
    relay,
    reply::{Answer, Settings},
    session::{self, Arrival, Decision, Outcome},
};
use crate::net::datagram::Datagram;
use engine::leases::{Lease, Leases, Scope};
use std::{future::Future, sync::Arc};
use types::{MacAddr, Timestamp};

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

/// Everything about DHCP in full mode on one boot network but its loop.
pub(super) struct Dispatch<O> {
    pub port: Arc<Port<O>>,
    /// The network's own scope.
    pub scope: Arc<Scope>,
    /// Those of relayed subnets among them.
    pub leases: Leases,
}

impl<O: Outlet> Dispatch<O> {
    /// Decides about one datagram; sends what needs no record, puts the rest into the batch.
    pub fn take(&self, bytes: &[u8], datagram: Datagram, batch: &mut Batch) {
        let Some(packet) = self.port.read(bytes, datagram.source) else {
            return;
        };
        let server = self.port.settings.server;
        let arrival = Arrival {
            packet: &packet,
            to_us: datagram.to == Some(server),
            at: datagram.at.unwrap_or_else(engine::now),
        };
        let Some(scope) = self.scope_of(arrival) else {
            tracing::debug!(relay = %packet.giaddr, "relayed from a network that has no scope here");
            return;
        };
        let decision = scope.decide(|pool, plan| {
            let settings = Settings::planned(server, plan, Some(&packet));
            session::decide(arrival, &settings, pool, &*self.port.boots)
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

    fn act(&self, mut decision: Decision, scope: &Arc<Scope>, at: Timestamp, batch: &mut Batch) {
        let mac = self.port.tell(&mut decision, at);
        match (decision.outcome, mac) {
            (Outcome::Silent(why), _) => {
                tracing::debug!(?mac, why, "a DHCP packet is not answered");
            }
            (Outcome::Answer(answer), Some(mac)) => self.port.send(mac, *answer),
            (Outcome::Commit(lease, answer), Some(mac)) => {
                batch.leases.push((scope.clone(), lease));
                batch.answers.extend(answer.map(|answer| (mac, answer)));
            }
            // There is nobody to answer.
            (Outcome::Answer(_) | Outcome::Commit(..), None) => {}
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
                this.port.send(mac, *answer);
            }
            for (scope, lease) in batch.leases {
                scope.announce(&[lease]);
            }
        }
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
