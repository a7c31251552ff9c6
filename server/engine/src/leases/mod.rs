//! Leases: which address belongs to which computer, on each subnet.
//!
//! Decisions are made in memory ([`Pool`]); what a computer is told to rely on is on disk first
//! ([`Scope::commit`]). Offers are never stored: they lapse within a minute.
//!
//! A scope is a boot network's own, open while that network runs, or of a subnet behind relays, always
//! open. What it gives and says is made of the network's setting, of its record and of its
//! reservations ([`plan`]); a change of any of them holds from the next packet on.

mod edit;
mod elsewhere;
mod lease;
pub mod options;
pub mod plan;
mod pool;
mod reservations;
mod rules;
mod scope;
mod spans;

pub(crate) use edit::stored_options;
pub use elsewhere::Network;
pub use lease::{Asker, Claim, Lease};
pub use plan::{OwnNetwork, Plan, Reserved};
pub use pool::{Found, OFFER_SECONDS, Pool, QUARANTINE_SECONDS, Shape};
pub use scope::Scope;

use crate::{Area, Audit, Clients, Error, EventBus, Result, now};
use elsewhere::Elsewhere;
use options::OptionBytes;
use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak},
};
use store::{Read, ReservationRecord, ScopeRecord, Store};
use types::{LeaseView, MacAddr, ReservationId, Subnet};

/// Every scope with its leases and reservations. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    clients: Clients,
    book: RwLock<Book>,
    elsewhere: Mutex<Elsewhere>,
}

/// What is open, and what is committed.
#[derive(Default)]
struct Book {
    open: BTreeMap<String, Arc<Scope>>,
    records: BTreeMap<String, ScopeRecord>,
    reservations: BTreeMap<ReservationId, ReservationRecord>,
}

impl Book {
    fn reservations_of(&self, scope: &str) -> Vec<ReservationRecord> {
        let all = self.reservations.values();
        all.filter(|r| r.scope == scope).cloned().collect()
    }

    /// Makes the open scope what setting, record and reservations say.
    fn apply(&self, scope: &str) {
        let Some(open) = self.open.get(scope) else {
            return;
        };
        let record = self.records.get(scope);
        if let Some((plan, shape)) = plan::build(open.own(), record, &self.reservations_of(scope)) {
            open.apply(plan, shape);
        }
    }
}

impl Inner {
    fn book<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_book<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.book.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn scopes(&self) -> Vec<Arc<Scope>> {
        self.book(|book| book.open.values().cloned().collect())
    }

    /// All of them, those whose subnet has the address first: another one may know it from before its
    /// subnet was changed.
    fn scopes_for(&self, address: Ipv4Addr) -> Vec<Arc<Scope>> {
        let mut scopes = self.scopes();
        scopes.sort_by_key(|s| !s.decide(|_, plan| plan.subnet.contains(address)));
        scopes
    }

    fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let now = now();
        let scopes = self.scopes();
        scopes
            .iter()
            .find_map(|scope| scope.address_of(mac, now))
            .or_else(|| self.elsewhere().address_of(mac))
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn make_scope(&self, name: &str, own: Option<OwnNetwork>) -> Result<Option<Arc<Scope>>> {
        let built = self.book(|book| {
            let reservations = book.reservations_of(name);
            plan::build(own.as_ref(), book.records.get(name), &reservations)
        });
        let Some(built) = built else { return Ok(None) };
        let parts = (
            self.store.clone(),
            self.events.clone(),
            self.clients.clone(),
        );
        Scope::open(name, own, built, parts).map(|scope| Some(Arc::new(scope)))
    }
}

