//! Settings: what holds and where it comes from, and changes of it, which can be undone. A change that
//! may cut the page off is on trial: it goes back unless somebody confirms it.
//!
//! `sources` merges the layers, `catalog` lists the settings, `change` and `effects` say what a change
//! is and touches, `history` keeps what was changed. What holds outside the engine, listeners and boot
//! planes, is made so by an [`Apply`] that the server gives.

mod catalog;
mod change;
mod effects;
mod file;
mod history;
mod network;
mod sources;
#[cfg(test)]
mod sources_tests;
#[cfg(test)]
mod tests;
mod trial;

pub use catalog::Values;
pub(crate) use catalog::quota;
pub(crate) use effects::Facts;
pub use sources::{ConfigError, DEFAULT_DATA_DIR, Flags, Origin, Sources};

use crate::{Area, Audit, By, Error, EventBus, Result};
use arc_swap::ArcSwap;
use change::{RowChange, value_of};
use sources::{Resolved, Saved, check_saved};
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};
use store::{Read, SettingRecord, SettingsRevisionRecord, Store};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use trial::Trial;
use types::{
    Applies, Event, RevisionState, SettingKind, SettingView, SettingsPreviewView,
    SettingsRevisionView, SettingsView, UpdateSettingsParams,
};

/// Makes settings hold outside the engine.
pub trait Apply: Send + Sync + 'static {
    /// Makes `next` hold in place of `now`; what they have in common stays untouched, even where it could
    /// not be had. Afterwards a connection to the page that was there before proves nothing: those end
    /// with their next answer.
    ///
    /// # Errors
    /// When it can't be made so; then all is as it was.
    fn apply<'a>(&'a self, now: &'a Values, next: &'a Values) -> Applied<'a>;

    /// The way back: all of `to` that can be had, with the page at `fallback` where its own place is gone.
    ///
    /// # Errors
    /// When the page can be at neither; then it is where it was.
    fn go_back<'a>(&'a self, to: &'a Values, fallback: SocketAddr) -> Applied<'a>;
}

/// What [`Apply`] answers with.
pub type Applied<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// The settings. Cheap to clone.
#[derive(Clone)]
pub struct Settings {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    audit: Audit,
    events: EventBus,
    sources: Sources,
    apply: OnceLock<Arc<dyn Apply>>,
    /// What holds; read by many, replaced after each change.
    resolved: ArcSwap<Resolved>,
    /// Held for the whole of a change, so that there is one at a time.
    state: Arc<Mutex<State>>,
    /// The change that waits to be confirmed; whoever keeps time watches it.
    trial: watch::Sender<Option<Trial>>,
    /// A way back was not finished: what holds here is not yet so outside.
    is_behind: AtomicBool,
}

/// What the database has.
#[derive(Clone)]
struct State {
    saved: Saved,
    /// The number of the newest change.
    revision: u64,
    /// Rows that are not understood and count for nothing.
    warnings: Vec<String>,
}

impl Settings {
    /// Reads what is saved. A network change that nobody confirmed before the server ended goes back.
    ///
    /// # Errors
    /// When the database fails, or flags, environment or file can't be used.
    pub(crate) fn open(
        store: Arc<Store>,
        audit: Audit,
        events: EventBus,
        sources: Sources,
    ) -> Result<Self> {
        history::end_trial_of_earlier_run(&store, &audit)?;
        let rows: Vec<SettingRecord> = store.read(|tx| tx.list_readable(None))?;
        let made: Vec<SettingsRevisionRecord> = store.read(|tx| tx.list_readable(None))?;
        let mut state = State {
            saved: Saved::new(),
            revision: made.last().map_or(0, |r| r.number),
            warnings: Vec::new(),
        };
        for row in rows {
            // An older or newer NSBoot may have written what this one does not know: it stays, unused.
            match check_saved(&row.key, &row.value) {
                Ok(()) => drop(state.saved.insert(row.key, row.value)),
                Err(e) => {
                    tracing::warn!("{e}");
                    state.warnings.push(e.to_string());
                }
            }
        }
        let resolved = sources
            .resolve(&state.saved)
            .map_err(|e| Error::invalid(Area::Setting, "settings", e.to_string()))?;
        Ok(Settings {
            inner: Arc::new(Inner {
                store,
                audit,
                events,
                sources,
                apply: OnceLock::new(),
                resolved: ArcSwap::from_pointee(resolved),
                state: Arc::new(Mutex::new(state)),
                trial: watch::Sender::new(None),
                is_behind: AtomicBool::new(false),
            }),
        })
    }

