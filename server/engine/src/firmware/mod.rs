//! Kinds of firmware: what is tried when one does not come through, what is remembered of what worked,
//! and what an administrator pinned.

mod ladder;
mod learn;
mod pin;
#[cfg(test)]
mod tests;
mod trials;

pub use ladder::{Failure, Means};

use crate::{Area, Audit, Clients, Error, EventBus, Result};
pub(crate) use learn::Outcome;
use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use store::{FirmwareKind, FirmwareRecord, Read, Store};
use trials::Trials;
use types::{FirmwareId, FirmwareView, LoaderKind, MacAddr, Quirks, Timestamp};

/// How each kind of firmware boots. Looking it up never touches the disk. Cheap to clone.
#[derive(Clone)]
pub struct Firmwares {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    clients: Clients,
    cache: RwLock<Cache>,
    trials: Mutex<Trials>,
}

#[derive(Default)]
struct Cache {
    by_id: HashMap<FirmwareId, Arc<FirmwareRecord>>,
    by_kind: HashMap<FirmwareKind, FirmwareId>,
}

/// How a computer is to boot now.
#[derive(Clone, PartialEq, Debug)]
pub struct Way {
    pub quirks: Quirks,
    /// An administrator said so.
    pub pinned: bool,
    /// The one before, when its failure was seen just now.
    pub failed: Option<Failed>,
}

/// A way that failed.
#[derive(Clone, PartialEq, Debug)]
pub struct Failed {
    /// What is to be remembered of it; None of a computer that is not in the list.
    pub outcome: Option<Box<Outcome>>,
    /// What is tried next; None where it is pinned, or was not given out yet.
    pub next: Option<Quirks>,
}

impl Firmwares {
    pub(crate) fn open(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        clients: Clients,
    ) -> Result<Self> {
        let mut cache = Cache::default();
        let all: Vec<FirmwareRecord> = store.read(|tx| tx.list_readable(None))?;
        // A crash may have kept a row from going with its computer.
        let is_left = |r: &FirmwareRecord| matches!(r.kind, FirmwareKind::Client(id) if clients.get(id).is_none());
        let all = all.into_iter().filter(|r| !is_left(r));
        all.for_each(|record| cache.put(record));
        let inner = Arc::new(Inner {
            store,
            events,
            audit,
            clients,
            cache: RwLock::new(cache),
            trials: Mutex::default(),
        });
        let firmwares = Firmwares { inner };
        firmwares.go_with_their_clients();
        Ok(firmwares)
    }

    /// A computer that is removed takes its own row along.
    fn go_with_their_clients(&self) {
        let weak = Arc::downgrade(&self.inner);
        let runtime = tokio::runtime::Handle::current();
        self.inner.clients.on_removed(move |client| {
            let Some(inner) = weak.upgrade() else { return };
            let Some(id) = inner.id_of(&FirmwareKind::Client(client.id)) else {
                return;
            };
            // Not here: this is the database's thread.
            runtime.spawn(async move {
                let registry = inner.clone();
                let write = inner.store.write(move |tx| {
                    tx.remove::<FirmwareRecord>(&id);
                    tx.on_commit(move || registry.forget(id));
                    Ok::<_, Error>(())
                });
                if let Err(error) = write.await {
                    tracing::error!(%error, "what was pinned for a removed computer is still kept");
                }
            });
        });
    }

    /// How a machine that asks now is to boot. `is_discover`: it asks for offers, which it may have left
    /// unanswered before.
    pub fn way(
        &self,
        mac: MacAddr,
        vendor_class: &str,
        means: Means,
        is_discover: bool,
        at: Timestamp,
    ) -> Way {
        let mut trials = lock(&self.inner.trials);
        if trials.is_chained(mac, means.firmware, at) {
            let pinned = self.pinned(mac, trials.kind(mac));
            let quirks = pinned.unwrap_or_else(|| trials.current(mac, |kind| self.known(kind)));
            // It does not go through its loader once more.
            let quirks = Quirks {
                pace: quirks.pace,
                ..Quirks::default()
            };
            return Way {
                quirks,
                pinned: pinned.is_some(),
                failed: None,
            };
        }
        let kind = FirmwareKind::Model {
            oui: [mac.0[0], mac.0[1], mac.0[2]],
            vendor_class: vendor_class.into(),
        };
        let pinned = self.pinned(mac, Some(&kind));
        let is_again = is_discover && trials.asks_again(mac, means.firmware, at);
        let failed = match is_again {
            true => self.fail(&mut trials, mac, Failure::NotHeeded, at),
            false => None,
        };
        let known = self.known(&kind);
        let own = trials.begin(mac, kind, means, known, at);
        let quirks = pinned.unwrap_or(own);
        trials.used(mac, quirks);
        if is_discover {
            trials.discovered(mac, at);
        }
        Way {
            quirks,
            pinned: pinned.is_some(),
            failed,
        }
    }

