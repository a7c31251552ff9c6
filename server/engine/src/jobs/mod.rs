//! Jobs: long work with progress, log, cancel and result. The registry here keeps and shows them;
//! what each kind does is in `work`, the one list of kinds.

mod blocking;
mod handle;
mod kind;
mod record;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use handle::JobHandle;
pub use kind::{JobKind, STATES};
pub(crate) use work::{Outcome, Work, resume, see_through, start};

use crate::{Area, Audit, By, Counters, Error, EventBus, Result, audit::Change, now};
use record::{fault, to_json, view};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use store::{JobItemRecord, JobLineRecord, JobRecord, Read, ReadTx, Store, Tx};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use types::{Event, JobId, JobState, JobUnit, JobView, Role};
use uuid::Uuid;

/// Finished jobs that are kept; the oldest go first.
const KEEP: usize = 1000;
/// How long after its end a job goes, seconds: 90 days.
const KEEP_SECONDS: f64 = 90.0 * 86_400.0;
/// Jobs that are read at once: each may be large.
const READ_AT_ONCE: usize = 100;
/// Lines of a job's log that are kept, the newest.
const LOG_LINES: usize = 200;
/// Jobs that run at a time; more wait. Reading a whole image must not starve the disks of guests.
const PARALLEL: usize = 2;
/// Jobs that are not over; more are refused.
const MAX_LIVE: usize = 100;
/// From an end that could not be written down to the next try.
const AGAIN: Duration = Duration::from_secs(1);
/// How many jobs end before the old ones are looked through.
const THIN_EVERY: u32 = 50;
/// Things that one job may work on.
pub const MAX_ITEMS: usize = 1000;
/// Least time between two tellings of a job's progress.
const TELL: Duration = Duration::from_millis(250);
/// Least time between two writings of it.
const STORE: Duration = Duration::from_secs(2);

/// What a job is begun with.
pub(crate) struct NewJob {
    pub work: Work,
    pub title: String,
    pub unit: JobUnit,
    pub total: Option<u64>,
    /// Id and name of each thing that it works on.
    pub items: Vec<(String, String)>,
    /// What the audit log says of it.
    pub change: Change,
}

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    /// Those that are not over: what is newest of them is here, and in the database a little later.
    live: Mutex<HashMap<JobId, Live>>,
    /// How many of those that are over are kept.
    over: Mutex<HashMap<(JobKind, JobState), u64>>,
    turns: Arc<Semaphore>,
    ended: AtomicU32,
    counters: Arc<Counters>,
}

struct Live {
    record: JobRecord,
    cancel: CancellationToken,
    told: Instant,
    stored: Instant,
}

impl Jobs {
    pub(crate) fn new(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        counters: Arc<Counters>,
    ) -> Jobs {
        Jobs {
            inner: Arc::new(Inner {
                store,
                events,
                audit,
                live: Mutex::default(),
                over: Mutex::default(),
                turns: Arc::new(Semaphore::new(PARALLEL)),
                // The first to end looks through what earlier runs left.
                ended: AtomicU32::new(0),
                counters,
            }),
        }
    }

