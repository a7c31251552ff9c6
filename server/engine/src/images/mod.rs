//! Images: the disks that clients boot from.

use crate::{Area, Error, EventBus, Result};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use store::{ClientRecord, ImageRecord, Read, Store};
use types::{Event, ImageId, ImageView};

/// The registry of images. Reading never touches the disk. Cheap to clone.
#[derive(Clone)]
pub struct Images {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    cache: RwLock<BTreeMap<ImageId, Arc<ImageRecord>>>,
}

impl Images {
    pub(crate) fn open(store: Arc<Store>, events: EventBus) -> Result<Self> {
        let records: Vec<ImageRecord> = store.read(|tx| tx.list())?;
        let cache = records.into_iter().map(|r| (r.id, Arc::new(r))).collect();
        Ok(Images {
            inner: Arc::new(Inner {
                store,
                events,
                cache: RwLock::new(cache),
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
        records.iter().map(|r| self.view(r)).collect()
    }

    /// An image as shown.
    pub fn view(&self, r: &ImageRecord) -> ImageView {
        self.inner.view(r)
    }

    /// Removes an image.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] while clients boot
    /// from it.
    pub async fn remove(&self, id: ImageId, if_match: Option<u64>) -> Result<()> {
        let inner = self.inner.clone();
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
            let clients: Vec<ClientRecord> = tx.list()?;
            let users = clients.iter().filter(|c| c.image_id == Some(id));
            if let Some(first) = users.clone().next() {
                return Err(Error::conflict(
                    Area::Image,
                    format!(
                        "{} computers boot from {:?}, {:?} among them",
                        users.count(),
                        record.name,
                        first.name
                    ),
                    "Give them another image first.",
                ));
            }
            tx.remove::<ImageRecord>(&id);
            tx.on_commit(move || inner.gone(id));
            Ok(())
        });
        write.await
    }
}

impl Inner {
    fn cached<T>(&self, read: impl FnOnce(&BTreeMap<ImageId, Arc<ImageRecord>>) -> T) -> T {
        read(&self.cache.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn gone(&self, id: ImageId) {
        self.cache
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        self.events.publish(Event::ImageRemoved { id });
    }

    fn view(&self, r: &ImageRecord) -> ImageView {
        let clients: store::Result<Vec<ClientRecord>> = self.store.read(|tx| tx.list());
        let uses = |c: &&ClientRecord| c.image_id == Some(r.id);
        let client_count = clients.map_or(0, |all| all.iter().filter(uses).count() as u32);
        ImageView {
            id: r.id,
            name: r.name.clone(),
            state: r.state,
            size_bytes: r.size_bytes,
            allocated_bytes: r.allocated_bytes,
            sha256: r
                .sha256
                .map(|h| h.iter().map(|b| format!("{b:02x}")).collect()),
            received_bytes: r.size_bytes,
            created_at: r.created_at,
            client_count,
            error: r.error.clone(),
            revision: r.revision,
        }
    }
}
