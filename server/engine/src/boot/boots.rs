//! The boots of all computers: takes in signals, tells each machine what to load, keeps the history.

use super::{
    Signal, Who, causes, choice::Chain, disks::Disks, identity, next::UsedOneShots, script::Plane,
    tally, tickets::Tickets, timeline::Timeline,
};
use crate::{
    Audit, BootEntries, Clients, Counters, Error, EventBus, Groups, Images, Leases, Loaders,
    Result, Settings, StorageBackend,
    export::{Exports, SessionInfo},
    firmware::{Failure, Firmwares, Outcome},
    now,
};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{BootKey, BootRecord, ClientRecord, Read, ReadTx, Store};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use types::{
    BootId, BootState, BootView, ClientState, Event, MacAddr, Quirks, ReadyFacts, Timestamp,
};

/// Boots kept of one computer.
const KEPT: usize = 50;
/// Signals that may wait; a flood beyond it is dropped, not stored up.
const QUEUE: usize = 8192;
/// Signals folded before the page and the store hear of them.
const BATCH: usize = 512;
/// How often boots are looked over for silence.
const LOOK: Duration = Duration::from_secs(1);

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
    newest: Mutex<HashMap<MacAddr, Timeline>>,
    chain: Chain,
    pub(super) disks: Disks,
    pub(super) used_one_shots: UsedOneShots,
    pub(super) tickets: Tickets,
    queue: mpsc::Sender<Seen>,
    /// The other end of the queue, held by who folds.
    signals: tokio::sync::Mutex<mpsc::Receiver<Seen>>,
}