    /// Gives what makes settings hold outside the engine; the first one stays.
    pub fn attach(&self, apply: Arc<dyn Apply>) {
        let _ = self.inner.apply.set(apply);
    }

    /// What holds now.
    pub fn values(&self) -> Values {
        self.with(|v| v.clone())
    }

    /// Looks at what holds now.
    pub fn with<T>(&self, look: impl FnOnce(&Values) -> T) -> T {
        look(&self.resolved().values)
    }

    /// What would hold if nothing were saved: where the server may be when a saved address is gone.
    ///
    /// # Errors
    /// Flags, environment or file can't be used.
    pub fn without_saved(&self) -> Result<Values, ConfigError> {
        Ok(self.inner.sources.resolve(&Saved::new())?.values)
    }

    fn resolved(&self) -> Arc<Resolved> {
        self.inner.resolved.load_full()
    }

    /// All of them, as shown.
    pub(crate) async fn view(&self) -> SettingsView {
        let state = self.inner.state.lock().await.clone();
        let resolved = self.resolved();
        let trial = self.inner.trial.borrow().as_ref().map(Trial::view);
        let mut settings: Vec<_> = catalog::CATALOG
            .iter()
            .map(|known| scalar_view(known, &resolved, &state.saved))
            .collect();
        settings.extend(resolved.values.boot.iter().map(|network| {
            let key = format!("{}{}", network::BOOT_PREFIX, network.scope());
            let origin = resolved.networks.get(&key).unwrap_or(&Origin::Database);
            SettingView {
                about: "A network that computers boot on.".into(),
                kind: SettingKind::Boot,
                value: types::SettingValue::Boot(network::params(network)),
                source: origin.source(),
                place: origin.to_string(),
                saved: state.saved.get(&key).map(|text| value_of(&key, text)),
                default: None,
                applies: Applies::AtOnce,
                on_trial: true,
                key,
            }
        }));
        SettingsView {
            revision: state.revision,
            settings,
            warnings: [&self.inner.sources.warnings[..], &state.warnings].concat(),
            trial,
        }
    }

