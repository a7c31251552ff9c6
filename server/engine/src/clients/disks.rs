//! The disks of a client: what each may hold, which data disks there are, and which its last boot was given.

use super::{Clients, Inner};
use crate::{Area, Error, Result};
use std::sync::PoisonError;
use store::{ClientRecord, Read};
use types::{DataDiskView, DiskId, ImageId};

impl Clients {
    /// The most that the overlay of a client's disk may hold, bytes. What a superclient writes becomes a version,
    /// and has no limit.
    pub(crate) fn overlay_limit(&self, client: &ClientRecord, disk: DiskId) -> Option<u64> {
        self.inner.overlay_limit(client, disk)
    }

    /// Runs `f` after a data disk was taken from a client; else as [`Clients::on_removed`].
    pub fn on_let_go(&self, f: impl Fn(&ClientRecord) + Send + Sync + 'static) {
        let let_go = self.inner.let_go.write();
        let mut let_go = let_go.unwrap_or_else(PoisonError::into_inner);
        let_go.push(Box::new(f));
    }

    /// Writes down that a boot is given the data disks of this record, before it gets them: after a restart of the
    /// server it finds the same ones under the same numbers. Blocks until it is durable; the record as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the client was removed meanwhile; when the database fails.
    pub(crate) fn give_disks(&self, client: &ClientRecord) -> Result<ClientRecord> {
        let (id, disks) = (client.id, client.data_disks.clone());
        let given = ClientRecord {
            given_disks: disks.clone(),
            ..client.clone()
        };
        if client.given_disks != disks {
            let inner = self.inner.clone();
            self.inner.store.write_wait(move |tx| {
                let found: Option<ClientRecord> = tx.get(&id)?;
                let mut record = found.ok_or_else(|| Error::not_found(Area::Client, id))?;
                record.given_disks = disks;
                inner.put(tx, record)
            })?;
        }
        Ok(given)
    }
}

impl Inner {
    pub(super) fn overlay_limit(&self, client: &ClientRecord, disk: DiskId) -> Option<u64> {
        match self.images.is_changed_on(client, disk) {
            true => None,
            false => client
                .quota_bytes
                .or_else(|| self.settings.with(|v| v.overlay_quota)),
        }
    }

    pub(super) fn image_name(&self, id: ImageId) -> Option<String> {
        Some(self.images.get(id)?.name.clone())
    }

    pub(super) fn overlay_bytes(&self, disk: DiskId) -> u64 {
        self.overlay_bytes.get().map_or(0, |f| f(disk))
    }

    pub(super) fn data_disks(&self, r: &ClientRecord) -> Vec<DataDiskView> {
        r.data_disks
            .iter()
            .map(|id| self.data_disk(r, *id))
            .collect()
    }

    fn data_disk(&self, r: &ClientRecord, image: ImageId) -> DataDiskView {
        let disk = DiskId::data(r.id, image);
        DataDiskView {
            image_id: image,
            image_name: self.image_name(image),
            overlay_bytes: self.overlay_bytes(disk),
            overlay_limit_bytes: self.overlay_limit(r, disk),
        }
    }
}
