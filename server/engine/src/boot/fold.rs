//! What daemons saw becomes timelines: signals are queued, folded in their order, told and stored.

use super::{
    Signal, Who,
    boots::{Boots, Inner, Seen, lock},
    causes, identity, tally,
    timeline::Timeline,
};
use crate::{
    Error,
    export::SessionInfo,
    firmware::{Failure, Outcome},
    now,
};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};
use store::{BootKey, BootRecord, Read};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use types::{BootId, BootState, BootView, ClientState, Event, MacAddr, Timestamp};

/// Boots kept of one computer.
const KEPT: usize = 50;
/// Signals folded before the page and the store hear of them.
const BATCH: usize = 512;
/// How often boots are looked over for silence.
const LOOK: Duration = Duration::from_secs(1);

impl Boots {
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

    /// Looks for silence as at that moment.
    #[cfg(test)]
    pub(crate) async fn look_at(&self, at: Timestamp) {
        let mut signals = self.inner.signals.lock().await;
        self.inner.take_in(None, &mut signals, at).await;
    }
}

impl Inner {
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
