//! Snapshots among the versions of images, and images that are made of a version.

use super::{Images, channels::number_of, facts, import::ready_record, rules};
use crate::{Area, By, Error, Result, audit::Change, jobs::JobHandle, storage::Progress};
use std::sync::Arc;
use store::{ImageRecord, Read, StoredVersion};
use types::{ClientId, ImageId, ImageView, SnapshotView, VersionId};

/// An image that is to be made of a version.
pub(crate) struct ImageClone {
    pub image: ImageId,
    pub version: VersionId,
    pub name: String,
    /// The new image's id, and its first version's.
    pub to: ImageId,
}

impl Images {
    /// Every snapshot, the newest first. One whose computer is gone is shown by that computer's id.
    pub fn snapshots(&self) -> Vec<SnapshotView> {
        let mut all = Vec::new();
        for image in self.list() {
            for v in image.versions {
                let Some(client_id) = v.snapshot_of else {
                    continue;
                };
                all.push(SnapshotView {
                    id: v.id,
                    client_id,
                    client_name: v.snapshot_of_name.unwrap_or_else(|| client_id.to_string()),
                    image_id: image.id,
                    image_name: image.name.clone(),
                    number: v.number,
                    comment: v.comment,
                    author: v.author,
                    created_at: v.created_at,
                    allocated_bytes: v.allocated_bytes,
                    is_scheduled: v.is_scheduled,
                });
            }
        }
        all.sort_by_key(|s| std::cmp::Reverse(s.id));
        all
    }

    /// The snapshots of this computer's disk, of whatever image, the oldest first.
    pub(crate) fn snapshots_of(&self, client: ClientId) -> Vec<StoredVersion> {
        let its = |v: &&StoredVersion| v.snapshot_of == Some(client);
        let mut all: Vec<_> = self.inner.cached(|all| {
            let versions = all.values().flat_map(|image| &image.versions);
            versions.filter(its).cloned().collect()
        });
        all.sort_by_key(|v| v.id);
        all
    }

    /// A snapshot, with its image.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn require_snapshot(
        &self,
        id: VersionId,
    ) -> Result<(Arc<ImageRecord>, StoredVersion)> {
        let is_it = |v: &&StoredVersion| v.id == id && v.snapshot_of.is_some();
        let found = self.inner.cached(|all| {
            let mut images = all.values();
            images.find_map(|i| Some((i.clone(), i.versions.iter().find(is_it)?.clone())))
        });
        found.ok_or_else(|| Error::not_found(Area::Snapshot, id))
    }

    /// A computer is gone for good, and nobody can go back to its disks.
    ///
    /// # Errors
    /// Why the first of those that are left could not be removed.
    pub(crate) async fn forget_snapshots(&self, by: &By, client: ClientId) -> Result<()> {
        let mut left = Ok(());
        for image in self
            .inner
            .cached(|all| all.values().cloned().collect::<Vec<_>>())
        {
            // The newest first: they may be made on each other.
            let its = image
                .versions
                .iter()
                .rev()
                .filter(|v| v.snapshot_of == Some(client));
            for version in its {
                let removed = self.remove_version(by, image.id, None, version.number);
                left = left.and(removed.await.map(drop));
            }
        }
        left
    }

    /// Whether an image of that name can be made of a ready image's version.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name, [`Error::Conflict`] for a taken one or an image that is not ready.
    pub(crate) fn may_clone(&self, image: &ImageRecord, name: &str) -> Result<()> {
        rules::name(name)?;
        if let Some(other) = self.find(name) {
            return Err(rules::taken(&other));
        }
        rules::require_ready(image)
    }

    /// Makes an image of a version: all of it is copied. None when the job was cancelled meanwhile.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the version is gone, [`Error::Conflict`] when the name was taken meanwhile, or
    /// why the file system refused.
    pub(crate) async fn make_clone(
        &self,
        by: &By,
        clone: ImageClone,
        job: &JobHandle,
    ) -> Result<Option<ImageView>> {
        // A stop of the server between its record and the end of its job.
        if let Some(done) = self.get(clone.to) {
            return Ok(Some(self.view(&done)));
        }
        let gone = || Error::not_found(Area::Version, clone.version);
        let source = self.get(clone.image).ok_or_else(gone)?;
        let number = number_of(&source, clone.version).ok_or_else(gone)?;
        let (storage, from, to) = (
            self.inner.storage.clone(),
            clone.version,
            VersionId(clone.to.0),
        );
        let copy = move |progress: &mut Progress<'_>| storage.copy(from, to, progress);
        let Some(copied) = job.wait_for(copy).await? else {
            return Ok(None);
        };
        let record = ready_record(by, &clone.name, clone.to, copied);
        let (inner, by, of) = (self.inner.clone(), by.clone(), source.name.clone());
        let write = self.inner.store.write(move |tx| {
            let all: Vec<ImageRecord> = tx.list_readable(None)?;
            if let Some(other) = all
                .iter()
                .find(|o| o.name.eq_ignore_ascii_case(&record.name))
            {
                return Err(rules::taken(other));
            }
            inner.save(tx, &record)?;
            let from = serde_json::json!({ "image": of, "version": number });
            let change = Change::act("image.clone", "image", record.id, &record.name)
                .facts(Some(from), Some(facts(&record)));
            inner.audit.record(tx, &by, change)?;
            Ok::<_, Error>(record)
        });
        match write.await {
            Ok(record) => Ok(Some(self.inner.view(&record))),
            Err(why) => {
                self.inner.remove_files(vec![to]);
                Err(why)
            }
        }
    }
}
