//! Scopes as administrators see and change them.

use super::{
    Inner, Leases,
    options::{self, Layer},
    plan, rules,
};
use crate::{Area, By, Error, Result, audit::Change, network::LEASE_SECONDS};
use std::{net::Ipv4Addr, sync::Arc};
use store::{LeaseRecord, OptionRecord, Read, ReservationRecord, ScopePrefix, ScopeRecord, Tx};
use types::{
    AddressRange, CreateScopeParams, DhcpOption, Event, ScopeView, Subnet, UpdateScopeParams,
};

impl Leases {
    /// Every scope that is open or that something is set for, by name.
    pub fn list_scopes(&self) -> Vec<ScopeView> {
        let mut names: Vec<String> = self.inner.book(|book| {
            let all = book.open.keys().chain(book.records.keys());
            all.cloned().collect()
        });
        names.sort();
        names.dedup();
        let views = names.iter().filter_map(|name| self.inner.scope_view(name));
        views.collect()
    }

    /// A scope by name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn scope_view(&self, name: &str) -> Result<ScopeView> {
        let view = self.inner.scope_view(name);
        view.ok_or_else(|| Error::not_found(Area::Scope, name))
    }

    /// Tells the page how a scope is now.
    pub fn tell_scope(&self, name: &str) {
        self.inner.tell_scope(name);
    }

    /// Makes the scope of a relayed subnet; it is served at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can't be, [`Error::Conflict`] for a taken name or subnet.
    pub(crate) async fn create_scope(
        &self,
        by: &By,
        params: CreateScopeParams,
    ) -> Result<ScopeView> {
        rules::name(&params.name)?;
        rules::subnet(params.subnet)?;
        let record = ScopeRecord {
            name: params.name.clone(),
            subnet: Some((params.subnet.network(), params.subnet.prefix_len())),
            ranges: Vec::new(),
            exclusions: Vec::new(),
            router: None,
            dns: Vec::new(),
            domain: None,
            lease_seconds: None,
            options: Vec::new(),
            probe: true,
            revision: 0,
        };
        let name = params.name;
        let change = UpdateScopeParams {
            ranges: Some(params.ranges),
            exclusions: Some(params.exclusions),
            router: params.router.map(|a| a.to_string()),
            dns: Some(params.dns),
            domain: params.domain,
            lease_seconds: params.lease_seconds.filter(|s| *s != 0),
            options: Some(params.options),
            probe: None,
        };
        let record = ScopeRecord {
            revision: 1,
            ..changed(record, change, Some(params.subnet), None)?
        };
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let all: Vec<ScopeRecord> = tx.list_readable(None)?;
            if inner.scope_view(&record.name).is_some() || all.iter().any(|r| r.name == record.name)
            {
                return Err(Error::conflict(
                    Area::Scope,
                    format!("there is a scope {:?} already", record.name),
                    "Change that one, or choose another name.",
                ));
            }
            inner.apart_from_all(&record.name, params.subnet, &all)?;
            inner.save_scope(tx, &by, "scope.create", None, record)
        });
        write.await?;
        self.scope_view(&name)
    }

    /// Changes what `params` names; leases live on. `if_match` is the revision the caller read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], and [`Error::Invalid`] for what can't be or
    /// is a setting's.
    pub(crate) async fn update_scope(
        &self,
        by: &By,
        name: &str,
        if_match: Option<u64>,
        params: UpdateScopeParams,
    ) -> Result<ScopeView> {
        self.scope_view(name)?;
        let (inner, by, key) = (self.inner.clone(), by.clone(), name.to_owned());
        let write = self.inner.store.write(move |tx| {
            let stored: Option<ScopeRecord> = tx.get(&key)?;
            let own = inner.book(|b| b.open.get(&key).and_then(|s| s.own().cloned()));
            let old = match stored.clone() {
                Some(record) => record,
                None if own.is_some() => own_record(key),
                None => return Err(Error::not_found(Area::Scope, key)),
            };
            require_revision(&old, if_match)?;
            let relayed = old.subnet.map(|(a, len)| Subnet::of(a, len));
            let subnet = own.as_ref().map(|o| o.subnet()).or(relayed);
            let range = own.map(|o| o.range);
            let record = changed(old.clone(), params, subnet, range)?;
            match record == old {
                true => Ok(()),
                false => inner.save_scope(tx, &by, "scope.update", Some(old), record),
            }
        });
        write.await?;
        self.scope_view(name)
    }

    /// Removes the scope of a relayed subnet, with what is known of its former leases.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`]; [`Error::Conflict`] for a boot network's own,
    /// and while it has reservations or live leases.
    pub(crate) async fn remove_scope(
        &self,
        by: &By,
        name: &str,
        if_match: Option<u64>,
    ) -> Result<()> {
        let view = self.scope_view(name)?;
        let (inner, by, key) = (self.inner.clone(), by.clone(), name.to_owned());
        let write = self.inner.store.write(move |tx| {
            if view.is_own {
                return Err(Error::conflict(
                    Area::Scope,
                    format!("{key:?} is the own scope of that boot network and goes with it"),
                    "Serve the boot network no more, or change the scope.",
                ));
            }
            let record: Option<ScopeRecord> = tx.get(&key)?;
            let record = record.ok_or_else(|| Error::not_found(Area::Scope, &key))?;
            require_revision(&record, if_match)?;
            let reservations: Vec<ReservationRecord> = tx.list_readable(None)?;
            let reserved = reservations.iter().filter(|r| r.scope == key).count();
            let active = inner.book(|b| b.open.get(&key).map_or(0, |s| s.usage().0));
            if reserved > 0 || active > 0 {
                return Err(Error::conflict(
                    Area::Scope,
                    format!("{key:?} has {active} live leases and {reserved} reservations"),
                    "Take its ranges away, so that nothing of it is given or renewed; remove its reservations, and the scope when the last lease has ended.",
                ));
            }
            tx.remove::<ScopeRecord>(&key);
            let leases: Vec<LeaseRecord> = tx.list_readable(Some(&ScopePrefix(key.clone())))?;
            for lease in leases {
                tx.remove::<LeaseRecord>(&store::Record::key(&lease));
            }
            let change = Change::act("scope.remove", "scope", &key, &key).facts(Some(facts(&record)), None);
            inner.audit.record(tx, &by, change)?;
            tx.on_commit(move || {
                inner.change_book(|book| {
                    book.records.remove(&key);
                    book.open.remove(&key);
                });
                inner.tell_scope(&key);
            });
            Ok(())
        });
        write.await
    }
}

