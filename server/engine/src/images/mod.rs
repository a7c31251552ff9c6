//! Images: the disks that clients boot from.

mod channels;
mod containers;
mod export;
mod formats;
mod import;
mod intake;
mod rules;
mod snapshots;
#[cfg(test)]
mod tests;
mod unpack;
mod update;
mod verify;
mod versions;
mod views;

pub use export::Export;
pub use import::{ImportWriter, NewImport};
pub use rules::parse_sha256;
pub(crate) use rules::require_ready;
pub(crate) use snapshots::ImageClone;
pub(crate) use update::require_one_user;
pub(crate) use versions::{Made, comment};

use crate::{
    Area, Audit, By, Error, EventBus, Result, audit::Change, blocking::blocking,
    storage::StorageBackend,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};
use store::{ClientRecord, ImageRecord, Read, Store, Tx};
use tokio::runtime::Handle;
use types::{DiskId, Event, ImageId, ImageState, VersionId};

/// The registry of images. Reading never touches the disk. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    audit: Audit,
    storage: Arc<dyn StorageBackend>,
    /// Where files are removed: never on the database's thread.
    runtime: Handle,
    cache: RwLock<BTreeMap<ImageId, Arc<ImageRecord>>>,
    /// Bytes received of imports under way.
    received: RwLock<HashMap<ImageId, u64>>,
}

impl Images {
    /// Reads the images. What a stop of the server cut short is failed now. An image whose file is
    /// not there can't be used until a start that finds it: a folder may be mounted late.
    pub(crate) fn open(
        store: Arc<Store>,
        events: EventBus,
        audit: Audit,
        storage: Arc<dyn StorageBackend>,
    ) -> Result<Self> {
        let mut records: Vec<ImageRecord> = store.read(|tx| tx.list_readable(None))?;
        let mut broken = Vec::new();
        for record in &mut records {
            let why = match record.state {
                ImageState::Importing => "the server stopped during the import; upload it again",
                ImageState::Ready if !storage.has_version(record.channels.production) => {
                    "its file is not in the data folder; bring the folder back and start NSBoot again, or remove the image and upload it again"
                }
                _ => continue,
            };
            tracing::warn!(image = %record.name, why, "an image can't be used");
            let cut_short = record.state == ImageState::Importing;
            mark_failed(record, why);
            if cut_short {
                record.revision += 1;
                storage.remove_version(record.channels.production)?;
                broken.push(record.clone());
            }
        }
        if !broken.is_empty() {
            store.write_wait(move |tx| {
                broken.iter().try_for_each(|r| tx.put(r))?;
                Ok::<_, Error>(())
            })?;
        }
        tell_of_files(&records, storage.as_ref())?;
        let runtime = Handle::try_current()
            .map_err(|e| Error::Internal(format!("the engine needs a tokio runtime: {e}")))?;
        Ok(Images {
            inner: Arc::new(Inner {
                store,
                events,
                audit,
                storage,
                runtime,
                cache: RwLock::new(records.into_iter().map(|r| (r.id, Arc::new(r))).collect()),
                received: RwLock::default(),
            }),
        })
    }

    /// An image by id.
    pub fn get(&self, id: ImageId) -> Option<Arc<ImageRecord>> {
        self.inner.cached(|c| c.get(&id).cloned())
    }

    /// An image by name (case does not matter) or id.
    pub fn find(&self, text: &str) -> Option<Arc<ImageRecord>> {
        let by_name = self.inner.cached(|c| {
            let same = |r: &&Arc<ImageRecord>| r.name.eq_ignore_ascii_case(text);
            c.values().find(same).cloned()
        });
        by_name.or_else(|| text.parse().ok().and_then(|id| self.get(id)))
    }

    /// As [`Images::find`].
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn require(&self, text: &str) -> Result<Arc<ImageRecord>> {
        self.find(text)
            .ok_or_else(|| Error::not_found(Area::Image, text))
    }

