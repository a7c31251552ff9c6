//! Images: the disks that clients boot from.

mod containers;
mod import;
mod rules;
#[cfg(test)]
mod tests;
mod verify;

pub use import::ImportWriter;
pub use rules::parse_sha256;

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
use types::{ClientId, Event, ImageId, ImageState, ImageView};

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
                ImageState::Ready if !storage.has_image(record.id) => {
                    "its file is not in the data folder; bring the folder back and start NSBoot again, or remove the image and upload it again"
                }
                _ => continue,
            };
            tracing::warn!(image = %record.name, why, "an image can't be used");
            let cut_short = record.state == ImageState::Importing;
            mark_failed(record, why);
            if cut_short {
                record.revision += 1;
                storage.remove_image(record.id)?;
                broken.push(record.clone());
            }
        }
        if !broken.is_empty() {
            store.write_wait(move |tx| {
                broken.iter().try_for_each(|r| tx.put(r))?;
                Ok::<_, Error>(())
            })?;
        }
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

    /// Every image as shown, in the order of creation.
    pub fn list(&self) -> Vec<ImageView> {
        let records: Vec<_> = self
            .inner
            .cached(|c| c.values().cloned().collect::<Vec<_>>());
        let counts = self.inner.client_counts();
        let view = |r: &Arc<ImageRecord>| self.inner.view_with(r, &counts);
        records.iter().map(view).collect()
    }

    /// An image as shown.
    pub fn view(&self, r: &ImageRecord) -> ImageView {
        self.inner.view(r)
    }

    /// Removes an image and its file.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] while clients boot
    /// from it, have changes on it, or it is being imported.
    pub(crate) async fn remove(&self, by: &By, id: ImageId, if_match: Option<u64>) -> Result<()> {
        let storage = self.inner.storage.clone();
        let on_it = blocking(move || storage.overlays_on(id)).await?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record: ImageRecord = tx
                .get(&id)?
                .ok_or_else(|| Error::not_found(Area::Image, id))?;
            if if_match.is_some_and(|r| r != record.revision) {
                return Err(Error::PreconditionFailed {
                    area: Area::Image,
                    current: record.revision,
                });
            }
            if record.state == ImageState::Importing {
                return Err(Error::conflict(
                    Area::Image,
                    format!("{:?} is being imported", record.name),
                    "Cancel the upload, or wait for its end.",
                ));
            }
            let clients = tx.list()?;
            require_unused(&clients, &record)?;
            require_no_changes(&clients, &on_it, &record)?;
            inner.forget(tx, id);
            let change = Change::act("image.remove", "image", id, &record.name)
                .facts(Some(facts(&record)), None);
            inner.audit.record(tx, &by, change)
        });
        write.await
    }
}

/// An overlay holds only what differs from its image: without that it is worthless, and a guest that
/// still runs from it loses its disk.
fn require_no_changes(
    clients: &[ClientRecord],
    overlays: &[ClientId],
    image: &ImageRecord,
) -> Result<()> {
    match clients.iter().find(|c| overlays.contains(&c.id)) {
        None => Ok(()),
        Some(client) => Err(Error::conflict(
            Area::Image,
            format!(
                "the disk of {:?} still builds on {:?}",
                client.name, image.name
            ),
            "Boot it once from its new image, or remove the computer.",
        )),
    }
}

fn require_unused(clients: &[ClientRecord], image: &ImageRecord) -> Result<()> {
    let users = clients.iter().filter(|c| c.image_id == Some(image.id));
    match users.clone().next() {
        None => Ok(()),
        Some(first) => Err(Error::conflict(
            Area::Image,
            format!(
                "{:?} is the image of {} computers, {:?} among them",
                image.name,
                users.count(),
                first.name
            ),
            "Give them another image first.",
        )),
    }
}

/// What the audit log says of an image.
fn facts(r: &ImageRecord) -> serde_json::Value {
    serde_json::json!({ "name": r.name, "size_bytes": r.size_bytes, "sha256": r.sha256.map(hex) })
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
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
            let image = inner.view(&record);
            inner
                .cache
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(record.id, Arc::new(record));
            inner.events.publish(Event::ImageChanged { image });
        });
        Ok(())
    }

    /// Takes the record away, then the file.
    fn forget(self: &Arc<Self>, tx: &mut Tx<'_>, id: ImageId) {
        tx.remove::<ImageRecord>(&id);
        let inner = self.clone();
        tx.on_commit(move || {
            let cache = inner.cache.write();
            cache.unwrap_or_else(PoisonError::into_inner).remove(&id);
            inner.events.publish(Event::ImageRemoved { id });
            inner.remove_file(id);
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
        tx.on_commit(move || inner.remove_file(id));
        self.save(tx, &record)
    }

    fn forget_progress(&self, id: ImageId) {
        let mut received = self
            .received
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        received.remove(&id);
    }

    fn remove_file(self: &Arc<Self>, id: ImageId) {
        self.forget_progress(id);
        let storage = self.storage.clone();
        self.runtime.spawn_blocking(move || {
            if let Err(e) = storage.remove_image(id) {
                tracing::error!(image = %id, error = %e, "the file of an image can't be removed");
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

    /// How many clients boot from each image. One look at the database, however many images.
    fn client_counts(&self) -> HashMap<ImageId, u32> {
        let clients: store::Result<Vec<ClientRecord>> =
            self.store.read(|tx| tx.list_readable(None));
        let mut counts = HashMap::new();
        match clients {
            Ok(all) => {
                for id in all.iter().filter_map(|c| c.image_id) {
                    *counts.entry(id).or_insert(0) += 1;
                }
            }
            Err(e) => tracing::error!(error = %e, "the clients of images can't be counted"),
        }
        counts
    }

    fn view(&self, r: &ImageRecord) -> ImageView {
        self.view_with(r, &self.client_counts())
    }

    fn view_with(&self, r: &ImageRecord, counts: &HashMap<ImageId, u32>) -> ImageView {
        let received = self.received.read().unwrap_or_else(PoisonError::into_inner);
        ImageView {
            id: r.id,
            name: r.name.clone(),
            state: r.state,
            size_bytes: r.size_bytes,
            allocated_bytes: r.allocated_bytes,
            sha256: r.sha256.map(hex),
            received_bytes: match r.state {
                ImageState::Ready => r.size_bytes,
                _ => received.get(&r.id).copied().unwrap_or(0),
            },
            created_at: r.created_at,
            client_count: counts.get(&r.id).copied().unwrap_or(0),
            error: r.error.clone(),
            revision: r.revision,
        }
    }
}