impl Inner {
    pub(super) fn tell_scope(&self, name: &str) {
        let event = match self.scope_view(name) {
            Some(scope) => Event::ScopeChanged { scope },
            None => Event::ScopeRemoved { name: name.into() },
        };
        self.events.publish(event);
    }

    pub(super) fn scope_view(&self, name: &str) -> Option<ScopeView> {
        let (open, record) =
            self.book(|b| (b.open.get(name).cloned(), b.records.get(name).cloned()));
        let own = open.as_ref().and_then(|s| s.own());
        let built = plan::build(own, record.as_ref(), &[]).map(|(plan, _)| plan);
        let is_own = match (&open, &record) {
            (Some(open), _) => open.own().is_some(),
            (None, Some(record)) => record.subnet.is_none(),
            (None, None) => return None,
        };
        let (leases_active, leases_total) = open.as_ref().map_or((0, 0), |s| s.usage());
        let mut ranges: Vec<AddressRange> = own.iter().map(|o| o.range).collect();
        let record = record.as_ref();
        ranges.extend(record.iter().flat_map(|r| &r.ranges).map(plan::range));
        Some(ScopeView {
            name: name.to_owned(),
            is_own,
            subnet: built.as_ref().map(|p| p.subnet),
            ranges,
            exclusions: record
                .map_or_else(Vec::new, |r| r.exclusions.iter().map(plan::range).collect()),
            router: built.as_ref().and_then(|p| p.router),
            dns: built.as_ref().map_or_else(Vec::new, |p| p.dns.clone()),
            domain: record.and_then(|r| r.domain.clone()),
            lease_seconds: match &built {
                Some(plan) => plan.lease_seconds,
                None => record
                    .and_then(|r| r.lease_seconds)
                    .unwrap_or(LEASE_SECONDS),
            },
            own_lease_seconds: record.and_then(|r| r.lease_seconds),
            options: record.map_or_else(Vec::new, |r| r.options.iter().map(plan::option).collect()),
            probe: record.is_none_or(|r| r.probe),
            leases_active,
            leases_total,
            revision: record.map_or(0, |r| r.revision),
        })
    }

    /// Subnets of relayed scopes are apart from each other and from those of boot networks.
    fn apart_from_all(&self, name: &str, subnet: Subnet, all: &[ScopeRecord]) -> Result<()> {
        for other in all {
            if let Some((address, len)) = other.subnet {
                rules::apart(name, subnet, &other.name, Subnet::of(address, len))?;
            }
        }
        for open in self.scopes() {
            if let Some(own) = open.own() {
                rules::apart(name, subnet, open.name(), own.subnet())?;
            }
        }
        Ok(())
    }

    /// Stores a scope; what is served follows once it is durable.
    fn save_scope(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        by: &By,
        action: &'static str,
        old: Option<ScopeRecord>,
        record: ScopeRecord,
    ) -> Result<()> {
        tx.put(&record)?;
        let before = old.as_ref().map(facts);
        let change = Change::act(action, "scope", &record.name, &record.name)
            .facts(before, Some(facts(&record)));
        self.audit.record(tx, by, change)?;
        let inner = self.clone();
        tx.on_commit(move || inner.scope_saved(record));
        Ok(())
    }

