//! Images as they are shown.

use super::{Images, Inner, channels::number_of};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
};
use store::{ClientRecord, ImageRecord, Read, StoredVersion};
use types::{Channel, ClientId, ImageId, ImageState, ImageView, VersionView, hex};

/// What views need to know of the clients.
pub(super) struct Users {
    /// How many clients boot from each image.
    counts: HashMap<ImageId, u32>,
    /// How many have each as a data disk.
    data_counts: HashMap<ImageId, u32>,
    names: HashMap<ClientId, String>,
}

impl Images {
    /// Every image as shown, in the order of creation.
    pub fn list(&self) -> Vec<ImageView> {
        let records: Vec<_> = self
            .inner
            .cached(|c| c.values().cloned().collect::<Vec<_>>());
        let users = self.inner.users();
        let view = |r: &Arc<ImageRecord>| self.inner.view_with(r, &users);
        records.iter().map(view).collect()
    }

    /// An image as shown.
    pub fn view(&self, r: &ImageRecord) -> ImageView {
        self.inner.view(r)
    }
}

impl Inner {
    /// One look at the database, however many images.
    fn users(&self) -> Users {
        let clients: store::Result<Vec<ClientRecord>> =
            self.store.read(|tx| tx.list_readable(None));
        let clients = clients.unwrap_or_else(|error| {
            tracing::error!(%error, "the clients of images can't be counted");
            Vec::new()
        });
        let counts = count(clients.iter().filter_map(|c| c.image_id));
        let data_counts = count(clients.iter().flat_map(|c| c.data_disks.iter().copied()));
        let named = self.cached(|all| {
            let of = |image: &Arc<ImageRecord>| {
                let snapshots = image.versions.iter().filter_map(|v| v.snapshot_of);
                snapshots.chain(image.superclient).collect::<Vec<_>>()
            };
            all.values().flat_map(of).collect::<HashSet<_>>()
        });
        let names = clients.into_iter().filter(|c| named.contains(&c.id));
        Users {
            counts,
            data_counts,
            names: names.map(|c| (c.id, c.name)).collect(),
        }
    }

    pub(super) fn view(&self, r: &ImageRecord) -> ImageView {
        self.view_with(r, &self.users())
    }

    fn view_with(&self, r: &ImageRecord, users: &Users) -> ImageView {
        let received = self.received.read().unwrap_or_else(PoisonError::into_inner);
        let superclient_name = r.superclient.and_then(|id| users.names.get(&id).cloned());
        ImageView {
            id: r.id,
            name: r.name.clone(),
            state: r.state,
            size_bytes: r.size_bytes,
            allocated_bytes: r.versions.iter().map(|v| v.allocated_bytes).sum(),
            sha256: r.imported_sha256().map(|sum| hex(&sum)),
            received_bytes: match r.state {
                ImageState::Ready => r.size_bytes,
                _ => received.get(&r.id).copied().unwrap_or(0),
            },
            created_at: r.created_at,
            data_client_count: users.data_counts.get(&r.id).copied().unwrap_or(0),
            client_count: users.counts.get(&r.id).copied().unwrap_or(0),
            versions: r.versions.iter().map(|v| version(r, v, users)).collect(),
            previous: r.previous.and_then(|id| number_of(r, id)),
            superclient_id: r.superclient,
            superclient_name,
            is_private: r.is_private,
            error: r.error.clone(),
            revision: r.revision,
        }
    }
}

fn count(ids: impl Iterator<Item = ImageId>) -> HashMap<ImageId, u32> {
    let mut counts = HashMap::new();
    ids.for_each(|id| *counts.entry(id).or_insert(0) += 1);
    counts
}

fn version(image: &ImageRecord, v: &StoredVersion, users: &Users) -> VersionView {
    let is_at = |channel: &Channel| image.channels.get(*channel) == v.id;
    VersionView {
        id: v.id,
        number: v.number,
        parent: v.parent.and_then(|id| number_of(image, id)),
        comment: v.comment.clone(),
        author: v.author.clone(),
        created_at: v.created_at,
        allocated_bytes: v.allocated_bytes,
        sha256: v.sha256.map(|sum| hex(&sum)),
        channels: Channel::ALL.into_iter().filter(is_at).collect(),
        snapshot_of: v.snapshot_of,
        is_scheduled: v.is_scheduled,
        snapshot_of_name: v.snapshot_of.and_then(|id| users.names.get(&id).cloned()),
    }
}
