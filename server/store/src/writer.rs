//! The one thread that writes: it takes what is queued, runs each change against its own buffer,
//! and makes all of them durable with one commit.

use crate::{
    Error, Result,
    db::Db,
    tx::{Changes, Hook, ReadTx, Table, Tx},
};
use redb::{Durability, WriteTransaction};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
};

/// Changes that one commit may hold. Bounds the time until the first of them is acknowledged.
const MAX_BATCH: usize = 1024;

/// Tells the caller how the commit went.
pub(crate) type Ack = Box<dyn FnOnce(&Result<()>) + Send>;

/// A queued change: runs its closure and gives back its acknowledgement. Without a batch it can't
/// run, and its caller learns why.
pub(crate) type Job = Box<dyn FnOnce(Result<&mut Batch>) -> Ack + Send>;

/// Counters of the writer.
#[derive(Default)]
pub(crate) struct Counters {
    pub commits: AtomicU64,
    pub changes: AtomicU64,
}

/// The changes of the commit in the making.
pub(crate) struct Batch {
    base: ReadTx,
    changes: Changes,
    hooks: Vec<Hook>,
}

impl Batch {
    /// Runs one closure; keeps its changes when it returns Ok.
    pub fn run<T, E: From<Error>>(
        &mut self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tx = Tx::new(&self.base, &self.changes);
        // A closure that panics leaves nothing: its buffer is dropped, the batch was only read.
        let outcome = catch_unwind(AssertUnwindSafe(|| change(&mut tx)));
        let (own, hooks) = tx.into_parts();
        match outcome {
            Ok(Ok(value)) => {
                self.changes.extend(own);
                self.hooks.extend(hooks);
                Ok(value)
            }
            Ok(Err(e)) => Err(e),
            Err(_) => Err(Error::Panicked.into()),
        }
    }
}

/// Serves changes until every sender is gone.
pub(crate) fn serve(db: &Db, jobs: &mpsc::Receiver<Job>, counters: &Arc<Counters>) {
    while let Ok(first) = jobs.recv() {
        // One that could not be opened anew after a failed write is tried again with each change.
        let base = db.snapshot().or_else(|error| {
            tracing::error!(%error, "the database can't be read");
            db.open_anew();
            db.snapshot()
        });
        let mut batch = match base {
            Ok(base) => Batch {
                base,
                changes: Changes::new(),
                hooks: Vec::new(),
            },
            Err(e) => {
                first(Err(e))(&Ok(()));
                continue;
            }
        };
        // What queued up while the last commit was on its way shares the next one.
        let acks: Vec<Ack> = std::iter::once(first)
            .chain(jobs.try_iter().take(MAX_BATCH - 1))
            .map(|job| job(Ok(&mut batch)))
            .collect();
        counters.changes.fetch_add(acks.len() as u64, Relaxed);
        let Batch {
            base,
            changes,
            hooks,
        } = batch;
        drop(base);
        let outcome = commit(db, changes, counters);
        if let Err(e) = &outcome {
            tracing::error!(error = %e, changes = acks.len(), "changes could not be stored");
            db.open_anew();
        } else {
            for hook in hooks {
                if catch_unwind(AssertUnwindSafe(hook)).is_err() {
                    tracing::error!("a commit hook panicked");
                }
            }
        }
        for ack in acks {
            ack(&outcome);
        }
    }
}

/// One durable commit. Two phases: a power cut in the middle can't make redb choose a half-written
/// root; quick repair: opening after a crash does not walk the tables.
fn commit(db: &Db, changes: Changes, counters: &Counters) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    db.write(|tx| apply(tx, changes))?;
    counters.commits.fetch_add(1, Relaxed);
    Ok(())
}

fn apply(mut tx: WriteTransaction, changes: Changes) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| Error::backend("writing to the database", e);
    tx.set_durability(Durability::Immediate)
        .map_err(|e| failed(&e))?;
    tx.set_two_phase_commit(true);
    tx.set_quick_repair(true);
    let mut changes = changes.into_iter().peekable();
    while let Some(((name, _), _)) = changes.peek() {
        let name = *name;
        let mut table = tx.open_table(Table::new(name)).map_err(|e| failed(&e))?;
        while let Some(((_, key), value)) = changes.next_if(|((t, _), _)| *t == name) {
            match value {
                Some(value) => table.insert(key.as_slice(), value.as_slice()),
                None => table.remove(key.as_slice()),
            }
            .map_err(|e| failed(&e))?;
        }
    }
    tx.commit().map_err(|e| failed(&e))
}
