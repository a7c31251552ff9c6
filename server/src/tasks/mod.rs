//! Long-lived tasks by name. One that panics or fails is started again by itself, after a pause
//! that grows while it keeps failing; the others go on. What state each is in can be asked.
//! It limits no time and kills nothing: a task ends when it heeds its token.

#[cfg(test)]
mod tests;

use engine::now;
use std::{
    any::Any,
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use types::{TaskState, TaskView};

/// How long to wait before a failed task is started again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// The pause after the first failure; each further one doubles it.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
    /// One that ran this long was well: its next failure counts as the first.
    pub steady: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            first: Duration::from_secs(1),
            most: Duration::from_secs(60),
            steady: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The pause after a run of `ran`, when the one before was `last`.
    fn pause(self, last: Option<Duration>, ran: Duration) -> Duration {
        match last {
            Some(last) if ran < self.steady => (last * 2).min(self.most),
            _ => self.first,
        }
    }
}

/// The tasks of this server. A clone is another handle on the same list.
#[derive(Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    stopping: CancellationToken,
    tracker: TaskTracker,
    tasks: Mutex<BTreeMap<String, Shown>>,
}

/// What is shown of one task; the task itself keeps it up to date.
type Shown = Arc<Mutex<TaskView>>;

/// A task that was started.
pub struct TaskHandle {
    stop: CancellationToken,
    ended: CancellationToken,
}

impl TaskHandle {
    /// Tells this task to end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended and is not started again.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Tasks {
    /// None yet. All of them end with `stopping`.
    pub fn new(stopping: CancellationToken) -> Tasks {
        Tasks {
            inner: Arc::new(Inner {
                stopping,
                tracker: TaskTracker::new(),
                tasks: Mutex::default(),
            }),
        }
    }

    /// Runs a task until it ends well or is stopped; see [`Tasks::spawn_paced`].
    pub fn spawn<F, R, E>(&self, name: &str, make: F) -> TaskHandle
    where
        F: Fn(CancellationToken) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        self.spawn_paced(name, Pace::default(), make)
    }

    /// Runs what `make` makes. When that panics or fails, it is made anew after a pause. It has to
    /// end soon once its token is cancelled. In the list it takes the place of an earlier task of
    /// that name. Call it inside a tokio runtime.
    pub fn spawn_paced<F, R, E>(&self, name: &str, pace: Pace, make: F) -> TaskHandle
    where
        F: Fn(CancellationToken) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let shown = Arc::new(Mutex::new(TaskView {
            name: name.into(),
            state: TaskState::Running,
            restarts: 0,
            last_error: None,
            since: now(),
        }));
        lock(&self.inner.tasks).insert(name.into(), shown.clone());
        let handle = TaskHandle {
            stop: self.inner.stopping.child_token(),
            ended: CancellationToken::new(),
        };
        let (stop, ended) = (handle.stop.clone(), handle.ended.clone());
        self.inner.tracker.spawn(async move {
            let _ended = ended.drop_guard();
            supervise(Arc::new(make), pace, &stop, &shown).await;
            enter(&shown, TaskState::Stopped);
        });
        handle
    }

    /// Runs something short-lived that no list shows, e.g. one connection: the end waits for it, too. It has
    /// to heed the token that all end with.
    pub fn attend(&self, run: impl Future<Output = ()> + Send + 'static) {
        self.inner.tracker.spawn(run);
    }

    /// Every task that was started, by name.
    pub fn list(&self) -> Vec<TaskView> {
        let tasks = lock(&self.inner.tasks);
        tasks.values().map(|shown| lock(shown).clone()).collect()
    }

    /// Whether all tasks are to end.
    pub fn is_stopping(&self) -> bool {
        self.inner.stopping.is_cancelled()
    }

    /// Waits for all tasks to end, after `stopping`.
    pub async fn finished(&self) {
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

async fn supervise<F, R, E>(make: Arc<F>, pace: Pace, stop: &CancellationToken, shown: &Shown)
where
    F: Fn(CancellationToken) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    let mut pause = None;
    let mut told = None;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let run = {
            let (make, stop) = (make.clone(), stop.clone());
            // As a task of its own: a panic ends that one, not us.
            tokio::spawn(async move { make(stop).await.map_err(|e| e.to_string()) })
        };
        let failure = match run.await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => format!("panicked: {}", panic_text(&*panic)),
                // The runtime goes down.
                Err(_) => return,
            },
        };
        let wait = pace.pause(pause, began.elapsed());
        pause = Some(wait);
        failed(shown, &failure, wait, &mut told);
        tokio::select! {
            _ = stop.cancelled() => return,
            _ = tokio::time::sleep(wait) => {}
        }
        lock(shown).restarts += 1;
        enter(shown, TaskState::Running);
    }
}

/// Keeps why a task failed. The log gets each reason once, not with every new try.
fn failed(shown: &Shown, failure: &str, wait: Duration, told: &mut Option<String>) {
    let name = {
        let mut view = lock(shown);
        view.last_error = Some(failure.into());
        view.name.clone()
    };
    enter(shown, TaskState::Restarting);
    if told.as_deref() == Some(failure) {
        tracing::debug!(task = name, error = failure, ?wait, "task failed again");
    } else {
        tracing::error!(
            task = name,
            error = failure,
            "task failed; it is started again"
        );
        *told = Some(failure.into());
    }
}

fn enter(shown: &Shown, state: TaskState) {
    let mut view = lock(shown);
    view.state = state;
    view.since = now();
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

/// Nothing that panics runs while these locks are held.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
