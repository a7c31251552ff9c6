//! What runs a job holds: progress, log and items go through it, and its end.

use super::{Inner, fault, line, record::to_json, work::Outcome};
use crate::{Error, Result, now};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use types::{JobId, JobState, JobUnit};

/// A job that runs. Dropped by a panic it has failed; dropped when the server stops it stays as it is
/// written down, and the next start goes on with it. One that a caller drives ends with its handle.
pub(crate) struct JobHandle {
    inner: Arc<Inner>,
    id: JobId,
    cancel: CancellationToken,
    over: bool,
    driven: bool,
}

impl JobHandle {
    pub(super) fn new(inner: Arc<Inner>, id: JobId, cancel: CancellationToken) -> Self {
        JobHandle {
            inner,
            id,
            cancel,
            over: false,
            driven: false,
        }
    }

    /// Of a job that a caller drives.
    pub(super) fn driven(self) -> Self {
        let mut handle = self;
        handle.driven = true;
        handle
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Whether somebody asked to cancel the job.
    pub fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until somebody asks to cancel the job.
    pub async fn until_cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Runs at once: what drives it is here already.
    pub fn begin_now(&self) {
        self.inner.update(self.id, |r| {
            r.state = JobState::Running;
            r.started_at = Some(now());
        });
    }

    /// Waits for its turn, which ends with what is given back; None when it was cancelled meanwhile.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turns = self.inner.turns.clone();
        let permit = tokio::select! {
            permit = turns.acquire_owned() => permit.ok()?,
            () = self.cancel.cancelled() => return None,
        };
        self.inner.update(self.id, |r| {
            r.state = JobState::Running;
            r.started_at = Some(now());
        });
        Some(permit)
    }

    /// How much is done, and how much there is in all when that has become known.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        self.inner.update(self.id, |r| {
            r.done = done;
            r.total = total.or(r.total);
        });
    }

    /// Tells how much is done, of all, from a thread that the handle is not on.
    pub fn teller(&self) -> impl Fn(u64, u64) + Send + 'static + use<> {
        let (inner, id) = (self.inner.clone(), self.id);
        move |done, total| {
            inner.update(id, |r| {
                r.done = done;
                r.total = Some(total);
            });
        }
    }

    /// Adds a line to the job's log.
    pub fn log(&self, text: impl Into<String>) {
        self.inner.update(self.id, |r| line(r, text.into()));
    }

    /// What became of one of the things that it works on.
    pub fn item(&self, index: usize, outcome: &Result<()>) {
        self.inner.update(self.id, |r| {
            let Some(item) = r.items.get_mut(index) else {
                return;
            };
            item.state = match outcome {
                Ok(()) => JobState::Succeeded,
                Err(_) => JobState::Failed,
            };
            item.problem = outcome.as_ref().err().and_then(|e| fault(&e.problem()));
            r.done += 1;
            if let Err(e) = outcome {
                let text = format!("{}: {e}", r.items[index].name);
                line(r, text);
            }
        });
    }

    /// Whether one of the things that it works on was done before a restart. Of a job that was cut short the last
    /// two seconds are not written down: they are done again.
    pub fn is_done(&self, index: usize) -> bool {
        let live = self.inner.live();
        let items = live.get(&self.id).map(|job| &job.record.items);
        items.is_some_and(|items| items.get(index).is_some_and(|i| i.state.is_over()))
    }

    /// Goes on after a restart of the server, with what was not done.
    pub fn restart(&self) {
        self.inner.update(self.id, |r| {
            if r.unit == JobUnit::Items {
                r.done = r.items.iter().filter(|i| i.state.is_over()).count() as u64;
            } else {
                r.done = 0;
            }
            r.state = JobState::Queued;
            line(r, "the server was restarted; it goes on".into());
        });
    }

    /// Ends the job.
    pub fn finish(mut self, outcome: Result<Outcome>) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(e) => return self.failed(&e),
        };
        self.over = true;
        self.inner.end(self.id, |r| match outcome {
            Outcome::Done(result) => {
                r.result = to_json(&result).ok();
                r.state = JobState::Succeeded;
                r.total.inspect(|total| r.done = *total);
            }
            Outcome::Items => r.state = of_items(r.items.iter().map(|i| i.state)),
            Outcome::Cancelled => {
                line(r, "cancelled".into());
                r.state = JobState::Cancelled;
            }
        });
    }

    /// Ends the job with the reason why it is not done.
    pub fn failed(mut self, e: &Error) {
        self.over = true;
        self.inner.end(self.id, |r| {
            tracing::warn!(job = %r.id, kind = r.kind, error = %e, "a job failed");
            line(r, e.to_string());
            r.problem = fault(&e.problem());
            r.state = JobState::Failed;
        });
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if !self.over && (self.driven || std::thread::panicking()) {
            let broke = Error::Internal("the work on this job broke off".into());
            self.inner.end(self.id, |r| {
                r.problem = fault(&broke.problem());
                r.state = JobState::Failed;
            });
        }
    }
}

fn of_items(states: impl Iterator<Item = JobState>) -> JobState {
    let (mut good, mut bad) = (false, false);
    for state in states {
        match state {
            JobState::Succeeded => good = true,
            _ => bad = true,
        }
    }
    match (good, bad) {
        (_, false) => JobState::Succeeded,
        (true, true) => JobState::PartlyFailed,
        (false, true) => JobState::Failed,
    }
}
