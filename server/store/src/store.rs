//! The handle that everyone shares.

use crate::{
    Error, Result,
    db::{Db, builder, new_file, put_in_place},
    tx::{ReadTx, Tx},
    writer::{self, Counters, Job},
};
use redb::DatabaseError;
use std::{
    io,
    panic::resume_unwind,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// How much the writer did since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Durable commits.
    pub commits: u64,
    /// Changes that ran, failed ones included.
    pub changes: u64,
}

/// The database. Share it in an `Arc`; dropping the last one ends the writer after its last commit.
pub struct Store {
    db: Arc<Db>,
    jobs: Option<mpsc::Sender<Job>>,
    counters: Arc<Counters>,
    writer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the file, or makes it (readable for the owner only).
    ///
    /// # Errors
    /// [`Error::InUse`] when another process has it open; [`Error::Backend`] when it can't be made
    /// or is not a database.
    pub fn open(path: &Path) -> Result<Store> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::backend("opening the database", format!("{}: {e}", path.display()))
        };
        if !path.exists() {
            create(path).map_err(|e| failed(&e))?;
        }
        let db = builder().open(path).map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => Error::InUse {
                path: path.display().to_string(),
            },
            e => failed(&e),
        })?;
        Store::start(Db::new(db, Some(path.to_owned())))
    }

    /// Opens a database that lives in `backend` instead of a file.
    #[cfg(feature = "recorder")]
    pub(crate) fn open_with_backend(backend: impl redb::StorageBackend) -> Result<Store> {
        let db = builder()
            .create_with_backend(backend)
            .map_err(|e| Error::backend("opening the database", e))?;
        Store::start(Db::new(db, None))
    }

    fn start(db: Db) -> Result<Store> {
        let db = Arc::new(db);
        let counters = Arc::new(Counters::default());
        let (jobs, queue) = mpsc::channel();
        let (its_db, its_counters) = (db.clone(), counters.clone());
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer::serve(&its_db, &queue, &its_counters))
            .map_err(|e| Error::backend("starting the writer", e))?;
        Ok(Store {
            db,
            jobs: Some(jobs),
            counters,
            writer: Some(writer),
        })
    }

    /// Queues a change at once; the future resolves when it is durable (or has failed). Changes
    /// run one after the other in the order they were queued. A change that returns Err or panics
    /// leaves nothing. Dropping the future does not withdraw the change.
    pub fn write<T, E, F>(
        &self,
        change: F,
    ) -> impl Future<Output = Result<T, E>> + Send + use<T, E, F>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.queue(change, move |outcome| {
            // Nobody waits any more: the change stands all the same.
            let _ = reply.send(outcome);
        });
        async move { answer.await.unwrap_or_else(|_| Err(Error::Closed.into())) }
    }

    /// As [`Store::write`], for plain threads: blocks until the change is durable.
    ///
    /// # Errors
    /// What the closure returned, or why the commit failed.
    pub fn write_wait<T, E, F>(&self, change: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = mpsc::sync_channel(1);
        self.queue(change, move |outcome| {
            let _ = reply.send(outcome);
        });
        answer.recv().unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    fn queue<T, E, F>(&self, change: F, reply: impl FnOnce(Result<T, E>) + Send + 'static)
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let job: Job = Box::new(move |batch| {
            let outcome = match batch {
                Ok(batch) => batch.run(change),
                Err(e) => Err(e.into()),
            };
            Box::new(move |committed| {
                reply(match (outcome, committed) {
                    (Ok(_), Err(e)) => Err(e.clone().into()),
                    (outcome, _) => outcome,
                });
            })
        });
        // When the writer has ended, the job is dropped and its caller told that we are closed.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// Reads one consistent snapshot. Fast (memory or page cache); never waits for a commit.
    ///
    /// # Errors
    /// What the closure returned, or why the snapshot could not be taken.
    pub fn read<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&ReadTx) -> Result<T, E>,
    ) -> Result<T, E> {
        read(&self.db.snapshot()?)
    }

    /// Writes the whole file anew, with the same rows: what was overwritten or removed stands in no
    /// page of it any more. Takes as long as the file takes to be read and written, and its size in
    /// free space; changes wait meanwhile.
    ///
    /// # Errors
    /// When the new file can't be written; the old one stays in use then.
    pub fn rewrite(&self) -> Result<()> {
        self.db.rewrite()
    }

    /// As [`Store::read`], for what goes through more than a few rows: on a thread that may wait for the
    /// disk, so that nobody else's request waits with it.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_long<T, E, F>(self: &Arc<Self>, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&ReadTx) -> Result<T, E> + Send + 'static,
    {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || store.read(read)).await {
            Ok(done) => done,
            Err(e) if e.is_panic() => resume_unwind(e.into_panic()),
            // The runtime is going away, and the server with it.
            Err(_) => Err(Error::Closed.into()),
        }
    }

    /// What the writer did so far.
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.counters.commits.load(Relaxed),
            changes: self.counters.changes.load(Relaxed),
        }
    }
}

/// Makes an empty database under another name and renames it when it is whole: a power cut in
/// between leaves no file that can't be opened.
fn create(path: &Path) -> io::Result<()> {
    let draft = new_file(path)?;
    drop(
        builder()
            .create_file(draft.file)
            .map_err(io::Error::other)?,
    );
    put_in_place(&draft.path, path)
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take()
            // The last handle may go away with a change that held it, on the writer's own thread.
            && writer.thread().id() != std::thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!("the database writer panicked");
        }
    }
}