    /// Removes an image with all its versions.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] while clients boot
    /// from it, have changes on it, or it is being imported.
    pub(crate) async fn remove(&self, by: &By, id: ImageId, if_match: Option<u64>) -> Result<()> {
        let known = self
            .get(id)
            .ok_or_else(|| Error::not_found(Area::Image, id))?;
        let on_it = self
            .overlays_on(known.versions.iter().map(|v| v.id))
            .await?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record = inner.current(tx, id, if_match)?;
            if record.state == ImageState::Importing {
                return Err(Error::conflict(
                    Area::Image,
                    format!("{:?} is being imported", record.name),
                    "Cancel the upload, or wait for its end.",
                ));
            }
            require_quiet(&record)?;
            let clients = tx.list()?;
            require_unused(&clients, &record)?;
            require_no_changes(&clients, &on_it, &format!("{:?}", record.name))?;
            let change = Change::act("image.remove", "image", id, &record.name)
                .facts(Some(facts(&record)), None);
            inner.forget(tx, record);
            inner.audit.record(tx, &by, change)
        });
        write.await
    }

    /// The disks whose overlay is on one of these versions.
    async fn overlays_on(&self, versions: impl Iterator<Item = VersionId>) -> Result<Vec<DiskId>> {
        let (storage, versions) = (self.inner.storage.clone(), versions.collect::<Vec<_>>());
        blocking(move || {
            let mut disks = Vec::new();
            for version in versions {
                disks.extend(storage.overlays_on(version)?);
            }
            Ok(disks)
        })
        .await
    }
}

/// Versions without files, and files without a version: a crash between the two, or an older database.
/// Such files are not removed here: after the return of that database they are somebody's.
fn tell_of_files(records: &[ImageRecord], storage: &dyn StorageBackend) -> Result<()> {
    let there = storage.versions()?;
    let known: Vec<_> = records.iter().flat_map(|r| &r.versions).collect();
    for version in known.iter().filter(|v| !there.contains(&v.id)) {
        tracing::warn!(version = %version.id, number = version.number, "the files of a version are not in the folder of the images");
    }
    for id in there
        .iter()
        .filter(|id| !known.iter().any(|v| v.id == **id))
    {
        tracing::warn!(
            "the files images/{id}.* belong to no version; remove them by hand when nobody misses them"
        );
    }
    Ok(())
}

/// What the superclient writes is to become a version.
fn require_quiet(record: &ImageRecord) -> Result<()> {
    match record.superclient {
        None => Ok(()),
        Some(_) => Err(Error::conflict(
            Area::Image,
            format!("{:?} has a superclient", record.name),
            "Apply or discard its changes, and end it first.",
        )),
    }
}

/// An overlay holds only what differs from its image: without that it is worthless, and a guest that
/// still runs from it loses its disk.
fn require_no_changes(clients: &[ClientRecord], overlays: &[DiskId], what: &str) -> Result<()> {
    let on_it = |client: &&ClientRecord| overlays.iter().any(|disk| disk.client == client.id);
    match clients.iter().find(on_it) {
        None => Ok(()),
        Some(client) => Err(Error::conflict(
            Area::Image,
            format!("the disk of {:?} still builds on {what}", client.name),
            "Discard its changes, boot it once from what it is to have now, or remove the computer.",
        )),
    }
}

fn require_unused(clients: &[ClientRecord], image: &ImageRecord) -> Result<()> {
    let refuse = |users: Vec<&ClientRecord>, what: &str, hint: &str| match users.first() {
        None => Ok(()),
        Some(first) => Err(Error::conflict(
            Area::Image,
            format!(
                "{:?} is {what} of {} computers, {:?} among them",
                image.name,
                users.len(),
                first.name
            ),
            hint,
        )),
    };
    let boot_it = clients.iter().filter(|c| c.image_id == Some(image.id));
    let have_it = clients.iter().filter(|c| c.data_disks.contains(&image.id));
    refuse(
        boot_it.collect(),
        "the image",
        "Give them another image first.",
    )?;
    refuse(
        have_it.collect(),
        "a data disk",
        "Take it off their data disks first.",
    )
}

/// What the audit log says of an image.
fn facts(r: &ImageRecord) -> serde_json::Value {
    serde_json::json!({ "name": r.name, "size_bytes": r.size_bytes, "sha256": r.imported_sha256().map(|sum| types::hex(&sum)) })
}

