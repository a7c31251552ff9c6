//! Snapshots that are taken by themselves: of each computer that keeps its disk, at the moments that are set, or
//! when it is off the next time. `plan` says what is due; here it is looked, taken and thinned.

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{Every, Schedule};

use crate::{
    Actor, By, Clients, Engine, Error, Result,
    audit::Change,
    blocking::blocking,
    jobs::{self, NewJob, Work},
    now,
    settings::Values,
};
use plan::Disk;
use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{ClientRecord, Read, SnapshotsDueRecord, StoredVersion};
use tokio::time::MissedTickBehavior;
use types::{ClientId, JobState, JobUnit, NextSnapshotView, SnapshotWait, Timestamp};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(15);
/// After a try that failed, seconds.
const AGAIN: i64 = 15 * 60;
/// What it is called in the audit log and as an author.
const PART: &str = "schedule";

/// Whether it is the schedule that does something: an account may be called so, too.
pub(crate) fn is_by(by: &By) -> bool {
    matches!(&by.actor, Actor::System(part) if part == PART)
}

/// The schedule at work. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotSchedule {
    inner: Arc<Inner>,
}

struct Inner {
    clients: Clients,
    /// As of the newest look: views ask for it and wait for nothing.
    shown: Mutex<HashMap<ClientId, NextSnapshotView>>,
    /// Until when one that failed is not tried again.
    failed: Mutex<HashMap<ClientId, Timestamp>>,
    /// Old ones that could not go when a newer one was taken last.
    staying: Mutex<HashMap<ClientId, plan::Staying>>,
}

/// What a look found: who is due since when, whether it is off, and when the next moment is.
struct Found {
    due: Vec<(ClientId, Timestamp)>,
    off: Vec<ClientId>,
    next: Timestamp,
}

impl SnapshotSchedule {
    pub(crate) fn new(clients: Clients) -> SnapshotSchedule {
        let inner = Arc::new(Inner {
            clients,
            shown: Mutex::default(),
            failed: Mutex::default(),
            staying: Mutex::default(),
        });
        let weak = Arc::downgrade(&inner);
        inner
            .clients
            .join_next_snapshot(move |id| lock(&weak.upgrade()?.shown).get(&id).copied());
        SnapshotSchedule { inner }
    }