    /// How a computer was last answered, and whether an administrator said so.
    pub fn given(&self, mac: MacAddr) -> Option<(Quirks, bool)> {
        let trials = lock(&self.inner.trials);
        let pinned = self.pinned(mac, trials.kind(mac)).is_some();
        Some((trials.given(mac)?, pinned))
    }

    /// How a computer is to get its files; the usual way for one that did not ask by DHCP.
    pub fn quirks(&self, mac: MacAddr) -> Quirks {
        let mut trials = lock(&self.inner.trials);
        let pinned = self.pinned(mac, trials.kind(mac));
        let way = pinned.unwrap_or_else(|| trials.current(mac, |kind| self.known(kind)));
        trials.used(mac, way);
        way
    }

    /// Which iPXE build its firmware is to have, and whether an administrator says so.
    pub fn loader(&self, mac: MacAddr) -> Option<(LoaderKind, bool)> {
        let trials = lock(&self.inner.trials);
        match self.pinned(mac, trials.kind(mac)) {
            Some(pinned) => pinned.loader.map(|kind| (kind, true)),
            None => {
                let way = trials.current(mac, |kind| self.known(kind));
                way.loader.map(|kind| (kind, false))
            }
        }
    }

    /// It went on after an offer.
    pub fn heeded(&self, mac: MacAddr) {
        lock(&self.inner.trials).heeded(mac);
    }

    /// The way that a computer was given failed.
    pub fn failed(&self, mac: MacAddr, failure: Failure, at: Timestamp) -> Option<Failed> {
        self.fail(&mut lock(&self.inner.trials), mac, failure, at)
    }

    fn fail(
        &self,
        trials: &mut Trials,
        mac: MacAddr,
        failure: Failure,
        at: Timestamp,
    ) -> Option<Failed> {
        if failure == Failure::NotStarted && !trials.asks_for_a_script(mac) {
            return None;
        }
        let outcome = self.outcome_in(trials, mac, at, false).map(Box::new);
        let next = match self.pinned(mac, trials.kind(mac)) {
            Some(_) => None,
            None => Some(trials.failed(mac, failure, |kind| self.known(kind))?),
        };
        Some(Failed { outcome, next })
    }

    /// The way that a computer went brought it to its script.
    pub fn worked(&self, mac: MacAddr, at: Timestamp) -> Option<Outcome> {
        self.outcome_in(&lock(&self.inner.trials), mac, at, true)
    }

    /// Whose row an outcome goes to: the computer's own where it has one.
    fn outcome_in(
        &self,
        trials: &Trials,
        mac: MacAddr,
        at: Timestamp,
        worked: bool,
    ) -> Option<Outcome> {
        let own = FirmwareKind::Client(self.inner.clients.find_mac(mac)?.id);
        let kind = match self.inner.id_of(&own) {
            Some(_) => own,
            None => trials.kind(mac)?.clone(),
        };
        Some(Outcome {
            kind,
            tried: trials.given(mac)?,
            at,
            worked,
        })
    }

    /// Every kind of firmware that booted here or was pinned: single computers first, then in order.
    pub fn list(&self) -> Vec<FirmwareView> {
        let all: Vec<_> = self.inner.cached(|c| c.by_id.values().cloned().collect());
        let mut views: Vec<_> = all.iter().map(|r| self.view(r)).collect();
        views.sort_by(|a, b| {
            let order = |v: &FirmwareView| {
                (
                    v.client_id.is_none(),
                    v.client_name.clone(),
                    v.oui.clone(),
                    v.vendor_class.clone(),
                )
            };
            order(a).cmp(&order(b))
        });
        views
    }

    /// One, by its id, or by the computer that it holds for.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn require(&self, text: &str) -> Result<Arc<FirmwareRecord>> {
        let by_id = text.parse::<FirmwareId>().ok();
        let by_client = || {
            let client = self.inner.clients.find(text)?;
            self.inner.id_of(&FirmwareKind::Client(client.id))
        };
        by_id
            .and_then(|id| self.inner.get(id))
            .or_else(|| self.inner.get(by_client()?))
            .ok_or_else(|| Error::not_found(Area::Firmware, text))
    }

    /// One as shown.
    pub fn view(&self, r: &FirmwareRecord) -> FirmwareView {
        self.inner.view(r)
    }

    /// What holds for a computer by an administrator's word: its own before that for its firmware.
    fn pinned(&self, mac: MacAddr, kind: Option<&FirmwareKind>) -> Option<Quirks> {
        let client = self.inner.clients.find_mac(mac);
        let own = client.and_then(|c| self.inner.find(&FirmwareKind::Client(c.id)));
        own.or_else(|| self.inner.find(kind?))
            .filter(|r| r.pinned)
            .map(|r| quirks_of(&r))
    }

    /// How that kind is known to boot.
    fn known(&self, kind: &FirmwareKind) -> Quirks {
        self.inner
            .find(kind)
            .map_or_else(Quirks::default, |r| quirks_of(&r))
    }
}

