//! Reservations and leases as administrators see and change them.

use super::{
    Inner, Lease, Leases, Scope,
    edit::stored_options,
    options::Layer,
    plan::{self, OwnNetwork},
    rules,
};
use crate::{Area, By, Error, Result, audit::Change, now};
use std::{net::Ipv4Addr, sync::Arc};
use store::{LeaseKey, LeaseRecord, Read, ReservationRecord, Tx};
use types::{
    CreateReservationParams, Event, LeaseState, LeaseView, MacAddr, ReservationId, ReservationView,
    UpdateReservationParams,
};
use uuid::Uuid;

impl Leases {
    /// Every reservation, by scope and address.
    pub fn list_reservations(&self) -> Vec<ReservationView> {
        let mut all: Vec<ReservationRecord> = self
            .inner
            .book(|b| b.reservations.values().cloned().collect());
        all.sort_by(|a, b| (&a.scope, a.address).cmp(&(&b.scope, b.address)));
        all.iter().map(|r| self.inner.reservation_view(r)).collect()
    }

    /// A reservation by its id, its computer's Ethernet address or its own address.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when several scopes have one.
    pub fn reservation(&self, text: &str) -> Result<ReservationView> {
        let record = self.inner.require_reservation(text)?;
        Ok(self.inner.reservation_view(&record))
    }

    /// Makes a reservation.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can't be, [`Error::Conflict`] for what is another's,
    /// [`Error::NotFound`] for an unknown scope.
    pub(crate) async fn create_reservation(
        &self,
        by: &By,
        params: CreateReservationParams,
    ) -> Result<ReservationView> {
        let scope = self
            .inner
            .scope_for(params.scope.as_deref(), params.address)?;
        let record = ReservationRecord {
            id: ReservationId(Uuid::now_v7()),
            scope,
            mac: params.mac,
            address: params.address,
            hostname: params.hostname.filter(|n| !n.is_empty()),
            options: stored_options(Area::Reservation, params.options, Layer::Computer)?,
            created_at: now(),
            revision: 1,
        };
        self.reserve(by, "reservation.create", record).await
    }