    /// The newest jobs that `role` may see, those before the id `before` when it is given; without
    /// items and log.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) async fn list(
        &self,
        role: Role,
        mut before: Option<JobId>,
        limit: usize,
    ) -> Result<Vec<JobView>> {
        let read = move |tx: &ReadTx| {
            let mut found = Vec::new();
            while found.len() < limit {
                let rows: Vec<JobRecord> = tx.newest(before.as_ref(), limit.min(READ_AT_ONCE))?;
                let Some(last) = rows.last() else { break };
                before = Some(last.id);
                let seen = rows.into_iter().filter(|r| reader(r) <= role);
                // What grows with a job is not shown here, and not kept while the others are read.
                found.extend(seen.map(|r| JobRecord {
                    items: Vec::new(),
                    log: Vec::new(),
                    ..r
                }));
            }
            found.truncate(limit);
            Ok::<_, Error>(found)
        };
        let stored = self.inner.store.read_long(read).await?;
        let live = self.inner.live();
        let newest = |r: &JobRecord| live.get(&r.id).map_or_else(|| view(r), |l| view(&l.record));
        Ok(stored.iter().map(|r| brief(newest(r))).collect())
    }

    /// Those that are not over and that `role` may see; without items and log.
    pub fn running(&self, role: Role) -> Vec<JobView> {
        let live = self.inner.live();
        let seen = live.values().filter(|l| reader(&l.record) <= role);
        let mut all: Vec<_> = seen.map(|l| brief(view(&l.record))).collect();
        all.sort_by_key(|j| j.id);
        all
    }

    /// One job, whole.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn get(&self, id: JobId) -> Result<JobView> {
        self.record(id).map(|r| view(&r))
    }

    /// One job, whole, for somebody who may see it.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one that `role` may not see.
    pub(crate) fn show(&self, role: Role, id: JobId) -> Result<JobView> {
        let record = self.record(id)?;
        match reader(&record) <= role {
            true => Ok(view(&record)),
            false => Err(Error::not_found(Area::Job, id)),
        }
    }

    fn record(&self, id: JobId) -> Result<JobRecord> {
        if let Some(live) = self.inner.live().get(&id) {
            return Ok(live.record.clone());
        }
        let stored: Option<JobRecord> = self.inner.store.read(|tx| tx.get(&id))?;
        stored.ok_or_else(|| Error::not_found(Area::Job, id))
    }

    /// Writes a job down, with its audit entry, and gives what runs it its handle. Whoever calls it
    /// must see it through, or nobody runs the job: see [`start`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for too many things, [`Error::Unavailable`] when too many jobs wait, or when
    /// the database fails.
    pub(crate) async fn begin(&self, by: &By, new: NewJob) -> Result<JobHandle> {
        let record = self.record_of(by, &new)?;
        let (inner, by, written) = (self.inner.clone(), by.clone(), record.clone());
        let write = self.inner.store.write(move |tx| {
            tx.put(&written)?;
            inner.audit.record(tx, &by, new.change)
        });
        write.await?;
        Ok(self.handle(record))
    }

    /// Writes down a job that the caller drives, as a request that brings an image does: it runs at once,
    /// takes nobody's turn, and ends with the caller. What it changes stands in the audit log by itself.
    ///
    /// # Errors
    /// As [`Jobs::begin`].
    pub(crate) async fn attend(&self, by: &By, new: NewJob) -> Result<JobHandle> {
        let record = self.record_of(by, &new)?;
        let (jobs, written) = (self.clone(), record.clone());
        let write = self
            .inner
            .store
            .write(move |tx| Ok::<_, Error>(tx.put(&written)?));
        // Whatever becomes of the caller: one that goes away now drops the handle, which ends the job.
        let begun = tokio::spawn(async move {
            write.await?;
            let handle = jobs.handle(record).driven();
            handle.begin_now();
            Ok(handle)
        });
        begun
            .await
            .map_err(|e| Error::Internal(format!("a job could not be begun: {e}")))?
    }

    fn record_of(&self, by: &By, new: &NewJob) -> Result<JobRecord> {
        if new.items.len() > MAX_ITEMS {
            return Err(Error::invalid(
                Area::Job,
                "ids",
                format!("one job takes at most {MAX_ITEMS}; make several"),
            ));
        }
        if self.inner.live().len() >= MAX_LIVE {
            return Err(Error::unavailable(
                Area::Job,
                format!("{MAX_LIVE} jobs are waiting already"),
                "Wait until some are over, or cancel some.",
            ));
        }
        Ok(JobRecord {
            id: JobId(Uuid::now_v7()),
            kind: new.work.kind().name().into(),
            title: new.title.clone(),
            state: JobState::Queued,
            actor: to_json(by)?,
            work: to_json(&new.work)?,
            created_at: now(),
            started_at: None,
            finished_at: None,
            unit: new.unit,
            done: 0,
            total: new.total,
            cancel_requested: false,
            items: new.items.iter().cloned().map(item).collect(),
            result: None,
            problem: None,
            log: Vec::new(),
            revision: 1,
        })
    }

    fn handle(&self, record: JobRecord) -> JobHandle {
        let cancel = CancellationToken::new();
        let (id, now) = (record.id, Instant::now());
        self.inner.tell(&record);
        let live = Live {
            record,
            cancel: cancel.clone(),
            told: now,
            stored: now,
        };
        self.inner.live().insert(id, live);
        JobHandle::new(self.inner.clone(), id, cancel)
    }

    /// Asks a job to stop; it does at its next safe place.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it is over already.
    pub(crate) async fn cancel(&self, by: &By, id: JobId) -> Result<JobView> {
        let asked = {
            let mut live = self.inner.live();
            let job = live.get_mut(&id).filter(|j| !j.record.state.is_over());
            job.map(|job| {
                job.record.cancel_requested = true;
                job.record.revision += 1;
                // Queued while we hold the job: changes run in that order, so its end comes after this.
                self.inner
                    .write_cancel(by, job.record.clone(), job.cancel.clone())
            })
        };
        let Some(write) = asked else {
            return Err(Error::conflict(
                Area::Job,
                format!("{:?} is over already", self.get(id)?.title),
                "There is nothing to cancel.",
            ));
        };
        write.await?;
        self.get(id)
    }

    /// What one has to be to cancel a job: as much as to start it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn role(&self, id: JobId) -> Result<Role> {
        let stored: Option<JobRecord> = self.inner.store.read(|tx| tx.get(&id))?;
        let stored = stored.ok_or_else(|| Error::not_found(Area::Job, id))?;
        Ok(record::from_json::<Work>(&stored.work)?.role())
    }

    /// What a stop of the server cut short: each with its handle, to be gone on with or failed.
    ///
    /// # Errors
    /// When the database can't be read.
    fn interrupted(&self) -> Result<Vec<(JobRecord, JobHandle)>> {
        let all: Vec<JobRecord> = self.inner.store.read(|tx| tx.list_readable(None))?;
        let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|r| r.state.is_over());
        self.inner.count(&over, &[]);
        let open = open.into_iter();
        let handle = |r: JobRecord| (r.clone(), self.handle(r));
        Ok(open.map(handle).collect())
    }
}