    /// Takes what is due, again and again, until `stop`.
    pub async fn watch(&self, engine: &Engine, stop: impl Future<Output = ()> + Send) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        let mut had_failed = false;
        loop {
            let round = async {
                tick.tick().await;
                self.round(engine, now).await
            };
            let done = tokio::select! {
                done = round => done,
                () = &mut stop => return,
            };
            if let Err(error) = &done
                && !had_failed
            {
                tracing::warn!(%error, "could not look which snapshots are due");
            }
            had_failed = done.is_err();
        }
    }

    /// Takes what is due and can be taken, one after the other.
    async fn round(&self, engine: &Engine, clock: impl Fn() -> Timestamp) -> Result<()> {
        while let Some(client) = self.look(engine, clock()).await? {
            self.take(engine, &client, clock()).await?;
        }
        Ok(())
    }

    /// Looks what is due, writes it down and shows it; the next one to take.
    async fn look(&self, engine: &Engine, now: Timestamp) -> Result<Option<Arc<ClientRecord>>> {
        let kept: Option<SnapshotsDueRecord> = engine.store().read(|tx| tx.get(&()))?;
        let Some(schedule) = engine.settings().with(Values::snapshots) else {
            if kept.is_some() {
                forget(engine).await?;
            }
            self.show(HashMap::new());
            return Ok(None);
        };
        let keeping = engine.boots().keeping();
        let known = plan::known(kept.clone(), schedule, now);
        let (known, off) = self.renew(engine, &keeping, known, (schedule, now)).await?;
        let found = Found {
            due: known.due.clone(),
            off,
            next: schedule.next(now),
        };
        if kept.as_ref() != Some(&known) {
            let write = move |tx: &mut store::Tx<'_>| Ok::<_, Error>(tx.put(&known)?);
            engine.store().write(write).await?;
        }
        let of = |c: &Arc<ClientRecord>| (c.id, self.view(c.id, &found, now));
        let shown: HashMap<_, _> = keeping.iter().map(of).collect();
        let is_ready = |c: &&Arc<ClientRecord>| shown[&c.id].waits == Some(SnapshotWait::Turn);
        let ready = keeping.iter().filter(is_ready);
        let first = ready.min_by_key(|c| shown[&c.id].at).cloned();
        self.show(shown);
        Ok(first)
    }

    /// What is due by now, and which of those that were looked at are off.
    async fn renew(
        &self,
        engine: &Engine,
        keeping: &[Arc<ClientRecord>],
        known: SnapshotsDueRecord,
        (schedule, now): (Schedule, Timestamp),
    ) -> Result<(SnapshotsDueRecord, Vec<ClientId>)> {
        if !plan::is_of_interest(&known, schedule, now) {
            return Ok((known, Vec::new()));
        }
        let is_moment = schedule.last(now) > known.seen;
        let is_due = |c: &Arc<ClientRecord>| known.due.iter().any(|(id, _)| *id == c.id);
        let asked = keeping.iter().filter(|c| is_moment || is_due(c)).cloned();
        let disks = self.disks(engine, asked.collect(), now).await?;
        let off = disks
            .iter()
            .filter(|d| d.is_off)
            .map(|d| d.client)
            .collect();
        Ok((plan::look(known, schedule, now, &disks), off))
    }

    fn view(&self, id: ClientId, found: &Found, now: Timestamp) -> NextSnapshotView {
        let Some((_, since)) = found.due.iter().find(|(client, _)| *client == id) else {
            return NextSnapshotView {
                at: found.next,
                waits: None,
            };
        };
        let waits = match found.off.contains(&id) {
            false => SnapshotWait::Running,
            true if self.is_held_off(id, now) => SnapshotWait::Failed,
            true => SnapshotWait::Turn,
        };
        NextSnapshotView {
            at: *since,
            waits: Some(waits),
        }
    }

    /// Pages are told of what is another than before.
    fn show(&self, shown: HashMap<ClientId, NextSnapshotView>) {
        let before = std::mem::replace(&mut *lock(&self.inner.shown), shown.clone());
        let changed = |id: &&ClientId| before.get(*id) != shown.get(*id);
        let ids = before
            .keys()
            .chain(shown.keys().filter(|id| !before.contains_key(*id)));
        for id in ids.filter(changed) {
            if let Some(client) = self.inner.clients.get(*id) {
                self.inner.clients.touch(client.mac);
            }
        }
    }

    /// Looks at disks, which waits for the file system.
    async fn disks(
        &self,
        engine: &Engine,
        clients: Vec<Arc<ClientRecord>>,
        now: Timestamp,
    ) -> Result<Vec<Disk>> {
        let (engine, schedule) = (engine.clone(), self.clone());
        let disk = move |client: Arc<ClientRecord>| {
            let boots = engine.boots();
            let is_off = boots.is_at_rest(&client);
            // What failed is asked again when it is tried again; what can't be read fails, and says so.
            let ask = is_off && !schedule.is_held_off(client.id, now);
            let taken = engine.images().snapshots_of(client.id).into_iter();
            // One of the future is of a clock that was wrong.
            let taken = taken.filter(|v| v.is_scheduled && v.created_at <= now);
            Disk {
                client: client.id,
                is_off,
                has_news: !ask || boots.has_news(&client).unwrap_or(true),
                taken_at: taken.map(|v| v.created_at).max(),
            }
        };
        blocking(move || Ok(clients.into_iter().map(disk).collect())).await
    }

    fn is_held_off(&self, id: ClientId, now: Timestamp) -> bool {
        lock(&self.inner.failed).get(&id).is_some_and(|until| {
            // A clock that was set back must not hold it off for longer.
            now < *until && now.plus_seconds(AGAIN) >= *until
        })
    }

    async fn take(&self, engine: &Engine, client: &ClientRecord, now: Timestamp) -> Result<()> {
        let (id, by) = (client.id, By::system(PART));
        let new = NewJob {
            work: Work::TakeSnapshot {
                client: id,
                comment: String::new(),
            },
            title: format!("Take a snapshot of {}", client.name),
            unit: JobUnit::Bytes,
            total: None,
            items: Vec::new(),
            change: Change::act("client.snapshot", "client", id, &client.name),
        };
        match jobs::see_through(engine, &by, new).await? {
            JobState::Succeeded => {
                settle(engine, id).await?;
                let left = thin(engine, &by, client).await;
                self.tell_of_staying(client, left);
            }
            // Somebody did not want it: it comes with the next moment.
            JobState::Cancelled => settle(engine, id).await?,
            _ => drop(lock(&self.inner.failed).insert(id, now.plus_seconds(AGAIN))),
        }
        Ok(())
    }

    /// Says once which old ones stay and why, not each night anew.
    fn tell_of_staying(&self, client: &ClientRecord, now: plan::Staying) {
        let before = lock(&self.inner.staying).insert(client.id, now.clone());
        for (version, why) in plan::news(&before.unwrap_or_default(), &now) {
            tracing::warn!(
                client = %client.name, version, why,
                "an old snapshot stays; it is looked at again whenever one is taken"
            );
        }
    }
}

/// There is no schedule, and nothing is due.
async fn forget(engine: &Engine) -> Result<()> {
    let write = |tx: &mut store::Tx<'_>| {
        tx.remove::<SnapshotsDueRecord>(&());
        Ok::<_, Error>(())
    };
    engine.store().write(write).await
}

/// The snapshot of this computer is not due any more.
async fn settle(engine: &Engine, client: ClientId) -> Result<()> {
    let write = move |tx: &mut store::Tx<'_>| {
        if let Some(mut kept) = tx.get::<SnapshotsDueRecord>(&())? {
            kept.due.retain(|(id, _)| *id != client);
            tx.put(&kept)?;
        }
        Ok::<_, Error>(())
    };
    engine.store().write(write).await
}

/// Removes the oldest that the schedule took, down to how many are kept; those that stay, as something builds on them.
async fn thin(engine: &Engine, by: &By, client: &ClientRecord) -> plan::Staying {
    let mut taken = engine.images().snapshots_of(client.id);
    taken.retain(|v| v.is_scheduled);
    let keep = engine.settings().with(|v| v.snapshots_keep);
    let mut surplus: Vec<StoredVersion> = plan::surplus(&taken, keep).to_vec();
    loop {
        let (before, mut left) = (surplus.len(), Vec::new());
        for version in surplus {
            match engine.boots().remove_snapshot(by, version.id).await {
                Ok(()) => tracing::info!(
                    client = %client.name, version = version.number, "an old snapshot went by schedule"
                ),
                Err(error) => left.push((version, error)),
            }
        }
        // What was removed may have been all that needed one of those that are left.
        if left.is_empty() || left.len() == before {
            let why = left
                .into_iter()
                .map(|(v, error)| (v.number, error.to_string()));
            return why.collect();
        }
        surplus = left.into_iter().map(|(version, _)| version).collect();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