    /// Changes what `params` names. `if_match` is the revision the caller read, when it has one.
    ///
    /// # Errors
    /// As [`Leases::create_reservation`], and [`Error::PreconditionFailed`].
    pub(crate) async fn update_reservation(
        &self,
        by: &By,
        text: &str,
        if_match: Option<u64>,
        params: UpdateReservationParams,
    ) -> Result<ReservationView> {
        let id = self.inner.require_reservation(text)?.id;
        let options = params.options;
        let options = options.map(|o| stored_options(Area::Reservation, o, Layer::Computer));
        let options = options.transpose()?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let old = require_revision(tx, id, if_match)?;
            let mut record = old.clone();
            record.address = params.address.unwrap_or(record.address);
            if let Some(name) = params.hostname {
                record.hostname = Some(name).filter(|n| !n.is_empty());
            }
            record.options = options.unwrap_or(record.options);
            if record != old {
                record.revision += 1;
                inner.save_reservation(tx, &by, "reservation.update", Some(old), record.clone())?;
            }
            Ok::<_, Error>(record)
        });
        let record = write.await?;
        Ok(self.inner.reservation_view(&record))
    }

    /// Removes a reservation. A computer that has the address keeps it while its lease is renewed, if
    /// it is in a range.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub(crate) async fn remove_reservation(
        &self,
        by: &By,
        text: &str,
        if_match: Option<u64>,
    ) -> Result<()> {
        let id = self.inner.require_reservation(text)?.id;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record = require_revision(tx, id, if_match)?;
            tx.remove::<ReservationRecord>(&id);
            let change = change("reservation.remove", &record).facts(Some(facts(&record)), None);
            inner.audit.record(tx, &by, change)?;
            tx.on_commit(move || {
                inner.change_book(|book| {
                    book.reservations.remove(&id);
                    book.apply(&record.scope);
                });
                inner.events.publish(Event::ReservationRemoved { id });
                inner.tell_lease(&record.scope, record.address);
            });
            Ok(())
        });
        write.await
    }

    /// Makes a reservation of a lease: its computer keeps the address for good. One that does already
    /// keeps it; false is beside it then, since nothing was made.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a lease; [`Error::Conflict`] when it rests, or another address
    /// is reserved for its computer.
    pub(crate) async fn keep_lease(
        &self,
        by: &By,
        address: &str,
        scope: Option<&str>,
    ) -> Result<(ReservationView, bool)> {
        let (scope, lease) = self.inner.require_lease(address, scope)?;
        if lease.state == LeaseState::Declined {
            return Err(Error::conflict(
                Area::Lease,
                format!("{} rests: somebody else was found to use it", lease.address),
                "Find out who uses it, or forget the lease first.",
            ));
        }
        let known = self.inner.book(|b| {
            let same = |r: &&ReservationRecord| {
                (&*r.scope, r.mac, r.address) == (scope.name(), lease.mac, lease.address)
            };
            b.reservations.values().find(same).cloned()
        });
        if let Some(known) = known {
            return Ok((self.inner.reservation_view(&known), false));
        }
        let record = ReservationRecord {
            id: ReservationId(Uuid::now_v7()),
            scope: scope.name().to_owned(),
            mac: lease.mac,
            address: lease.address,
            hostname: None,
            options: Vec::new(),
            created_at: now(),
            revision: 1,
        };
        let made = self.reserve(by, "lease.keep", record).await?;
        Ok((made, true))
    }

    /// A lease by its address, with the scope's name where several scopes have that.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a lease, [`Error::Invalid`] when several are meant.
    pub(crate) fn lease_view(&self, address: &str, scope: Option<&str>) -> Result<LeaseView> {
        let (scope, lease) = self.inner.require_lease(address, scope)?;
        Ok(scope.view(&lease, now()))
    }

    /// Forgets a lease that has ended, or one that rests: its address may be given to any computer.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a lease; [`Error::Conflict`] while it lives.
    pub(crate) async fn forget_lease(
        &self,
        by: &By,
        address: &str,
        scope: Option<&str>,
    ) -> Result<()> {
        let (scope, lease) = self.inner.require_lease(address, scope)?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            // As it is now: it may have been given anew, and be stored already.
            let lease = scope.lease(lease.address).unwrap_or(lease);
            require_ended(&lease)?;
            let (name, address) = (scope.name().to_owned(), lease.address);
            let key = LeaseKey {
                scope: name.clone(),
                address,
            };
            tx.remove::<LeaseRecord>(&key);
            let text = address.to_string();
            let before =
                serde_json::json!({ "mac": lease.mac, "state": lease.state, "scope": name });
            let change =
                Change::act("lease.forget", "lease", &text, &text).facts(Some(before), None);
            inner.audit.record(tx, &by, change)?;
            tx.on_commit(move || {
                // One that was given anew meanwhile is not forgotten: it is stored behind this.
                if scope
                    .with_pool(|pool| pool.forget(address, now()))
                    .is_some()
                {
                    let event = Event::LeaseRemoved {
                        scope: name,
                        address,
                    };
                    inner.events.publish(event);
                }
            });
            Ok(())
        });
        write.await
    }

    async fn reserve(
        &self,
        by: &By,
        action: &'static str,
        record: ReservationRecord,
    ) -> Result<ReservationView> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let made = record.clone();
        let write = self
            .inner
            .store
            .write(move |tx| inner.save_reservation(tx, &by, action, None, record));
        write.await?;
        Ok(self.inner.reservation_view(&made))
    }
}

