//! The boots of all computers: the newest of each, and the history. What daemons see of them is folded in `fold`.

use super::{
    Signal, Who, choice::Chain, disks::Disks, identity, next::UsedOneShots, tickets::Tickets,
    timeline::Timeline,
};
use crate::{
    Audit, BootEntries, Clients, Counters, EventBus, Groups, Images, Leases, Loaders, Result,
    Settings, StorageBackend, export::Exports, firmware::Firmwares,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{BootRecord, Read, ReadTx, Store};
use tokio::sync::mpsc;
use types::{BootId, BootState, BootView, MacAddr, Quirks, Timestamp};

/// Signals that may wait; a flood beyond it is dropped, not stored up.
const QUEUE: usize = 8192;

/// What the engine gives to boots.
pub(crate) struct Needs {
    pub store: Arc<Store>,
    pub events: EventBus,
    pub settings: Settings,
    pub entries: BootEntries,
    pub groups: Groups,
    pub audit: Audit,
    pub clients: Clients,
    pub images: Images,
    pub leases: Leases,
    pub loaders: Loaders,
    pub firmware: Firmwares,
    pub storage: Arc<dyn StorageBackend>,
    pub exports: Exports,
    pub counters: Arc<Counters>,
}

/// Every computer's boot under way and its history. Cheap to clone.
#[derive(Clone)]
pub struct Boots {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) needs: Needs,
    /// The newest boot of each computer.
    pub(super) newest: Mutex<HashMap<MacAddr, Timeline>>,
    pub(super) chain: Chain,
    pub(super) disks: Disks,
    pub(super) used_one_shots: UsedOneShots,
    pub(super) tickets: Tickets,
    pub(super) queue: mpsc::Sender<Seen>,
    /// The other end of the queue, held by who folds.
    pub(super) signals: tokio::sync::Mutex<mpsc::Receiver<Seen>>,
}

/// A signal, who it is about, and when it was seen.
pub(super) type Seen = (Who, Timestamp, Signal);

impl Boots {
    /// Loads the newest boots and offers the disks of clients that have one. Signals wait until
    /// [`Boots::fold`] runs. Call it inside a tokio runtime.
    pub(crate) fn open(needs: Needs) -> Result<Boots> {
        let mut newest: HashMap<MacAddr, Timeline> = HashMap::new();
        // In the order of their ids, which is that of time: the last one stays.
        for record in needs
            .store
            .read(|tx| tx.list_readable::<BootRecord>(None))?
        {
            newest.insert(record.mac, BootView::from(record).into());
        }
        let (queue, signals) = mpsc::channel(QUEUE);
        let disks = Disks::new(
            (needs.clients.clone(), needs.images.clone()),
            needs.storage.clone(),
            needs.exports.clone(),
        );
        let inner = Arc::new(Inner {
            needs,
            newest: Mutex::new(newest),
            chain: Chain::default(),
            disks,
            used_one_shots: UsedOneShots::default(),
            tickets: Tickets::default(),
            queue,
            signals: tokio::sync::Mutex::new(signals),
        });
        inner.disks.offer_existing();
        inner.disks.tell_of_left()?;
        inner.disks.go_with_their_clients();
        inner.disks.go_with_their_lists();
        inner.join_clients();
        Ok(Boots { inner })
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    pub(super) fn needs(&self) -> &Needs {
        &self.inner.needs
    }

    /// The newest boot of a computer.
    pub fn newest(&self, mac: MacAddr) -> Option<BootView> {
        lock(&self.inner.newest).get(&mac).map(|t| t.view.clone())
    }

    /// How it is to get its files.
    pub fn quirks(&self, who: Who) -> Quirks {
        let mac = self.inner.mac_of(who);
        mac.map_or_else(Quirks::default, |mac| self.needs().firmware.quirks(mac))
    }

    /// Which boot this one is in, or was in last; for log lines.
    pub fn id_of(&self, who: Who) -> Option<BootId> {
        let mac = self.inner.mac_of(who)?;
        Some(lock(&self.inner.newest).get(&mac)?.view.id)
    }

    /// How many computers are booting now.
    pub fn in_progress(&self) -> usize {
        let newest = lock(&self.inner.newest);
        let states = newest.values().map(|t| t.view.state);
        states.filter(|s| *s == BootState::Booting).count()
    }

    /// The kept boots of the computer with that address, newest first.
    ///
    /// # Errors
    /// Of the store.
    pub async fn history(&self, mac: MacAddr) -> Result<Vec<BootView>> {
        let store = &self.inner.needs.store;
        let read = move |tx: &ReadTx| tx.list_readable::<BootRecord>(Some(&mac));
        let records = store.read_long(read).await?;
        Ok(records.into_iter().rev().map(BootView::from).collect())
    }

    /// All kept boots, newest first.
    ///
    /// # Errors
    /// Of the store.
    pub async fn list(&self) -> Result<Vec<BootView>> {
        let store = &self.inner.needs.store;
        let read = |tx: &ReadTx| tx.list_readable::<BootRecord>(None);
        let mut all = store.read_long(read).await?;
        all.sort_by_key(|boot| std::cmp::Reverse(boot.id));
        Ok(all.into_iter().map(BootView::from).collect())
    }

    /// One kept boot.
    ///
    /// # Errors
    /// Of the store.
    pub async fn get(&self, id: BootId) -> Result<Option<BootView>> {
        Ok(self.list().await?.into_iter().find(|b| b.id == id))
    }
}

impl Inner {
    /// What views of clients show of boots and disks.
    fn join_clients(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        self.needs
            .clients
            .join_last_boot(move |mac| Some(lock(&weak.upgrade()?.newest).get(&mac)?.view.clone()));
        let storage = self.needs.storage.clone();
        self.needs
            .clients
            .join_overlay_bytes(move |id| storage.overlay_bytes(id));
        let exports = self.needs.exports.clone();
        self.needs
            .clients
            .join_disk_in_use(move |id| exports.in_use(&identity::target(id)));
    }
}

/// A panic elsewhere while a lock was held leaves these values whole.
pub(super) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
