//! Looks on the wire for addresses that are handed out next, so that nobody gets one that another
//! computer took for itself (RFC 2131 section 2.2). It runs ahead of the offers, which never wait for
//! it: when more computers come at once than it has looked for, the rest get theirs without a look, and
//! look themselves before they use it.

use crate::net::arp::Arp;
use engine::leases::{Lease, Scope};
use std::{
    collections::{HashMap, HashSet},
    io,
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use tokio_util::sync::CancellationToken;
use types::MacAddr;

/// Addresses that are known to be silent ahead of the offers.
const AHEAD: usize = 64;
/// How often it is seen whether there are that many.
const PERIOD: Duration = Duration::from_millis(250);
/// How long an answer is waited for; Ethernet needs a millisecond, a computer that sleeps some more.
const WAIT: Duration = Duration::from_millis(300);
/// Questions for each address, as one may be lost.
const QUESTIONS: usize = 2;

/// The look-out of one scope.
pub(super) struct Prober {
    pub arp: Arp,
    pub scope: Arc<Scope>,
}

impl Prober {
    /// Looks until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = tick.tick() => {}
            }
            let wanted = self.scope.decide(|pool, plan| match plan.probe {
                true => pool.to_probe(AHEAD, engine::now()),
                false => Vec::new(),
            });
            if wanted.is_empty() {
                continue;
            }
            let looked = tokio::select! {
                () = cancel.cancelled() => return,
                looked = self.look(&wanted) => looked,
            };
            match looked {
                Ok(users) => self.told(&wanted, &users).await,
                // The interface is down: whether addresses are used can't be known, and they stay unknown.
                Err(error) => {
                    tracing::debug!(scope = self.scope.name(), %error, "can't look for addresses")
                }
            }
        }
    }

    /// Who uses these addresses.
    async fn look(&self, wanted: &[Ipv4Addr]) -> io::Result<HashMap<Ipv4Addr, MacAddr>> {
        let asked: HashSet<Ipv4Addr> = wanted.iter().copied().collect();
        let mut users = HashMap::new();
        for _ in 0..QUESTIONS {
            for address in wanted.iter().filter(|a| !users.contains_key(*a)) {
                self.arp.ask(*address)?;
            }
            let end = Instant::now() + WAIT / QUESTIONS as u32;
            while let Ok(heard) = timeout_at(end, self.arp.hear()).await {
                let (address, user) = heard?;
                if asked.contains(&address) {
                    users.insert(address, user);
                }
            }
        }
        Ok(users)
    }

    async fn told(&self, wanted: &[Ipv4Addr], users: &HashMap<Ipv4Addr, MacAddr>) {
        let now = engine::now();
        let rest: Vec<Lease> = self.scope.with_pool(|pool| {
            let told = wanted.iter().map(|a| (*a, users.get(a).copied()));
            told.filter_map(|(a, user)| pool.probed(a, user, now))
                .collect()
        });
        if rest.is_empty() {
            return;
        }
        for lease in &rest {
            tracing::warn!(scope = self.scope.name(), address = %lease.address, user = %lease.mac, "a free address is used by somebody; it is not handed out for an hour");
        }
        match self.scope.commit(rest.clone()).await {
            Ok(()) => self.scope.announce(&rest),
            // It rests all the same, until the server is started anew.
            Err(error) => tracing::error!(%error, "an address that is used could not be stored"),
        }
    }
}