    fn scope_saved(&self, record: ScopeRecord) {
        let name = record.name.clone();
        let is_new = record.subnet.is_some() && self.book(|book| !book.open.contains_key(&name));
        self.change_book(|book| book.records.insert(name.clone(), record));
        if is_new {
            match self.make_scope(&name, None) {
                Ok(Some(scope)) => {
                    self.change_book(|book| book.open.insert(name.clone(), scope));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(scope = name, %error, "a new scope is served from the next start on");
                }
            }
        }
        self.book(|book| book.apply(&name));
        self.tell_scope(&name);
    }
}

/// The record of a boot network's own scope for which nothing is set yet.
pub(super) fn own_record(name: String) -> ScopeRecord {
    ScopeRecord {
        name,
        subnet: None,
        ranges: Vec::new(),
        exclusions: Vec::new(),
        router: None,
        dns: Vec::new(),
        domain: None,
        lease_seconds: None,
        options: Vec::new(),
        probe: true,
        revision: 0,
    }
}

fn require_revision(record: &ScopeRecord, if_match: Option<u64>) -> Result<()> {
    if if_match.is_some_and(|r| r != record.revision) {
        return Err(Error::PreconditionFailed {
            area: Area::Scope,
            current: record.revision,
        });
    }
    Ok(())
}

/// The record with the change made, checked; its revision is raised when anything differs. `range` is
/// that of the setting, which is not stored twice.
fn changed(
    old: ScopeRecord,
    params: UpdateScopeParams,
    subnet: Option<Subnet>,
    range: Option<AddressRange>,
) -> Result<ScopeRecord> {
    let mut record = old.clone();
    let pairs = |ranges: &[AddressRange]| ranges.iter().map(|r| (r.first, r.last)).collect();
    if let Some(mut ranges) = params.ranges {
        ranges.retain(|r| Some(*r) != range);
        rules::ranges("ranges", &ranges, subnet)?;
        rules::disjoint(&ranges, range)?;
        record.ranges = pairs(&ranges);
    }
    if let Some(exclusions) = params.exclusions {
        rules::ranges("exclusions", &exclusions, subnet)?;
        record.exclusions = pairs(&exclusions);
    }
    if let Some(text) = params.router {
        rules::not_own("router", &record)?;
        record.router = router(&text, subnet)?;
    }
    if let Some(dns) = params.dns {
        rules::not_own("dns", &record)?;
        rules::dns(&dns)?;
        record.dns = dns;
    }
    if let Some(domain) = params.domain {
        let domain = Some(domain).filter(|d| !d.is_empty());
        domain.as_deref().map_or(Ok(()), rules::domain)?;
        record.domain = domain;
    }
    if let Some(seconds) = params.lease_seconds {
        record.lease_seconds = match seconds {
            0 => None,
            _ => Some(rules::lease_seconds(seconds)?),
        };
    }
    if let Some(options) = params.options {
        record.options = stored_options(Area::Scope, options, Layer::Scope)?;
    }
    record.probe = params.probe.unwrap_or(record.probe);
    if record != old {
        record.revision += 1;
    }
    Ok(record)
}

fn router(text: &str, subnet: Option<Subnet>) -> Result<Option<Ipv4Addr>> {
    if text.is_empty() {
        return Ok(None);
    }
    let router = text.parse().map_err(|_| {
        let rule = "write the address of a computer like 10.77.0.254";
        Error::invalid(Area::Scope, "router", rule)
    })?;
    subnet.map_or(Ok(()), |s| rules::router(router, s))?;
    Ok(Some(router))
}

/// Options as they are stored, once they are known to be good.
pub(crate) fn stored_options(
    area: Area,
    options: Vec<DhcpOption>,
    layer: Layer,
) -> Result<Vec<OptionRecord>> {
    options::encode(area, &options, layer)?;
    let record = |o: DhcpOption| OptionRecord {
        code: o.code,
        kind: o.kind,
        value: o.value,
    };
    Ok(options.into_iter().map(record).collect())
}

/// What the audit log says of a scope.
fn facts(r: &ScopeRecord) -> serde_json::Value {
    let ranges = |all: &[(Ipv4Addr, Ipv4Addr)]| -> Vec<String> {
        all.iter().map(|r| plan::range(r).to_string()).collect()
    };
    let options: Vec<String> = r
        .options
        .iter()
        .map(|o| plan::option(o).to_string())
        .collect();
    serde_json::json!({
        "subnet": r.subnet.map(|(a, len)| Subnet::of(a, len)), "ranges": ranges(&r.ranges),
        "exclusions": ranges(&r.exclusions), "router": r.router, "dns": r.dns, "domain": r.domain,
        "lease_seconds": r.lease_seconds, "options": options, "probe": r.probe,
    })
}
