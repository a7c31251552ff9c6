//! Loader sets coming and going. What lies in a folder is in no transaction: the entry of the audit log is
//! durable first, so that nothing comes or goes without one.

use super::{Admin, Operator, target};
use crate::{
    Area, By, Engine, Error, Result,
    audit::Change,
    loaders::{BUILT_IN, Staged},
};
use bytes::Bytes;
use serde_json::json;
use tokio::{
    sync::{OwnedMutexGuard, mpsc},
    task::JoinHandle,
};
use types::{BootEntryView, Event, LoaderSetView, SettingValue, UpdateSettingsParams};

/// The setting that names the default set.
const DEFAULT_SET: &str = "clients.loader_set";
/// The largest archive that is read, bytes.
const MAX_ARCHIVE: u64 = 2 << 30;
/// Pieces of an archive that wait to be unpacked.
const QUEUE: usize = 8;

impl Operator {
    /// As [`crate::Loaders::hold_choice`].
    pub(super) async fn hold_set(
        &self,
        area: Area,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<Option<OwnedMutexGuard<()>>> {
        self.engine.loaders().hold_choice(area, old, new).await
    }
}

impl Admin {
    /// Begins a new loader set; its archive follows piece by piece.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, [`Error::Conflict`] for a taken one.
    pub async fn begin_loader_set(&self, name: &str) -> Result<LoaderUpload> {
        let begin = async {
            self.engine.loaders().check_new(name).await?;
            Ok(LoaderUpload::new(&self.engine, &self.by, name))
        };
        self.attempt("loader.add", target("loader", name), begin)
            .await
    }

    /// Removes an uploaded loader set with its files.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] for one that is built in or in use.
    pub async fn remove_loader_set(&self, name: &str) -> Result<()> {
        let (engine, by, set) = (self.engine.clone(), self.by.clone(), name.to_owned());
        // Goes on to its end when the caller goes away.
        let whole = tokio::spawn(async move { remove(&engine, &by, &set).await });
        let remove = async { whole.await.map_err(broke_off)? };
        self.attempt("loader.remove", target("loader", name), remove)
            .await
    }

    /// A set that is not there can't be the default: what is meant for another box is told at once.
    pub(super) async fn check_default_set(&self, params: &UpdateSettingsParams) -> Result<()> {
        let name = match params.values.get(DEFAULT_SET) {
            Some(Some(SettingValue::Text(name))) if !name.is_empty() => name,
            _ => return Ok(()),
        };
        let loaders = self.engine.loaders();
        loaders
            .require_choice(Area::Setting, DEFAULT_SET, name)
            .await
    }
}

async fn remove(engine: &Engine, by: &By, name: &str) -> Result<()> {
    let loaders = engine.loaders();
    if BUILT_IN.contains(&name) {
        return Err(Error::conflict(
            Area::Loader,
            format!("the loader set {name:?} is the distribution's"),
            "Remove its package from this box if it is not wanted.",
        ));
    }
    let _changing = loaders.changing().await;
    let set = loaders.require_set(name).await?;
    if let Some(user) = user_of(engine, name) {
        return Err(Error::conflict(
            Area::Loader,
            format!("the loader set {name:?} is in use: {user}"),
            "Choose another set there first.",
        ));
    }
    let facts = json!({ "name": name, "files": set.files.len() });
    let change = Change::act("loader.remove", "loader", name, name).facts(Some(facts), None);
    engine.audit().act(by, change).await?;
    let gone = loaders.take_away(name).await;
    tell(engine, name);
    gone
}

/// Who needs a set, in words.
fn user_of(engine: &Engine, name: &str) -> Option<String> {
    let chosen = |set: &Option<String>| set.as_deref() == Some(name);
    if engine.settings().with(|v| v.loader_set == name) {
        return Some(format!("the setting {DEFAULT_SET} names it"));
    }
    let groups = engine.groups().list();
    if let Some(group) = groups.iter().find(|g| chosen(&g.loader_set)) {
        return Some(format!("it is that of the group {:?}", group.name));
    }
    let clients = engine.clients().list();
    if let Some(client) = clients.iter().find(|c| chosen(&c.loader_set)) {
        return Some(format!("it is that of the computer {:?}", client.name));
    }
    let inside = |file: &String| file.split_once('/').is_some_and(|(set, _)| set == name);
    let entries = engine.entries().list();
    let of_it = |e: &&BootEntryView| inside(&e.kernel) || e.initrds.iter().any(inside);
    let entry = entries.iter().find(of_it)?;
    Some(format!("the boot entry {:?} has files of it", entry.name))
}

fn tell(engine: &Engine, name: &str) {
    engine.events().publish(Event::LoadersChanged {
        set: name.into(),
        sets: engine.loaders().names(),
    });
}

/// A set on its way in. Dropping it leaves nothing.
pub struct LoaderUpload {
    engine: Engine,
    by: By,
    name: String,
    received: u64,
    /// None once it is over.
    running: Option<Running>,
}

struct Running {
    pieces: mpsc::Sender<Option<Bytes>>,
    unpacking: JoinHandle<Result<Staged>>,
}

impl LoaderUpload {
    fn new(engine: &Engine, by: &By, name: &str) -> Self {
        let (pieces, queue) = mpsc::channel(QUEUE);
        let loaders = engine.loaders().clone();
        let unpacking = tokio::task::spawn_blocking(move || loaders.stage(queue.into()));
        LoaderUpload {
            engine: engine.clone(),
            by: by.clone(),
            name: name.into(),
            received: 0,
            running: Some(Running { pieces, unpacking }),
        }
    }