impl Inner {
    fn live(&self) -> MutexGuard<'_, HashMap<JobId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self) -> MutexGuard<'_, HashMap<(JobKind, JobState), u64>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are over and kept now, and those are not kept any more.
    fn count(&self, more: &[JobRecord], fewer: &[JobRecord]) {
        let of = |r: &JobRecord| Some((JobKind::of(&r.kind)?, r.state));
        let mut over = self.over();
        for key in more.iter().filter_map(of) {
            *over.entry(key).or_default() += 1;
        }
        for key in fewer.iter().filter_map(of) {
            let n = over.entry(key).or_default();
            *n = n.saturating_sub(1);
        }
    }

    /// How long it took from its turn to its end; one that never began took no time.
    fn time(&self, record: &JobRecord) {
        let times = (
            JobKind::of(&record.kind),
            record.started_at,
            record.finished_at,
        );
        if let (Some(kind), Some(from), Some(to)) = times {
            // The clock may have been set back meanwhile.
            let took = Duration::try_from_secs_f64(from.seconds_to(to)).unwrap_or_default();
            self.counters.jobs.duration(kind).observe(took);
        }
    }

    fn tell(&self, record: &JobRecord) {
        let job = brief(view(record));
        self.events
            .publish_to(reader(record), Event::JobChanged { job });
    }

    /// Queues what [`Jobs::cancel`] writes down.
    fn write_cancel(
        self: &Arc<Self>,
        by: &By,
        record: JobRecord,
        cancel: CancellationToken,
    ) -> impl Future<Output = Result<()>> + use<> {
        let change = Change::act("job.cancel", "job", record.id, &record.title);
        let (inner, by) = (self.clone(), by.clone());
        self.store.write(move |tx| {
            tx.put(&record)?;
            inner.audit.record(tx, &by, change)?;
            tx.on_commit(move || {
                cancel.cancel();
                // As it is by now: it may have gone on since this was queued.
                let live = inner.live();
                inner.tell(live.get(&record.id).map_or(&record, |job| &job.record));
            });
            Ok(())
        })
    }

