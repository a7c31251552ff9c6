//! Commit-confirm: a network change holds for a while, and goes back unless somebody who came by a
//! connection made after it says that it may stay. Who was cut off can't say so, and need not do a thing.

use super::{Settings, State, Values, history, uninterrupted};
use crate::{Area, By, Error, Result, now};
use std::{
    net::SocketAddr,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};
use tokio::sync::OwnedMutexGuard;
use types::{SettingsView, Timestamp, TrialView};

/// Seconds of a trial unless the caller says otherwise: to see the page gone, to find it at its new
/// address and to sign in there.
const SECONDS: u32 = 120;
/// From a way back that failed to the next try.
const AGAIN: Duration = Duration::from_secs(1);
/// What a caller may ask for, seconds.
const MAY_BE: std::ops::RangeInclusive<u32> = 10..=600;

/// A change that waits to be confirmed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Trial {
    number: u64,
    /// When it took effect: connections from before prove nothing.
    began: Instant,
    ends: Instant,
    ends_at: Timestamp,
    listen: SocketAddr,
    moved: bool,
}

impl Trial {
    pub fn begin(number: u64, seconds: u32, now_holds: &Values, before: &Values) -> Trial {
        let began = Instant::now();
        Trial {
            number,
            began,
            ends: began + Duration::from_secs(seconds.into()),
            ends_at: now().plus_seconds(seconds.into()),
            listen: now_holds.listen,
            moved: now_holds.listen != before.listen,
        }
    }

    pub fn view(&self) -> TrialView {
        TrialView {
            revision: self.number,
            ends_at: self.ends_at,
            listen: self.listen.to_string(),
            moved: self.moved,
        }
    }
}

/// Whether a change may cut the page off, or computers.
pub(super) fn needed(now: &Values, next: &Values) -> bool {
    now.listen != next.listen || now.boot != next.boot
}

/// How long a trial lasts.
///
/// # Errors
/// [`Error::Invalid`] when it is too short or too long.
pub(super) fn seconds(asked: Option<u32>) -> Result<u32> {
    let seconds = asked.unwrap_or(SECONDS);
    match MAY_BE.contains(&seconds) {
        true => Ok(seconds),
        false => Err(Error::invalid(
            Area::Setting,
            "confirm_within_seconds",
            format!(
                "it is between {} and {} seconds",
                MAY_BE.start(),
                MAY_BE.end()
            ),
        )),
    }
}

impl Settings {
    /// The number of the change that waits to be confirmed.
    pub(super) fn on_trial(&self) -> Option<u64> {
        self.inner.trial.borrow().as_ref().map(|t| t.number)
    }

    /// The network change that waits to be confirmed.
    pub fn trial(&self) -> Option<TrialView> {
        self.inner.trial.borrow().as_ref().map(Trial::view)
    }

    /// Whether a connection made at that moment proves nothing about the change on trial.
    pub fn is_older_than_trial(&self, connected: Instant) -> bool {
        let trial = self.inner.trial.borrow();
        trial.as_ref().is_some_and(|t| connected <= t.began)
    }

    /// A change on trial may stay. `connected` is when the caller's connection was made.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it does not wait any more, or the connection is from before it.
    pub(crate) async fn confirm(
        &self,
        by: &By,
        number: u64,
        connected: Instant,
    ) -> Result<SettingsView> {
        let (settings, by) = (self.clone(), by.clone());
        let whole = async move {
            let state = settings.inner.state.clone().lock_owned().await;
            let trial = settings.inner.trial.borrow().clone();
            let Some(trial) = trial.filter(|t| t.number == number) else {
                return Err(Error::conflict(
                    Area::Setting,
                    format!("change {number} does not wait to be confirmed"),
                    "Look at the history of settings: it was confirmed, or it went back.",
                ));
            };
            if connected <= trial.began {
                return Err(Error::Unavailable {
                    area: Area::Setting,
                    message: "this connection is older than the change: it does not prove that the server can \
                              be reached now"
                        .into(),
                    hint: "Confirm it by a new connection; load the page again, or send the request again."
                        .into(),
                });
            }
            let record = history::find(&settings.inner.store, number)?;
            let (store, audit) = (&settings.inner.store, &settings.inner.audit);
            history::confirm(store, audit, &by, record).await?;
            settings.inner.trial.send_replace(None);
            settings.tell(state.revision);
            Ok(())
        };
        uninterrupted(whole).await?;
        Ok(self.view().await)
    }

    /// Takes changes back whose time is over, until it is dropped.
    pub async fn end_trials(&self) {
        let mut trials = self.inner.trial.subscribe();
        loop {
            let waiting = trials.borrow_and_update().clone();
            let mut behind = self.inner.is_behind.load(Relaxed);
            if behind {
                let _one_at_a_time = self.inner.state.lock().await;
                behind = self.go_back().await.is_err();
                self.inner.is_behind.store(behind, Relaxed);
            }
            // Another change may be on trial meanwhile: its end is kept, too.
            let ends = waiting.as_ref().map(|t| t.ends);
            tokio::select! {
                // The sender lives as long as we do.
                _ = trials.changed() => continue,
                _ = tokio::time::sleep(AGAIN), if behind => continue,
                _ = until(ends) => {}
            }
            let Some(trial) = waiting else {
                continue;
            };
            let mut state = self.inner.state.clone().lock_owned().await;
            if self.on_trial() == Some(trial.number) {
                let why = "nobody confirmed it in time";
                let by = By::system("settings");
                if let Err(error) = self.take_back(&by, &mut state, why).await {
                    // It stays on trial in the database, and goes back at the next start at the latest.
                    tracing::error!(%error, change = trial.number, "settings could not go back yet");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Puts the change on trial back.
    pub(super) async fn take_back(
        &self,
        by: &By,
        state: &mut OwnedMutexGuard<State>,
        why: &str,
    ) -> Result<()> {
        let Some(number) = self.on_trial() else {
            return Ok(());
        };
        let record = history::find(&self.inner.store, number)?;
        let mut before = state.saved.clone();
        for change in &record.changes {
            match &change.before {
                Some(text) => drop(before.insert(change.key.clone(), text.clone())),
                None => drop(before.remove(&change.key)),
            }
        }
        let next = self
            .inner
            .sources
            .resolve(&before)
            .map_err(super::refused)?;
        history::revert(&self.inner.store, &self.inner.audit, by, record, why).await?;
        tracing::warn!(change = number, why, "settings go back");
        state.saved = before;
        self.hold(next);
        if let Err(error) = self.go_back().await {
            tracing::error!(%error, "the settings from before can't take effect yet; it is tried again");
            self.inner.is_behind.store(true, Relaxed);
        }
        self.inner.trial.send_replace(None);
        self.tell(state.revision);
        Ok(())
    }
}

/// Waits for a moment; for ever where there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