    /// Takes the next bytes of the archive. After an error this is of no use.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no archive, or none that may be unpacked; why the file system failed.
    pub async fn write(&mut self, piece: Bytes) -> Result<()> {
        self.received += piece.len() as u64;
        if self.received > MAX_ARCHIVE {
            let why = format!("the archive is larger than {} GiB", MAX_ARCHIVE >> 30);
            self.running = None;
            return Err(self.refused(Error::invalid(Area::Loader, "file", why)));
        }
        let running = self.running.as_ref().ok_or_else(over)?;
        match running.pieces.send(Some(piece)).await {
            Ok(()) => Ok(()),
            // It reads to the end unless something is wrong.
            Err(_) => match self.unpacked().await {
                Ok(_) => Err(over()),
                Err(e) => Err(self.refused(e)),
            },
        }
    }

    /// Makes the set, durably. Goes on to its end when the caller goes away.
    ///
    /// # Errors
    /// As [`LoaderUpload::write`]; [`Error::Conflict`] when the name was taken meanwhile.
    pub async fn finish(mut self) -> Result<LoaderSetView> {
        let whole = tokio::spawn(async move {
            let done = self.complete().await;
            done.map_err(|e| self.refused(e))
        });
        whole.await.map_err(broke_off)?
    }

    async fn complete(&mut self) -> Result<LoaderSetView> {
        let running = self.running.as_ref().ok_or_else(over)?;
        // A send fails only when the work has ended, and then that says why.
        let _ = running.pieces.send(None).await;
        let staged = self.unpacked().await?;
        let (engine, name) = (&self.engine, self.name.as_str());
        let loaders = engine.loaders();
        let _changing = loaders.changing().await;
        loaders.check_new(name).await?;
        let facts = json!({ "name": name, "archive_bytes": self.received });
        let change = Change::act("loader.add", "loader", name, name).facts(None, Some(facts));
        engine.audit().act(&self.by, change).await?;
        loaders.put(staged, name).await?;
        tell(engine, name);
        loaders.show(name).await
    }

    async fn unpacked(&mut self) -> Result<Staged> {
        let running = self.running.take().ok_or_else(over)?;
        running.unpacking.await.map_err(broke_off)?
    }

    /// Writes down that it was refused, and why.
    fn refused(&mut self, why: Error) -> Error {
        self.running = None;
        let to = target("loader", &self.name);
        let audit = self.engine.audit();
        audit.refused(&self.by, "loader.add", to, &why);
        why
    }
}

impl Drop for LoaderUpload {
    fn drop(&mut self) {
        // Without its end the archive is refused, and what was unpacked of it removed.
        if self.running.is_some() {
            self.refused(Error::conflict(
                Area::Loader,
                "the upload ended before the archive was complete",
                "Send it again.",
            ));
        }
    }
}

fn over() -> Error {
    Error::conflict(
        Area::Loader,
        "this upload is over already",
        "Begin the upload again.",
    )
}

fn broke_off(e: tokio::task::JoinError) -> Error {
    Error::Internal(format!("work on a loader set broke off: {e}"))
}
