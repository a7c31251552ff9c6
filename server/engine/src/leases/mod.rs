//! Leases: which address belongs to which computer, on each boot network.
//!
//! Decisions are made in memory ([`Pool`]); what a computer is told to rely on is on disk first
//! ([`Scope::commit`]). Offers are never stored: they lapse within a minute.

mod elsewhere;
mod pool;

pub use pool::{Asker, Claim, Lease, OFFER_SECONDS, Pool, QUARANTINE_SECONDS};

use crate::{Area, Clients, Error, EventBus, Result, now};
use elsewhere::Elsewhere;
use std::{
    collections::BTreeMap,
    future::Future,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
};
use store::{LeaseRecord, Read, ScopePrefix, Store};
use types::{AddressRange, Event, LeaseView, MacAddr, Timestamp};

/// Every lease of every boot network. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    clients: Clients,
    scopes: RwLock<BTreeMap<String, Arc<Scope>>>,
    elsewhere: Mutex<Elsewhere>,
}

impl Inner {
    fn scopes(&self) -> Vec<Arc<Scope>> {
        let scopes = self.scopes.read().unwrap_or_else(PoisonError::into_inner);
        scopes.values().cloned().collect()
    }

    fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let now = now();
        self.scopes()
            .iter()
            .find_map(|scope| scope.with_pool(|pool| pool.address_of(mac, now)))
            .or_else(|| self.elsewhere().address_of(mac))
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// No scope is open yet; views of clients get their address from here from now on.
    pub(crate) fn new(store: Arc<Store>, events: EventBus, clients: Clients) -> Leases {
        let inner = Arc::new(Inner {
            store,
            events,
            clients: clients.clone(),
            scopes: RwLock::default(),
            elsewhere: Mutex::default(),
        });
        // Weak: the clients must not keep us, we keep them.
        let weak: Weak<Inner> = Arc::downgrade(&inner);
        clients.join_address(move |mac| weak.upgrade()?.address_of(mac));
        Leases { inner }
    }

    /// Opens the scope of a boot network with the leases that are stored for it. `name` is that of
    /// [`crate::BootNetworkConfig::scope`]; `excluded` are addresses never to be given, ours above all.
    ///
    /// # Errors
    /// When the range is upside down or the database can't be read. A single stored lease that
    /// can't be read or doesn't fit is skipped with a warning.
    pub fn open_scope(
        &self,
        name: &str,
        interface: &str,
        range: AddressRange,
        excluded: &[Ipv4Addr],
    ) -> Result<Arc<Scope>> {
        if range.first > range.last {
            return Err(Error::invalid(
                Area::Network,
                "range",
                format!(
                    "{} comes after {}; write the lower address first",
                    range.first, range.last
                ),
            ));
        }
        let mut pool = Pool::new(range, excluded);
        load(&self.inner.store, name, &mut pool)?;
        let scope = Arc::new(Scope {
            name: name.to_owned(),
            interface: interface.to_owned(),
            pool: Mutex::new(pool),
            store: self.inner.store.clone(),
            events: self.inner.events.clone(),
            clients: self.inner.clients.clone(),
        });
        let mut scopes = self
            .inner
            .scopes
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        scopes.insert(name.to_owned(), scope.clone());
        Ok(scope)
    }

    /// Closes a scope; its leases stay stored.
    pub fn close_scope(&self, name: &str) {
        let mut scopes = self
            .inner
            .scopes
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        scopes.remove(name);
    }

    /// An open scope.
    pub fn scope(&self, name: &str) -> Option<Arc<Scope>> {
        let scopes = self
            .inner
            .scopes
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        scopes.get(name).cloned()
    }

    /// Who was given an address last and did not hand it back: see [`pool::Pool::last_holder`].
    pub fn last_holder(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let scopes = self.inner.scopes();
        scopes
            .iter()
            .find_map(|scope| scope.with_pool(|pool| pool.last_holder(address)))
    }

    /// A computer was heard to ask another server for that address.
    pub fn overheard(&self, mac: MacAddr, address: Ipv4Addr) {
        self.inner.elsewhere().hear(mac, address);
    }

    /// Who has an address of another server, as far as it was overheard.
    pub fn elsewhere(&self, address: Ipv4Addr) -> Option<MacAddr> {
        self.inner.elsewhere().owner(address)
    }

    /// Whose live lease an address is, of ours or of another server.
    pub fn address_owner(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let now = now();
        let scopes = self.inner.scopes();
        scopes
            .iter()
            .find_map(|scope| scope.with_pool(|pool| pool.owner(address, now)))
            .or_else(|| self.elsewhere(address))
    }

    /// The live address of a computer.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        self.inner.address_of(mac)
    }

    /// Every lease of the open scopes, by scope and address.
    pub fn list(&self) -> Vec<LeaseView> {
        self.inner.scopes().iter().flat_map(|s| s.list()).collect()
    }
}

/// The leases of one boot network.
pub struct Scope {
    name: String,
    interface: String,
    pool: Mutex<Pool>,
    store: Arc<Store>,
    events: EventBus,
    clients: Clients,
}

impl Scope {
    /// The name it is stored under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Decides something in memory. `decide` must not block: every packet waits for it.
    pub fn with_pool<T>(&self, decide: impl FnOnce(&mut Pool) -> T) -> T {
        // A poisoned pool is whole: each of its methods ends without a panic or changes nothing.
        decide(&mut self.pool.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues changed leases at once, in the order of the calls; resolves when all of them are on
    /// stable storage. Many calls share one commit.
    pub fn commit(&self, leases: Vec<Lease>) -> impl Future<Output = Result<()>> + Send + use<> {
        let scope = self.name.clone();
        self.store.write(move |tx| {
            for lease in leases {
                tx.put(&record(&scope, lease))?;
            }
            Ok(())
        })
    }

    /// Tells the page of changed leases. Apart from [`Scope::commit`], so that no ACK waits for it.
    pub fn announce(&self, leases: &[Lease]) {
        let now = now();
        for lease in leases {
            let lease = self.view(lease, now);
            let mac = lease.mac;
            self.events.publish(Event::LeaseChanged { lease });
            self.clients.touch(mac);
        }
    }

    /// Every lease, by address.
    pub fn list(&self) -> Vec<LeaseView> {
        let now = now();
        let mut leases: Vec<Lease> = self.with_pool(|pool| pool.leases().cloned().collect());
        leases.sort_by_key(|l| l.address);
        leases.iter().map(|l| self.view(l, now)).collect()
    }

    /// Live leases, and how many addresses there are to give.
    pub fn usage(&self) -> (u32, u32) {
        let now = now();
        self.with_pool(|pool| {
            let active = pool.leases().filter(|l| l.is_active(now)).count();
            (u32::try_from(active).unwrap_or(u32::MAX), pool.size())
        })
    }

    fn view(&self, lease: &Lease, now: Timestamp) -> LeaseView {
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
            interface: self.interface.clone(),
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
        });
        if !fits {
            tracing::warn!(scope, %address, mac = %record.mac, "a stored lease is outside the range or older than another of the same computer; it is not used");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
