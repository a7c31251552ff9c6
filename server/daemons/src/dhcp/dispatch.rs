//! From packet bytes to answers, between the socket loop and the pure session: keeps the order
//! "stored, durable, acknowledged". Knows no sockets, so that a test can watch that order.

use super::{
    port::{Outlet, Port},
    reply::Answer,
    session::{self, Arrival, Decision, Outcome},
};
use crate::net::datagram::Datagram;
use engine::leases::{Lease, Scope};
use std::{future::Future, sync::Arc};
use types::{MacAddr, Timestamp};

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

/// Everything about DHCP in full mode on one boot network but its loop.
pub(super) struct Dispatch<O> {
    pub port: Port<O>,
    pub scope: Arc<Scope>,
}

impl<O: Outlet> Dispatch<O> {
    /// Decides about one datagram; sends what needs no record, puts the rest into the batch.
    pub fn take(&self, bytes: &[u8], datagram: Datagram, batch: &mut Batch) {
        let Some(packet) = self.port.read(bytes, datagram.source) else {
            return;
        };
        let settings = &self.port.settings;
        let arrival = Arrival {
            packet: &packet,
            to_us: datagram.to == Some(settings.server),
            at: datagram.at.unwrap_or_else(engine::now),
        };
        let decision = self
            .scope
            .with_pool(|pool| session::decide(arrival, settings, pool, &*self.port.boots));
        self.act(decision, arrival.at, batch);
    }

    fn act(&self, mut decision: Decision, at: Timestamp, batch: &mut Batch) {
        let mac = self.port.tell(&mut decision, at);
        match (decision.outcome, mac) {
            (Outcome::Silent(why), _) => {
                tracing::debug!(?mac, why, "a DHCP packet is not answered");
            }
            (Outcome::Answer(answer), Some(mac)) => self.port.send(mac, *answer),
            (Outcome::Commit(lease, answer), Some(mac)) => {
                batch.leases.push(lease);
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
        let durable = this.scope.commit(batch.leases.clone());
        async move {
            if let Err(error) = durable.await {
                let count = batch.leases.len();
                tracing::error!(%error, count, "leases could not be stored, so they were not acknowledged; the computers will ask again");
                return;
            }
            for (mac, answer) in batch.answers {
                this.port.send(mac, *answer);
            }
            this.scope.announce(&batch.leases);
        }
    }
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