impl Inner {
    /// The scope of that name, else the one whose subnet has the address.
    fn scope_for(&self, name: Option<&str>, address: Ipv4Addr) -> Result<String> {
        if let Some(name) = name {
            let found = self.book(|b| b.open.contains_key(name));
            return match found {
                true => Ok(name.to_owned()),
                false => Err(Error::not_found(Area::Scope, name)),
            };
        }
        let on = |scope: &Arc<Scope>| scope.decide(|_, plan| plan.subnet.contains(address));
        let scopes: Vec<_> = self.scopes().into_iter().filter(on).collect();
        match scopes.as_slice() {
            [scope] => Ok(scope.name().to_owned()),
            [] => Err(Error::invalid(
                Area::Reservation,
                "address",
                format!("{address} is in the subnet of no scope"),
            )),
            _ => Err(several(Area::Reservation, address, &scopes)),
        }
    }

    /// The lease of an address, and its scope.
    fn require_lease(&self, address: &str, scope: Option<&str>) -> Result<(Arc<Scope>, Lease)> {
        let missing = || Error::not_found(Area::Lease, address);
        let address: Ipv4Addr = address.parse().map_err(|_| missing())?;
        let wanted = |s: &Arc<Scope>| scope.is_none_or(|name| name == s.name());
        let with_lease = |s: Arc<Scope>| s.lease(address).map(|lease| (s, lease));
        let scopes = self.scopes().into_iter().filter(wanted);
        let mut found: Vec<_> = scopes.filter_map(with_lease).collect();
        match found.len() {
            0 => Err(missing()),
            1 => Ok(found.remove(0)),
            _ => {
                let scopes: Vec<_> = found.into_iter().map(|(s, _)| s).collect();
                Err(several(Area::Lease, address, &scopes))
            }
        }
    }

    fn require_reservation(&self, text: &str) -> Result<ReservationRecord> {
        let (mac, address) = (text.parse::<MacAddr>().ok(), text.parse::<Ipv4Addr>().ok());
        let id: Option<ReservationId> = text.parse().ok();
        let same = |r: &&ReservationRecord| {
            Some(r.id) == id || Some(r.mac) == mac || Some(r.address) == address
        };
        let mut found: Vec<ReservationRecord> =
            self.book(|b| b.reservations.values().filter(same).cloned().collect());
        match found.len() {
            0 => Err(Error::not_found(Area::Reservation, text)),
            1 => Ok(found.remove(0)),
            n => Err(Error::conflict(
                Area::Reservation,
                format!("{n} scopes have a reservation of {text}"),
                "Name it by its id.",
            )),
        }
    }

    fn save_reservation(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        by: &By,
        action: &'static str,
        old: Option<ReservationRecord>,
        record: ReservationRecord,
    ) -> Result<()> {
        self.check(&tx.list_readable(None)?, &record)?;
        tx.put(&record)?;
        let before = old.as_ref().map(facts);
        let change = change(action, &record).facts(before, Some(facts(&record)));
        self.audit.record(tx, by, change)?;
        let inner = self.clone();
        tx.on_commit(move || {
            inner.change_book(|book| {
                book.reservations.insert(record.id, record.clone());
                book.apply(&record.scope);
            });
            let reservation = inner.reservation_view(&record);
            inner
                .events
                .publish(Event::ReservationChanged { reservation });
            for address in old.iter().map(|o| o.address).chain([record.address]) {
                inner.tell_lease(&record.scope, address);
            }
        });
        Ok(())
    }

