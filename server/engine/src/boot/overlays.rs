//! What computers wrote, listed and removed; also what no computer has any more.

use super::{Boots, disks::Disks, identity};
use crate::{Area, By, Error, Result, audit::Change, blocking::blocking};
use types::{DiskId, OverlayMode, OverlayView};

impl Boots {
    /// Every overlay in the data folder, orphans too.
    ///
    /// # Errors
    /// When the file system refuses.
    pub async fn overlays(&self) -> Result<Vec<OverlayView>> {
        let disks = self.inner.disks.clone();
        blocking(move || {
            let all = disks.storage.overlays()?.into_iter();
            Ok(all.map(|id| disks.overlay_view(id)).collect())
        })
        .await
    }

    /// Removes the overlay of a computer that is off, or of none. A computer begins with an empty one at
    /// its next boot.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; [`Error::Conflict`] while the computer runs or its disk is
    /// being worked on.
    pub(crate) async fn remove_overlay(&self, by: &By, text: &str) -> Result<()> {
        let none = || Error::not_found(Area::Disk, text);
        let id = self.disk_id(text).ok_or_else(none)?;
        let disks = &self.inner.disks;
        let client = disks.clients.get(id.client);
        let _turn = match &client {
            Some(client) => Some(disks.turn_now(client)?),
            None => None,
        };
        if let Some(client) = &client {
            disks.require_off(client)?;
        }
        let here = disks.clone();
        let is_there = blocking(move || Ok(here.storage.overlays()?.contains(&id))).await?;
        if !is_there {
            return Err(none());
        }
        let bytes = disks.storage.overlay_bytes(id);
        // Before the act: what is gone is written down, also on a disk that is full.
        let name = client.as_ref().map_or(text, |c| c.name.as_str());
        let data = id.data.and_then(|image| disks.images.get(image));
        let facts = serde_json::json!({
            "bytes": bytes, "data_disk": data.map(|image| image.name.clone()),
        });
        let change = Change::act("overlay.remove", "client", id, name).facts(Some(facts), None);
        self.inner.needs.audit.act(by, change).await?;
        disks.exports.withdraw(&identity::target(id.client));
        let storage = disks.storage.clone();
        blocking(move || storage.remove_overlay(id)).await?;
        if let Some(client) = client {
            disks.clients.touch(client.mac);
        }
        Ok(())
    }
}

impl Disks {
    fn overlay_view(&self, id: DiskId) -> OverlayView {
        let client = self.clients.get(id.client);
        let on = self.storage.overlay_version(id).ok().flatten();
        let on = on.and_then(|version| self.images.holding(version));
        let is_orphan = self.is_orphan(id);
        let stays = |c| self.keeps(c, id) || self.images.is_changed_on(c, id);
        let whose = client.as_deref().filter(|_| !is_orphan);
        OverlayView {
            id,
            client_id: id.client,
            is_data: id.data.is_some(),
            is_orphan,
            mode: whose.map(|c| match stays(c) {
                true => OverlayMode::Keep,
                false => c.mode,
            }),
            client_name: client.map(|c| c.name.clone()),
            image_id: on.as_ref().map(|(image, _)| image.id),
            image_name: on.as_ref().map(|(image, _)| image.name.clone()),
            version: on.map(|(_, number)| number),
            bytes: self.storage.overlay_bytes(id),
        }
    }
}