    /// Changes a live job; tells and stores it, but not more often than is of use.
    fn update(&self, id: JobId, change: impl FnOnce(&mut JobRecord)) {
        let mut live = self.live();
        let Some(job) = live.get_mut(&id) else { return };
        change(&mut job.record);
        if job.told.elapsed() >= TELL {
            job.told = Instant::now();
            job.record.revision += 1;
            self.tell(&job.record);
        }
        if job.stored.elapsed() >= STORE {
            job.stored = Instant::now();
            let record = job.record.clone();
            drop(self.store.write(move |tx| Ok::<_, Error>(tx.put(&record)?)));
        }
    }

    /// Ends a live job. Queued at once, and told when it is durable; nobody has to wait. One whose end can't
    /// be written down stays among the live ones, as over, and it is tried again: at the next start it would
    /// run once more.
    fn end(self: &Arc<Self>, id: JobId, change: impl FnOnce(&mut JobRecord)) {
        let mut live = self.live();
        let Some(job) = live.get_mut(&id) else { return };
        change(&mut job.record);
        job.record.finished_at = Some(now());
        job.record.revision += 1;
        let record = job.record.clone();
        let (inner, mut write) = (self.clone(), self.write_end(record.clone()));
        drop(live);
        let until_written = async move {
            while let Err(error) = write.await {
                tracing::error!(job = %id, %error, "the end of a job could not be written down; it is tried again");
                tokio::time::sleep(AGAIN).await;
                write = inner.write_end(record.clone());
            }
        };
        // Outside a runtime, in a panic at the end of the process, nobody could wait.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(until_written);
        }
    }

    fn write_end(
        self: &Arc<Self>,
        record: JobRecord,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        let inner = self.clone();
        Box::pin(self.store.write(move |tx| {
            tx.put(&record)?;
            let ended = inner.ended.fetch_add(1, Ordering::Relaxed);
            let thinned = match ended.is_multiple_of(THIN_EVERY) {
                true => thin(tx)?,
                false => Vec::new(),
            };
            tx.on_commit(move || {
                // Counted first: whoever sees it no longer among the live ones finds it there.
                inner.count(std::slice::from_ref(&record), &thinned);
                inner.live().remove(&record.id);
                inner.time(&record);
                inner.tell(&record);
            });
            Ok(())
        }))
    }
}

/// The least role that may see a job. What can't be read, of a newer version perhaps, is not for all.
fn reader(record: &JobRecord) -> Role {
    record::from_json::<Work>(&record.work).map_or(Role::Admin, |w| w.reader())
}

/// Takes away what is finished and old, or too many, and gives it.
fn thin(tx: &mut Tx<'_>) -> Result<Vec<JobRecord>> {
    let mut over: Vec<JobRecord> = tx.list_readable(None)?;
    over.retain(|r| r.state.is_over());
    let (now, mut spare) = (now(), over.len().saturating_sub(KEEP));
    over.retain(|job| {
        let ended = job.finished_at.unwrap_or(job.created_at);
        let goes = spare > 0 || ended.seconds_to(now) > KEEP_SECONDS;
        spare = spare.saturating_sub(1);
        goes
    });
    for job in &over {
        tx.remove::<JobRecord>(&job.id);
    }
    Ok(over)
}

fn item((id, name): (String, String)) -> JobItemRecord {
    JobItemRecord {
        id,
        name,
        state: JobState::Queued,
        problem: None,
    }
}

/// For lists and events: what grows with the job is left out.
fn brief(mut job: JobView) -> JobView {
    job.items.clear();
    job.log.clear();
    job
}

fn line(record: &mut JobRecord, text: String) {
    if record.log.len() >= LOG_LINES {
        record.log.remove(0);
    }
    record.log.push(JobLineRecord { at: now(), text });
}