    /// The changes that were made, the newest first.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) async fn history(&self) -> Result<Vec<SettingsRevisionView>> {
        history::list(&self.inner.store).await
    }

    /// One change that was made.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database can't be read.
    pub(crate) fn revision(&self, number: u64) -> Result<SettingsRevisionView> {
        Ok(history::view(&history::find(&self.inner.store, number)?))
    }

    /// What a change would touch; nothing is changed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key or value that can't be.
    pub(crate) async fn preview(
        &self,
        params: &UpdateSettingsParams,
        facts: &Facts,
    ) -> Result<SettingsPreviewView> {
        let state = self.inner.state.lock().await.clone();
        let changes = self.rows(&state.saved, params)?;
        let next = self.next(&state.saved, &changes)?;
        let now = self.resolved();
        Ok(SettingsPreviewView {
            revision: state.revision,
            effects: effects::of(&changes, &now, &next, facts),
            confirm_within_seconds: trial::needed(&now.values, &next.values)
                .then(|| trial::seconds(params.confirm_within_seconds))
                .transpose()?,
            changes: changes.iter().map(RowChange::view).collect(),
        })
    }

    /// Makes a change; durable and in effect when this returns. The second is whether there was
    /// anything to change. It goes on when the caller stops waiting.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::PreconditionFailed`], [`Error::Conflict`] while another waits to
    /// be confirmed, and whatever keeps it from taking effect; then it is taken back.
    pub(crate) async fn update(
        &self,
        by: &By,
        if_match: Option<u64>,
        params: UpdateSettingsParams,
    ) -> Result<SettingsView> {
        let (settings, by) = (self.clone(), by.clone());
        let whole = async move {
            let mut state = settings.inner.state.clone().lock_owned().await;
            if if_match.is_some_and(|n| n != state.revision) {
                return Err(Error::PreconditionFailed {
                    area: Area::Setting,
                    current: state.revision,
                });
            }
            let changes = settings.rows(&state.saved, &params)?;
            let within = trial::seconds(params.confirm_within_seconds)?;
            settings
                .make(&by, &mut state, changes, within, None)
                .await
                .map(drop)
        };
        uninterrupted(whole).await?;
        Ok(self.view().await)
    }

    /// Undoes an earlier change, as a new one; one on trial goes back.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Conflict`] when a later change touched the same, or it does
    /// not hold any more.
    pub(crate) async fn undo(&self, by: &By, number: u64) -> Result<SettingsView> {
        let (settings, by) = (self.clone(), by.clone());
        let whole = async move {
            let mut state = settings.inner.state.clone().lock_owned().await;
            if settings.on_trial() == Some(number) {
                let why = format!("{} took it back", by.actor.view().name);
                return settings.take_back(&by, &mut state, &why).await;
            }
            let old = history::find(&settings.inner.store, number)?;
            history::no_later(&settings.inner.store, &old)?;
            let changes = history::inverse(&old, &state.saved)?;
            let within = trial::seconds(None)?;
            settings
                .make(&by, &mut state, changes, within, Some(number))
                .await
                .map(drop)
        };
        uninterrupted(whole).await?;
        Ok(self.view().await)
    }

    /// The rows that a change touches. Nothing saved can't be taken away: whoever asks for it means
    /// something that is not here, or that stands elsewhere.
    fn rows(&self, saved: &Saved, params: &UpdateSettingsParams) -> Result<Vec<RowChange>> {
        let resolved = self.resolved();
        let absent = params.values.iter().filter(|(_, value)| value.is_none());
        for (key, _) in absent.filter(|(key, _)| !saved.contains_key(*key)) {
            let text = resolved.texts.get(key.as_str()).map(|(_, origin)| origin);
            match text.or(resolved.networks.get(key)) {
                Some(Origin::Default | Origin::Database) => {}
                Some(above) => {
                    return Err(Error::conflict(
                        Area::Setting,
                        format!("`{key}` is not saved: {above} says it"),
                        "Change it there, and start the server again.",
                    ));
                }
                // No other network is proposed: nobody shall stop the wrong one by a typing error.
                None if key.starts_with(network::BOOT_PREFIX) => {
                    return Err(Error::not_found(
                        Area::Network,
                        key.trim_start_matches("boot."),
                    ));
                }
                None => return Err(refused(sources::unknown_key(key))),
            }
        }
        change::rows(saved, params)
    }

    /// What would hold after a change.
    fn next(&self, saved: &Saved, changes: &[RowChange]) -> Result<Resolved> {
        let mut next = saved.clone();
        change::apply(&mut next, changes);
        for change in changes {
            if let Some(text) = &change.after {
                check_saved(&change.key, text).map_err(refused)?;
            }
        }
        self.inner.sources.resolve(&next).map_err(refused)
    }

    /// Saves a change and makes it hold.
    async fn make(
        &self,
        by: &By,
        state: &mut OwnedMutexGuard<State>,
        changes: Vec<RowChange>,
        within_seconds: u32,
        undoes: Option<u64>,
    ) -> Result<()> {
        if let Some(waiting) = self.on_trial() {
            return Err(Error::conflict(
                Area::Setting,
                format!("change {waiting} waits to be confirmed"),
                format!(
                    "`nsboot setting confirm {waiting}` keeps it and `nsboot setting undo {waiting}` takes it back, as the page does; else it goes back by itself."
                ),
            ));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let (now, next) = (self.resolved(), self.next(&state.saved, &changes)?);
        let on_trial = trial::needed(&now.values, &next.values);
        let record = SettingsRevisionRecord {
            number: state.revision + 1,
            at: crate::now(),
            actor: change::actor(by)?,
            changes: changes.iter().map(RowChange::record).collect(),
            state: match on_trial {
                true => RevisionState::OnTrial,
                false => RevisionState::Applied,
            },
            note: None,
            undoes,
        };
        history::save(&self.inner.store, &self.inner.audit, by, &record).await?;
        let before = state.saved.clone();
        change::apply(&mut state.saved, &changes);
        state.revision = record.number;
        if let Err(e) = self.apply(&now.values, &next.values).await {
            let note = e.to_string();
            // What can't be written down now is on trial in the database, and goes back at the next start.
            state.saved = before;
            history::revert(&self.inner.store, &self.inner.audit, by, record, &note).await?;
            self.tell(state.revision);
            return Err(e);
        }
        if on_trial {
            let trial = Trial::begin(record.number, within_seconds, &next.values, &now.values);
            self.inner.trial.send_replace(Some(trial));
        }
        self.hold(next);
        self.tell(state.revision);
        Ok(())
    }

    async fn apply(&self, now: &Values, next: &Values) -> Result<()> {
        match self.inner.apply.get() {
            Some(apply) => apply.apply(now, next).await,
            None => Ok(()),
        }
    }

    /// Makes what is saved hold outside again, as far as that is possible.
    async fn go_back(&self) -> Result<()> {
        let Some(apply) = self.inner.apply.get() else {
            return Ok(());
        };
        let fallback = self
            .without_saved()
            .map_err(|e| Error::Internal(e.to_string()))?;
        let now = self.resolved();
        apply.go_back(&now.values, fallback.listen).await
    }

    fn hold(&self, next: Resolved) {
        self.inner.resolved.store(Arc::new(next));
    }

    /// Tells the pages.
    fn tell(&self, revision: u64) {
        let trial = self.inner.trial.borrow().as_ref().map(Trial::view);
        let changed = Event::SettingsChanged { revision, trial };
        self.inner.events.publish(changed);
    }
}