/// A signal, who it is about, and when it was seen.
type Seen = (Who, Timestamp, Signal);

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

    /// Folds signals into timelines: the page learns first, then the store. After `stop` it takes in
    /// what still waits and returns. A run that panics loses the signals that it held; the next one
    /// goes on with the rest. Of two at a time the second waits.
    pub async fn fold(&self, stop: impl Future<Output = ()> + Send) {
        let mut signals = self.inner.signals.lock().await;
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut stop = std::pin::pin!(stop);
        loop {
            let first = tokio::select! {
                biased;
                _ = tick.tick() => None,
                signal = signals.recv() => signal,
                () = &mut stop => return,
            };
            self.inner.take_in(first, &mut signals, now()).await;
        }
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    pub(super) fn needs(&self) -> &Needs {
        &self.inner.needs
    }

    /// Tells the timeline what was seen at that moment. Returns at once; a flood is dropped.
    pub fn signal(&self, who: Who, at: Timestamp, signal: Signal) {
        // Here, not in the queue: the machine's next DISCOVER must find it done.
        match &signal {
            Signal::LoaderDone { file, .. } if self.inner.needs.loaders.is_loader(file) => {
                let mac = self.inner.mac_of(who);
                mac.into_iter()
                    .for_each(|mac| self.inner.chain.arrived(mac, at));
            }
            Signal::Script | Signal::HandedOver { .. } => {
                let mac = self.inner.mac_of(who);
                mac.into_iter().for_each(|mac| self.inner.chain.passed(mac));
            }
            _ => {}
        }
        let told = self.inner.tell_firmware(who, at, &signal);
        for signal in std::iter::once(signal).chain(told) {
            if self.inner.queue.try_send((who, at, signal)).is_err() {
                tracing::warn!("too many boot signals at once; one was dropped");
            }
        }
    }

    /// A session on a disk began, or read its first block.
    pub fn disk_signal(&self, session: &SessionInfo, at: Timestamp, first_read: bool) {
        let Some(client) =
            identity::client_of(&session.target).and_then(|id| self.inner.needs.clients.get(id))
        else {
            return;
        };
        let via = session.via;
        let signal = if first_read {
            Signal::DiskRead { via }
        } else {
            Signal::DiskLogin { via }
        };
        self.signal(Who::Mac(client.mac), at, signal);
    }

    /// The computer that is known to be at this address, for a protocol that has no login: there the address
    /// alone says whose disk may be opened. Where another server hands out the addresses it is known by what
    /// was overheard; after a restart of ours, which forgets that, by where it was in its newest boot.
    pub fn disk_owner(&self, peer: Ipv4Addr, plane: &Plane) -> Option<Arc<ClientRecord>> {
        let leases = &self.inner.needs.leases;
        let mac = match plane.assigns_addresses {
            true => leases.last_holder(peer),
            false => leases.elsewhere(plane.server, peer).or_else(|| {
                let newest = lock(&self.inner.newest);
                let there = newest.values().filter(|t| t.view.address == Some(peer));
                let last = there.max_by_key(|t| t.view.started_at)?.view.mac;
                leases
                    .elsewhere_of(plane.server, last)
                    .is_none()
                    .then_some(last)
            }),
        };
        self.inner.needs.clients.find_mac(mac?)
    }

    /// A session on a disk ended.
    pub fn disk_closed(&self, session: &SessionInfo) {
        let clients = &self.inner.needs.clients;
        if let Some(client) = identity::client_of(&session.target).and_then(|id| clients.get(id)) {
            if client.state == ClientState::Retired {
                self.inner.needs.exports.withdraw_idle(&session.target);
            }
            clients.touch(client.mac);
        }
    }

    /// A login to a disk was refused. Without a target of ours there is nobody to tell it of.
    pub fn disk_refused(&self, peer: IpAddr, target: Option<&str>, why: &str, at: Timestamp) {
        // Whoever knows a target's name could stop its computer's boot on the page.
        let leases = &self.inner.needs.leases;
        let is_its_own = |mac| {
            leases
                .address_of(mac)
                .is_none_or(|a| peer.to_canonical() == a)
        };
        let client = target
            .and_then(identity::client_of)
            .and_then(|id| self.inner.needs.clients.get(id));
        if let Some(client) = client.filter(|c| is_its_own(c.mac)) {
            let cause = causes::disk_refused(why);
            self.signal(Who::Mac(client.mac), at, Signal::DiskRefused { cause });
        }
    }

    /// A booted system reports ready. A disk image can't carry a secret, so the report counts only
    /// when its address has a live lease, that computer has begun a boot, and its disk is in use.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when one of these is not so.
    pub fn ready(&self, peer: Ipv4Addr, facts: ReadyFacts, at: Timestamp) -> Result<()> {
        let needs = &self.inner.needs;
        let mac = self
            .inner
            .mac_of(Who::Address(peer))
            .or_else(|| self.inner.mac_by_disk(peer))
            .ok_or(Error::Forbidden(
                "this address has neither a lease nor a disk of ours",
            ))?;
        let client = needs
            .clients
            .find_mac(mac)
            .ok_or(Error::Forbidden("this computer is not one of ours"))?;
        let target = identity::target(client.id);
        if !needs
            .exports
            .sessions()
            .iter()
            .any(|s| s.target == target && s.peer.ip() == peer)
        {
            return Err(Error::Forbidden("this computer has no disk of ours in use"));
        }
        if !lock(&self.inner.newest).contains_key(&mac) {
            return Err(Error::Forbidden("this computer has no boot under way"));
        }
        self.signal(
            Who::Mac(mac),
            at,
            Signal::Ready {
                facts: Box::new(facts),
            },
        );
        Ok(())
    }

    /// The newest boot of a computer.
    pub fn newest(&self, mac: MacAddr) -> Option<BootView> {
        lock(&self.inner.newest).get(&mac).map(|t| t.view.clone())
    }

    /// Looks for silence as at that moment.
    #[cfg(test)]
    pub(crate) async fn look_at(&self, at: Timestamp) {
        let mut signals = self.inner.signals.lock().await;
        self.inner.take_in(None, &mut signals, at).await;
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

    /// The kept boots of one computer, newest first.
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
    fn mac_of(&self, who: Who) -> Option<MacAddr> {
        match who {
            Who::Mac(mac) => Some(mac),
            Who::Address(address) => self.needs.leases.address_owner(address),
        }
    }

    /// Whether `peer` may have the script of this machine: it carries the disk's secret, and asking
    /// for it starts the disk anew. Where another server hands out the addresses, we know who has
    /// which by the requests that we overheard, else by where its disk is in use; who is known by
    /// neither is taken at its word.
    pub(super) fn recognise(&self, mac: MacAddr, peer: Ipv4Addr, plane: &Plane) -> Result<()> {
        let leases = &self.needs.leases;
        let is_its_own = if plane.assigns_addresses {
            leases.last_holder(peer) == Some(mac)
        } else {
            let known_at = leases.elsewhere_of(plane.server, mac);
            let known_at = known_at.or_else(|| self.disk_peer(mac));
            leases
                .elsewhere(plane.server, peer)
                .is_none_or(|known| known == mac)
                && known_at.is_none_or(|address| address == peer)
        };
        match is_its_own {
            true => Ok(()),
            false => Err(Error::Forbidden("this address is not that computer's")),
        }
    }

    /// This computer has proved that it is at that address.
    pub(super) fn is_at(&self, mac: MacAddr, peer: Ipv4Addr, plane: &Plane) {
        if !plane.assigns_addresses {
            self.needs.leases.overheard(plane.server, mac, peer);
        }
    }

    /// From where a computer's disk is in use.
    fn disk_peer(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        let target = identity::target(self.needs.clients.find_mac(mac)?.id);
        let sessions = self.needs.exports.sessions();
        let session = sessions.iter().find(|s| s.target == target)?;
        match session.peer.ip().to_canonical() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    /// Whose disk is in use from this address.
    fn mac_by_disk(&self, peer: Ipv4Addr) -> Option<MacAddr> {
        let sessions = self.needs.exports.sessions();
        let session = sessions.iter().find(|s| s.peer.ip() == peer)?;
        let client = identity::client_of(&session.target)?;
        Some(self.needs.clients.get(client)?.mac)
    }

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

    /// What a signal says of the way that its firmware boots: at once, since the next packet may be
    /// the next try. What is to be told of it goes back.
    fn tell_firmware(&self, who: Who, at: Timestamp, signal: &Signal) -> Option<Signal> {
        let firmware = &self.needs.firmware;
        match signal {
            Signal::Discover { .. } => {
                let (quirks, pinned) = firmware.given(self.mac_of(who)?)?;
                (!quirks.is_usual()).then_some(Signal::Way { quirks, pinned })
            }
            Signal::Ack { .. }
            | Signal::TookOther { .. }
            | Signal::BootServer { .. }
            | Signal::LoaderAsked { .. } => {
                firmware.heeded(self.mac_of(who)?);
                None
            }
            Signal::LoaderFailed {
                blame: Some(failure),
                ..
            } => {
                let mac = self.mac_of(who)?;
                // Anybody may ask for a file in the name of a computer that runs long since.
                let is_its = lock(&self.newest)
                    .get(&mac)
                    .is_some_and(Timeline::is_firmwares);
                let failed = is_its.then(|| firmware.failed(mac, *failure, at))??;
                Some(Signal::WayFailed { failed })
            }
            _ => None,
        }
    }

    /// Takes in one signal; the computer whose boots changed, and boots to be stored.
    fn take(
        &self,
        who: Who,
        at: Timestamp,
        signal: Signal,
        changed: &mut HashMap<BootId, BootView>,
        outcomes: &mut Vec<Outcome>,
    ) -> Option<MacAddr> {
        let mac = self.mac_of(who)?;
        let client_id = self.needs.clients.find_mac(mac).map(|c| c.id);
        let mut newest = lock(&self.newest);
        let over = newest
            .get(&mac)
            .is_none_or(|t| t.is_over_for(at, &signal) || t.view.state == BootState::Superseded);
        if over {
            if !Timeline::begins_with(&signal) {
                return None;
            }
            let fresh = Timeline::begin(mac, client_id, at);
            if let Some(mut old) = newest.insert(mac, fresh) {
                let before = old.view.state;
                if let Some(failure) = old.blame_for_restart() {
                    outcomes.extend(self.blame_firmware(mac, failure, &mut old, at));
                }
                old.supersede(at);
                tally::count(&self.needs.counters.boots, before, &old.view);
                changed.insert(old.view.id, old.view);
            }
        }
        let timeline = newest.get_mut(&mac)?;
        timeline.view.client_id = client_id.or(timeline.view.client_id);
        let before = timeline.view.state;
        if timeline.first_proof(&signal) {
            outcomes.extend(self.needs.firmware.worked(mac, at));
        }
        if let Signal::WayFailed { failed } = &signal {
            outcomes.extend(failed.outcome.as_deref().cloned());
        }
        if !timeline.apply(at, signal) && !over {
            return None;
        }
        tally::count(&self.needs.counters.boots, before, &timeline.view);
        changed.insert(timeline.view.id, timeline.view.clone());
        Some(mac)
    }

    /// Takes in a signal and what waits behind it; without one, looks for boots that are silent.
    async fn take_in(
        &self,
        first: Option<Seen>,
        signals: &mut mpsc::Receiver<Seen>,
        at: Timestamp,
    ) {
        let (mut changed, mut macs) = (HashMap::new(), HashSet::new());
        let mut outcomes = Vec::new();
        match first {
            None => macs.extend(self.look_for_silence(at, &mut changed, &mut outcomes)),
            Some(first) => {
                let waiting = std::iter::from_fn(|| signals.try_recv().ok());
                for (who, at, signal) in std::iter::once(first).chain(waiting).take(BATCH) {
                    if is_kept(self, who, &signal).await {
                        macs.extend(self.take(who, at, signal, &mut changed, &mut outcomes));
                    }
                }
            }
        }
        if !changed.is_empty() {
            self.publish(&macs, &changed);
            self.keep(changed).await;
        }
        if let Err(error) = self.needs.firmware.learn(outcomes).await {
            tracing::error!(%error, "what was learned of firmware could not be stored");
        }
    }

    /// The computers whose boots were just found stopped.
    fn look_for_silence(
        &self,
        at: Timestamp,
        changed: &mut HashMap<BootId, BootView>,
        outcomes: &mut Vec<Outcome>,
    ) -> Vec<MacAddr> {
        let mut stopped = Vec::new();
        for (mac, timeline) in lock(&self.newest).iter_mut() {
            if timeline.check_stalled(at) {
                if let Some(failure) = timeline.blame() {
                    outcomes.extend(self.blame_firmware(*mac, failure, timeline, at));
                }
                tally::count(
                    &self.needs.counters.boots,
                    BootState::Booting,
                    &timeline.view,
                );
                changed.insert(timeline.view.id, timeline.view.clone());
                stopped.push(*mac);
            }
        }
        stopped
    }

    /// Its firmware may be to blame for the end of this boot: the next one goes another way.
    fn blame_firmware(
        &self,
        mac: MacAddr,
        failure: Failure,
        boot: &mut Timeline,
        at: Timestamp,
    ) -> Option<Outcome> {
        let failed = self.needs.firmware.failed(mac, failure, at)?;
        let outcome = failed.outcome.as_deref().cloned();
        boot.apply(at, Signal::WayFailed { failed });
        outcome
    }

    fn publish(&self, macs: &HashSet<MacAddr>, changed: &HashMap<BootId, BootView>) {
        for boot in changed.values() {
            self.needs
                .events
                .publish(Event::BootChanged { boot: boot.clone() });
        }
        macs.iter().for_each(|mac| self.needs.clients.touch(*mac));
    }

    /// Stores changed boots and forgets the oldest beyond [`KEPT`].
    async fn keep(&self, changed: HashMap<BootId, BootView>) {
        let write = self.needs.store.write(move |tx| {
            for boot in changed.values() {
                tx.put(&BootRecord::from(boot))?;
                let all: Vec<BootRecord> = tx.list_readable(Some(&boot.mac))?;
                for old in &all[..all.len().saturating_sub(KEPT)] {
                    tx.remove::<BootRecord>(&BootKey {
                        mac: old.mac,
                        id: old.id,
                    });
                }
            }
            Ok::<(), Error>(())
        });
        if let Err(error) = write.await {
            tracing::error!(%error, "the history of boots could not be stored");
        }
    }
}

/// Whether the signal is of a computer in the list. One that begins to boot is put there, unless
/// too many that nobody adopted are there already: made-up addresses must not fill the database.
async fn is_kept(inner: &Inner, who: Who, signal: &Signal) -> bool {
    let Some(mac) = inner.mac_of(who) else {
        return false;
    };
    if !Timeline::begins_with(signal) || inner.needs.clients.find_mac(mac).is_some() {
        return true;
    }
    match inner.needs.clients.discovered(mac).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%mac, %error, "not kept as discovered");
            false
        }
    }
}

/// A panic elsewhere while a lock was held leaves these values whole.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