impl Inner {
    fn cached<T>(&self, read: impl FnOnce(&Cache) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self, id: FirmwareId) -> Option<Arc<FirmwareRecord>> {
        self.cached(|c| c.by_id.get(&id).cloned())
    }

    fn id_of(&self, kind: &FirmwareKind) -> Option<FirmwareId> {
        self.cached(|c| c.by_kind.get(kind).copied())
    }

    fn find(&self, kind: &FirmwareKind) -> Option<Arc<FirmwareRecord>> {
        self.cached(|c| c.by_id.get(c.by_kind.get(kind)?).cloned())
    }

    /// Memory and page follow a row that is durable.
    fn remember(&self, record: FirmwareRecord) {
        let firmware = self.view(&record);
        let cache = self.cache.write();
        cache.unwrap_or_else(PoisonError::into_inner).put(record);
        self.events
            .publish(types::Event::FirmwareChanged { firmware });
    }

    /// The same for a row that is gone.
    fn forget(&self, id: FirmwareId) {
        let cache = self.cache.write();
        cache.unwrap_or_else(PoisonError::into_inner).remove(id);
        self.events.publish(types::Event::FirmwareRemoved { id });
    }

    /// What was tried with its computers is forgotten, since an administrator said otherwise.
    fn try_no_more(&self, kind: &FirmwareKind) {
        let mac = match kind {
            FirmwareKind::Client(id) => self.clients.get(*id).map(|c| c.mac),
            FirmwareKind::Model { .. } => None,
        };
        lock(&self.trials).forget(|of, its| Some(of) == mac || its == kind);
    }

    fn view(&self, r: &FirmwareRecord) -> FirmwareView {
        let (oui, vendor_class, client_id) = match &r.kind {
            FirmwareKind::Model { oui, vendor_class } => {
                (written(*oui), vendor_class.clone(), None)
            }
            FirmwareKind::Client(id) => (String::new(), String::new(), Some(*id)),
        };
        let client = client_id.and_then(|id| self.clients.get(id));
        FirmwareView {
            id: r.id,
            oui,
            vendor_class,
            client_id,
            client_name: client.map(|c| c.name.clone()),
            quirks: quirks_of(r),
            pinned: r.pinned,
            worked: r.worked,
            failed: r.failed,
            last_worked_at: r.last_worked_at,
            last_failed_at: r.last_failed_at,
            revision: r.revision,
        }
    }
}

impl Cache {
    fn put(&mut self, record: FirmwareRecord) {
        self.by_kind.insert(record.kind.clone(), record.id);
        self.by_id.insert(record.id, Arc::new(record));
    }

    fn remove(&mut self, id: FirmwareId) {
        if let Some(record) = self.by_id.remove(&id)
            && self.by_kind.get(&record.kind) == Some(&id)
        {
            self.by_kind.remove(&record.kind);
        }
    }
}

/// What a row says.
fn quirks_of(r: &FirmwareRecord) -> Quirks {
    Quirks {
        form: r.form,
        loader: r.loader,
        block_size: r.block_size,
        delay_ms: r.delay_ms,
        pace: r.pace,
    }
}

/// The row with other quirks. What was counted of the old ones does not tell of the new.
fn with_quirks(r: FirmwareRecord, quirks: Quirks) -> FirmwareRecord {
    if quirks_of(&r) == quirks {
        return r;
    }
    let Quirks {
        form,
        loader,
        block_size,
        delay_ms,
        pace,
    } = quirks;
    FirmwareRecord {
        form,
        loader,
        block_size,
        delay_ms,
        pace,
        worked: 0,
        failed: 0,
        failed_since: 0,
        last_worked_at: None,
        last_failed_at: None,
        ..r
    }
}

/// `52:54:00`.
fn written(oui: [u8; 3]) -> String {
    let mut text = String::with_capacity(8);
    for byte in oui {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02x}");
    }
    text
}

/// A panic elsewhere while a lock was held leaves these values whole.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