impl Leases {
    /// The scopes of relayed subnets are open from now on; views of clients get their address from here.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn open(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        clients: Clients,
    ) -> Result<Leases> {
        let (records, reservations) = store.read(|tx| {
            let records: Vec<ScopeRecord> = tx.list_readable(None)?;
            let reservations: Vec<ReservationRecord> = tx.list_readable(None)?;
            Ok::<_, Error>((records, reservations))
        })?;
        let book = Book {
            open: BTreeMap::new(),
            records: records.into_iter().map(|r| (r.name.clone(), r)).collect(),
            reservations: reservations.into_iter().map(|r| (r.id, r)).collect(),
        };
        let inner = Arc::new(Inner {
            store,
            events,
            audit,
            clients: clients.clone(),
            book: RwLock::new(book),
            elsewhere: Mutex::default(),
        });
        let names: Vec<String> = inner.book(|book| book.records.keys().cloned().collect());
        for name in names {
            if let Some(scope) = inner.make_scope(&name, None)? {
                inner.change_book(|book| book.open.insert(name, scope));
            }
        }
        // Weak: the clients must not keep us, we keep them.
        let weak: Weak<Inner> = Arc::downgrade(&inner);
        clients.join_address(move |mac| weak.upgrade()?.address_of(mac));
        Ok(Leases { inner })
    }

    /// Opens the own scope of a boot network with the leases that are stored for it. `name` is that of
    /// [`crate::BootNetworkConfig::scope`].
    ///
    /// # Errors
    /// When the range is upside down, a relayed subnet's scope has the name or shares addresses, or the
    /// database can't be read.
    pub fn open_scope(&self, name: &str, own: OwnNetwork) -> Result<Arc<Scope>> {
        if own.range.first > own.range.last {
            return Err(Error::invalid(
                Area::Network,
                "range",
                format!(
                    "{} comes after {}; write the lower address first",
                    own.range.first, own.range.last
                ),
            ));
        }
        self.inner.book(|book| fits_beside(book, name, &own))?;
        let scope = self.inner.make_scope(name, Some(own))?;
        let scope = scope.ok_or_else(|| Error::not_found(Area::Scope, name))?;
        self.inner.change_book(|book| {
            // What was committed while the leases were read.
            let own = scope
                .own()
                .ok_or_else(|| Error::not_found(Area::Scope, name))?;
            fits_beside(book, name, own)?;
            book.open.insert(name.to_owned(), scope.clone());
            book.apply(name);
            Ok::<_, Error>(())
        })?;
        self.tell_scope(name);
        Ok(scope)
    }

    /// Closes a scope; its leases stay stored.
    pub fn close_scope(&self, name: &str) {
        self.inner.change_book(|book| book.open.remove(name));
        self.tell_scope(name);
    }

    /// An open scope.
    pub fn scope(&self, name: &str) -> Option<Arc<Scope>> {
        self.inner.book(|book| book.open.get(name).cloned())
    }

    /// The scope of a relayed subnet that an address is on: of a relay, or of the link that it names
    /// (RFC 3527). Boot networks' own scopes are not among them.
    pub fn relayed_scope(&self, on: Ipv4Addr) -> Option<Arc<Scope>> {
        let is_on = |(_, r): &(&String, &ScopeRecord)| {
            let subnet = r.subnet.map(|(a, len)| Subnet::of(a, len));
            subnet.is_some_and(|s| s.contains(on))
        };
        self.inner.book(|book| {
            let (name, _) = book.records.iter().find(is_on)?;
            book.open.get(name).cloned()
        })
    }

    /// The options of the group that a computer is in.
    pub fn group_options(&self, mac: MacAddr) -> Vec<OptionBytes> {
        self.inner.clients.group_options(mac)
    }

    /// The scopes of all relayed subnets.
    pub fn relayed_scopes(&self) -> Vec<Arc<Scope>> {
        let mut scopes = self.inner.scopes();
        scopes.retain(|scope| scope.own().is_none());
        scopes
    }

    /// Who was given an address last and did not hand it back: see [`pool::Pool::last_holder`].
    pub fn last_holder(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let scopes = self.inner.scopes_for(address);
        scopes
            .iter()
            .find_map(|scope| scope.with_pool(|pool| pool.last_holder(address)))
    }

    /// On this network a computer was heard to ask another server for that address.
    pub fn overheard(&self, network: Network, mac: MacAddr, address: Ipv4Addr) {
        self.inner.elsewhere().hear(network, mac, address);
    }

    /// Who has an address of another server on this network, as far as it was overheard.
    pub fn elsewhere(&self, network: Network, address: Ipv4Addr) -> Option<MacAddr> {
        self.inner.elsewhere().owner(network, address)
    }

    /// The address of another server that a computer has on this network, as far as it was overheard.
    pub fn elsewhere_of(&self, network: Network, mac: MacAddr) -> Option<Ipv4Addr> {
        self.inner.elsewhere().address_on(network, mac)
    }

    /// Whose live lease an address is, of ours or of another server.
    pub fn address_owner(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let now = now();
        let scopes = self.inner.scopes_for(address);
        scopes
            .iter()
            .find_map(|scope| scope.with_pool(|pool| pool.owner(address, now)))
            .or_else(|| self.inner.elsewhere().owner_on_any(address))
    }

    /// The live address of a computer.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        self.inner.address_of(mac)
    }

    /// Queues changed leases of any scopes at once, in the order of the calls; resolves when all of
    /// them are on stable storage. Many calls share one commit.
    pub fn commit(
        &self,
        leases: Vec<(Arc<Scope>, Lease)>,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        self.inner.store.write(move |tx| {
            for (scope, lease) in leases {
                scope.put(tx, lease)?;
            }
            Ok(())
        })
    }

    /// Every lease of the open scopes, by scope and address.
    pub fn list(&self) -> Vec<LeaseView> {
        self.inner.scopes().iter().flat_map(|s| s.list()).collect()
    }
}

/// Scopes of relayed subnets may have been made while this boot network did not run.
fn fits_beside(book: &Book, name: &str, own: &OwnNetwork) -> Result<()> {
    if book.records.get(name).is_some_and(|r| r.subnet.is_some()) {
        return Err(Error::conflict(
            Area::Network,
            format!("a scope of a relayed subnet is called {name:?}, as this boot network"),
            "Remove that scope and make it again under another name.",
        ));
    }
    for record in book.records.values() {
        if let Some((address, len)) = record.subnet {
            let apart = rules::apart(name, own.subnet(), &record.name, Subnet::of(address, len));
            apart.map_err(|why| {
                let hint = "Remove that scope, or give the interface an address in another subnet.";
                Error::conflict(Area::Network, why.to_string(), hint)
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
