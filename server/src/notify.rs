//! What the service manager is told: that we are ready, that we stop, and that we are alive.
//! Without one (no `NOTIFY_SOCKET`) nothing happens.

use crate::tasks::Tasks;
use engine::Engine;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// The listeners are up: whoever waited for us may go on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Starts the task that says at half of `WATCHDOG_USEC` that we are alive, if the service manager
/// wants to hear it. When we are not, it hears nothing and starts us anew.
pub fn keep_watchdog_fed(tasks: &Tasks, engine: &Engine) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return;
    };
    let engine = engine.clone();
    tasks.spawn("watchdog", move |stop| {
        feed(engine.clone(), limit / 2, stop)
    });
}

async fn feed(engine: Engine, period: Duration, stop: CancellationToken) -> Result<(), String> {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        // That we came here shows that the runtime turns.
        match database_answers(&engine, period).await {
            Ok(()) => tell(&[NotifyState::Watchdog]),
            Err(why) => tracing::error!(why, "not alive: the service manager is not told so"),
        }
    }
}

/// Asks the database something on a thread that may block.
async fn database_answers(engine: &Engine, limit: Duration) -> Result<(), String> {
    let engine = engine.clone();
    let asked = tokio::task::spawn_blocking(move || engine.is_readable());
    match timeout(limit, asked).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(e))) => Err(format!("the database can't be read: {e}")),
        Ok(Err(e)) => Err(format!("asking the database broke off: {e}")),
        Err(_) => Err(format!("the database did not answer within {limit:?}")),
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::warn!(error = %e, "the service manager could not be told {state:?}");
    }
}
