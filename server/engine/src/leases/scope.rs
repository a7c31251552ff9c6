//! One scope while it is served: its leases in memory, and what its answers say.

use super::{
    Lease, Pool, Shape,
    plan::{OwnNetwork, Plan},
};
use crate::{Clients, EventBus, Result, now};
use std::{
    future::Future,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use store::{LeaseRecord, Read, ScopePrefix, Store, Tx};
use types::{Event, LeaseView, MacAddr, Timestamp};

/// The leases of one subnet.
pub struct Scope {
    name: String,
    own: Option<OwnNetwork>,
    /// Together, so that no answer is of one plan with an address of another.
    state: Mutex<State>,
    store: Arc<Store>,
    events: EventBus,
    clients: Clients,
}

struct State {
    plan: Plan,
    pool: Pool,
}

impl Scope {
    /// With the leases that are stored for it.
    ///
    /// # Errors
    /// When the database can't be read. A lease that can't be read or doesn't fit is skipped with a
    /// warning.
    pub(super) fn open(
        name: &str,
        own: Option<OwnNetwork>,
        (plan, shape): (Plan, Shape),
        (store, events, clients): (Arc<Store>, EventBus, Clients),
    ) -> Result<Scope> {
        let mut pool = Pool::new(shape);
        load(&store, name, &mut pool)?;
        Ok(Scope {
            name: name.to_owned(),
            own,
            state: Mutex::new(State { plan, pool }),
            store,
            events,
            clients,
        })
    }

    /// The name it is stored under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The boot network whose own scope it is.
    pub fn own(&self) -> Option<&OwnNetwork> {
        self.own.as_ref()
    }

    /// Decides something in memory. `decide` must not block: every packet waits for it.
    pub fn decide<T>(&self, decide: impl FnOnce(&mut Pool, &Plan) -> T) -> T {
        // A poisoned pool is whole: each of its methods ends without a panic or changes nothing.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { plan, pool } = &mut *state;
        decide(pool, plan)
    }

    /// As [`Scope::decide`], for what needs only the pool.
    pub fn with_pool<T>(&self, decide: impl FnOnce(&mut Pool) -> T) -> T {
        self.decide(|pool, _| decide(pool))
    }

    /// What holds from the next packet on. No lease is lost.
    pub(super) fn apply(&self, plan: Plan, shape: Shape) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pool.reshape(shape);
        state.plan = plan;
    }

    /// Queues changed leases at once, in the order of the calls; resolves when all of them are on
    /// stable storage. Many calls share one commit.
    pub fn commit(
        self: &Arc<Self>,
        leases: Vec<Lease>,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let scope = self.clone();
        self.store.write(move |tx| {
            leases
                .into_iter()
                .try_for_each(|lease| scope.put(tx, lease))
        })
    }

    /// Stores a lease together with others, or what was decided of its address since: two loops may
    /// give a scope's addresses, and the one that decided first may come to the disk last.
    pub(super) fn put(&self, tx: &mut Tx<'_>, lease: Lease) -> Result<()> {
        match self.with_pool(|pool| pool.newest(lease)) {
            Some(newest) => Ok(tx.put(&record(&self.name, newest))?),
            None => Ok(()),
        }
    }

    /// Tells the page of changed leases, as they were stored: what was decided of an address
    /// since may have been told already. Apart from [`Scope::commit`], so that no ACK waits for it.
    pub fn announce(&self, leases: &[Lease]) {
        let now = now();
        for lease in leases {
            if let Some(newest) = self.with_pool(|pool| pool.newest(lease.clone())) {
                let lease = self.view(&newest, now);
                self.events.publish(Event::LeaseChanged { lease });
            }
            self.clients.touch(lease.mac);
        }
    }

    /// Every lease, by address.
    pub fn list(&self) -> Vec<LeaseView> {
        let now = now();
        let mut leases: Vec<Lease> = self.with_pool(|pool| pool.leases().cloned().collect());
        leases.sort_by_key(|l| l.address);
        leases.iter().map(|l| self.view(l, now)).collect()
    }

    /// The lease of an address, if there is or was one.
    pub fn lease(&self, address: Ipv4Addr) -> Option<Lease> {
        self.with_pool(|pool| pool.lease(address).cloned())
    }

    /// Live leases, and how many addresses there are to give.
    pub fn usage(&self) -> (u32, u32) {
        let now = now();
        self.with_pool(|pool| {
            let active = pool.leases().filter(|l| l.is_active(now)).count();
            (u32::try_from(active).unwrap_or(u32::MAX), pool.size())
        })
    }

    /// The live address of a computer here.
    pub fn address_of(&self, mac: MacAddr, now: Timestamp) -> Option<Ipv4Addr> {
        self.with_pool(|pool| pool.address_of(mac, now))
    }

    pub(super) fn view(&self, lease: &Lease, now: Timestamp) -> LeaseView {
        let client = self.clients.find_mac(lease.mac);
        LeaseView {
            address: lease.address,
            mac: lease.mac,
            client_id: client.as_ref().map(|c| c.id),
            client_name: client.map(|c| c.name.clone()),
            hostname: lease.hostname.clone(),
            state: lease.state_at(now),
            starts_at: lease.starts_at,
            ends_at: lease.ends_at,
            scope: self.name.clone(),
            interface: self.own.as_ref().map(|own| own.interface.clone()),
            is_reserved: self.with_pool(|pool| pool.is_reserved(lease.mac, lease.address)),
        }
    }
}

fn record(scope: &str, lease: Lease) -> LeaseRecord {
    LeaseRecord {
        scope: scope.to_owned(),
        address: lease.address,
        mac: lease.mac,
        client_id: lease.client_id,
        hostname: lease.hostname,
        state: lease.state,
        starts_at: lease.starts_at,
        ends_at: lease.ends_at,
    }
}

/// Fills a pool with what is stored. A row that can't be read costs one lease: its address may be
/// given again.
fn load(store: &Store, scope: &str, pool: &mut Pool) -> Result<()> {
    let prefix = ScopePrefix(scope.to_owned());
    let records: Vec<LeaseRecord> = store.read(|tx| tx.list_readable(Some(&prefix)))?;
    for record in records {
        let address = record.address;
        let fits = pool.restore(Lease {
            address,
            mac: record.mac,
            client_id: record.client_id,
            hostname: record.hostname,
            state: record.state,
            starts_at: record.starts_at,
            ends_at: record.ends_at,
            decision: 0,
        });
        if !fits {
            tracing::warn!(scope, %address, mac = %record.mac, "a stored lease is outside the subnet or older than another of the same computer; it is not used");
        }
    }
    Ok(())
}