    /// Whether a reservation can be, beside all others and the leases that live.
    fn check(&self, all: &[ReservationRecord], new: &ReservationRecord) -> Result<()> {
        rules::mac(new.mac)?;
        new.hostname.as_deref().map_or(Ok(()), rules::hostname)?;
        let address = new.address;
        let others = || {
            all.iter()
                .filter(|r| r.scope == new.scope && r.id != new.id)
        };
        if let Some(other) = others().find(|r| r.mac == new.mac) {
            return Err(conflict(
                format!(
                    "{} has a reservation of {} already",
                    other.mac, other.address
                ),
                "Change that one, or remove it first.",
            ));
        }
        if let Some(other) = others().find(|r| r.address == address) {
            return Err(conflict(
                format!("{address} is reserved for {}", other.mac),
                "Choose another address, or remove that reservation first.",
            ));
        }
        let open = self.book(|b| b.open.get(&new.scope).cloned());
        let open = open.ok_or_else(|| {
            Error::unavailable(
                Area::Reservation,
                format!("the boot network of the scope {:?} does not run", new.scope),
                "Look why at the network, and try again when it runs.",
            )
        })?;
        let (subnet, router) = open.decide(|_, plan| (plan.subnet, plan.router));
        if !rules::host_of(address, subnet) {
            return Err(Error::invalid(
                Area::Reservation,
                "address",
                format!("{address} is no address of a computer in {subnet}"),
            ));
        }
        if open.own().map(|o: &OwnNetwork| o.server) == Some(address) {
            return Err(conflict(
                format!("{address} is this server's own address"),
                "Choose another address.",
            ));
        }
        if router == Some(address) {
            return Err(conflict(
                format!("{address} is the router's"),
                "Choose another address.",
            ));
        }
        match open.with_pool(|pool| pool.owner(address, now())) {
            Some(owner) if owner != new.mac => Err(conflict(
                format!("{address} is leased to {owner}, which may be using it"),
                "Choose another address, or wait until that lease has ended.",
            )),
            _ => Ok(()),
        }
    }

    fn reservation_view(&self, r: &ReservationRecord) -> ReservationView {
        let client = self.clients.find_mac(r.mac);
        ReservationView {
            id: r.id,
            scope: r.scope.clone(),
            mac: r.mac,
            address: r.address,
            hostname: r.hostname.clone(),
            options: r.options.iter().map(plan::option).collect(),
            client_id: client.as_ref().map(|c| c.id),
            client_name: client.map(|c| c.name.clone()),
            created_at: r.created_at,
            revision: r.revision,
        }
    }

    /// Tells the page of a lease whose reservation changed.
    fn tell_lease(&self, scope: &str, address: Ipv4Addr) {
        let open = self.book(|b| b.open.get(scope).cloned());
        if let Some((open, lease)) = open.and_then(|s| s.lease(address).map(|l| (s, l))) {
            open.announce(&[lease]);
        }
    }
}

fn require_revision(
    tx: &Tx<'_>,
    id: ReservationId,
    if_match: Option<u64>,
) -> Result<ReservationRecord> {
    let record: Option<ReservationRecord> = tx.get(&id)?;
    let record = record.ok_or_else(|| Error::not_found(Area::Reservation, id))?;
    if if_match.is_some_and(|r| r != record.revision) {
        return Err(Error::PreconditionFailed {
            area: Area::Reservation,
            current: record.revision,
        });
    }
    Ok(record)
}

fn require_ended(lease: &Lease) -> Result<()> {
    if !lease.is_active(now()) {
        return Ok(());
    }
    Err(Error::conflict(
        Area::Lease,
        format!(
            "{} is in use by {} until {}",
            lease.address, lease.mac, lease.ends_at
        ),
        "Shut that computer down and wait until the lease has ended; taken away, its address would be given to a second one.",
    ))
}

fn conflict(message: String, hint: &str) -> Error {
    Error::conflict(Area::Reservation, message, hint)
}

fn several(area: Area, address: Ipv4Addr, scopes: &[Arc<Scope>]) -> Error {
    let names: Vec<_> = scopes.iter().map(|s| s.name()).collect();
    Error::conflict(
        area,
        format!("{address} is in several scopes: {}", names.join(", ")),
        "Name the scope, too.",
    )
}

fn change(action: &'static str, r: &ReservationRecord) -> Change {
    Change::act(
        action,
        "reservation",
        r.id,
        &format!("{} for {}", r.address, r.mac),
    )
}

/// What the audit log says of a reservation.
fn facts(r: &ReservationRecord) -> serde_json::Value {
    let options: Vec<String> = r
        .options
        .iter()
        .map(|o| plan::option(o).to_string())
        .collect();
    serde_json::json!({
        "scope": r.scope, "mac": r.mac, "address": r.address, "hostname": r.hostname,
        "options": options,
    })
}