fn mark_failed(record: &mut ImageRecord, why: &str) {
    record.state = ImageState::Failed;
    record.error = Some(why.into());
}

impl Inner {
    fn cached<T>(&self, read: impl FnOnce(&BTreeMap<ImageId, Arc<ImageRecord>>) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stores a record; memory and page follow once it is durable.
    fn save(self: &Arc<Self>, tx: &mut Tx<'_>, record: &ImageRecord) -> Result<()> {
        tx.put(record)?;
        let (inner, record) = (self.clone(), record.clone());
        tx.on_commit(move || {
            if record.state != ImageState::Importing {
                inner.forget_progress(record.id);
            }
            let record = Arc::new(inner.as_known(record));
            let mut cache = inner.cache.write().unwrap_or_else(PoisonError::into_inner);
            cache.insert(record.id, record.clone());
            drop(cache);
            let image = inner.view(&record);
            inner.events.publish(Event::ImageChanged { image });
        });
        Ok(())
    }

    /// A record as it is to be shown: one whose files are missing is known as such in memory alone, until a start that
    /// finds them.
    fn as_known(&self, record: ImageRecord) -> ImageRecord {
        match self.cached(|all| all.get(&record.id).cloned()) {
            Some(known) if known.state == ImageState::Failed => ImageRecord {
                state: known.state,
                error: known.error.clone(),
                ..record
            },
            _ => record,
        }
    }

    /// The record as it is now, for a change that was asked for on `if_match`.
    fn current(&self, tx: &Tx<'_>, id: ImageId, if_match: Option<u64>) -> Result<ImageRecord> {
        let record: ImageRecord = tx
            .get(&id)?
            .ok_or_else(|| Error::not_found(Area::Image, id))?;
        match if_match.is_some_and(|r| r != record.revision) {
            false => Ok(record),
            true => Err(Error::PreconditionFailed {
                area: Area::Image,
                current: record.revision,
            }),
        }
    }

    /// Takes the record away, then the files.
    fn forget(self: &Arc<Self>, tx: &mut Tx<'_>, record: ImageRecord) {
        let id = record.id;
        tx.remove::<ImageRecord>(&id);
        let inner = self.clone();
        tx.on_commit(move || {
            let cache = inner.cache.write();
            cache.unwrap_or_else(PoisonError::into_inner).remove(&id);
            inner.events.publish(Event::ImageRemoved { id });
            inner.forget_progress(id);
            // Those above first: what is left of a chain can still be read.
            let newest_first = record.versions.iter().rev();
            inner.remove_files(newest_first.map(|v| v.id).collect());
        });
    }

    /// Marks an import as failed and takes its file away. An image that is ready stays.
    fn fail(self: &Arc<Self>, tx: &mut Tx<'_>, id: ImageId, why: &str) -> Result<()> {
        let Some(mut record) = tx.get::<ImageRecord>(&id)? else {
            return Ok(());
        };
        if record.state != ImageState::Importing {
            return Ok(());
        }
        mark_failed(&mut record, why);
        record.revision += 1;
        let inner = self.clone();
        let version = record.channels.production;
        tx.on_commit(move || inner.remove_files(vec![version]));
        self.save(tx, &record)
    }

    fn forget_progress(&self, id: ImageId) {
        let mut received = self
            .received
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        received.remove(&id);
    }

    fn remove_files(self: &Arc<Self>, versions: Vec<VersionId>) {
        let storage = self.storage.clone();
        self.runtime.spawn_blocking(move || {
            for version in versions {
                if let Err(error) = storage.remove_version(version) {
                    tracing::error!(%version, %error, "the files of a version can't be removed");
                }
            }
        });
    }

    /// Notes how far an import is, and tells the page.
    fn progress(&self, id: ImageId, received: u64) {
        self.received
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, received);
        if let Some(record) = self.cached(|c| c.get(&id).cloned()) {
            let image = self.view(&record);
            self.events.publish(Event::ImageChanged { image });
        }
    }
}