fn scalar_view(known: &catalog::Known, resolved: &Resolved, saved: &Saved) -> SettingView {
    let absent = (known.default.to_string(), Origin::Default);
    let (text, origin) = resolved.texts.get(known.key).unwrap_or(&absent);
    SettingView {
        key: known.key.into(),
        about: known.about.into(),
        kind: (known.kind)(),
        value: types::SettingValue::Text(text.clone()),
        source: origin.source(),
        place: origin.to_string(),
        saved: saved.get(known.key).map(|text| value_of(known.key, text)),
        default: Some(known.default.into()),
        applies: known.applies,
        on_trial: known.on_trial,
    }
}

/// A value that was sent and can't be.
fn refused(e: ConfigError) -> Error {
    let message = match e {
        ConfigError::Value { key, text, why, .. } => format!("`{key}` can't be {text:?}: {why}"),
        ConfigError::Unknown { key, hint } => format!("there is no setting `{key}`. {hint}"),
        other => other.to_string(),
    };
    Error::invalid(Area::Setting, "values", message)
}

/// Runs to its end, whatever becomes of the request that asked for it: half a change must not be.
async fn uninterrupted<T: Send + 'static>(
    whole: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = tokio::spawn(whole).await;
    done.unwrap_or_else(|e| Err(Error::Internal(format!("changing settings broke: {e}"))))
}
