//! Snapshots of computers' disks: taken while the computer is off, and gone back to.
//!
//! A snapshot is a version of the image that no channel can be at. It holds a copy of what the computer
//! wrote, so that it can be removed without touching the disk that it was taken of.

use super::{Boots, identity};
use crate::{
    Area, By, Error, Result,
    audit::Change,
    blocking::blocking,
    images::{Made, comment},
    jobs::JobHandle,
    now, schedule,
    storage::Progress,
};
use std::sync::Arc;
use store::ClientRecord;
use types::{ClientId, ClientState, ClientView, DiskId, VersionId};
use uuid::Uuid;

impl Boots {
    /// Whether a snapshot of this computer's disk can be taken now.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it runs, has written nothing, or keeps nothing.
    pub(crate) async fn may_take_snapshot(&self, client: &ClientRecord) -> Result<()> {
        let disks = &self.inner.disks;
        if !disks.keeps(client, client.id.into()) {
            return Err(Error::conflict(
                Area::Client,
                format!("the disk of {:?} is begun anew at each boot", client.name),
                "There is nothing to go back to. Let it keep its changes: nsboot client set NAME --mode keep.",
            ));
        }
        let image = client.image_id.and_then(|id| disks.images.get(id));
        if let Some(image) = image.filter(|image| image.superclient == Some(client.id)) {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} is the superclient of {:?}", client.name, image.name),
                "Apply its changes: they become a version, which can be gone back to.",
            ));
        }
        disks.require_off(client)?;
        match disks.is_untouched(client.id.into()).await? {
            true => Err(Error::conflict(
                Area::Client,
                format!(
                    "{:?} has written nothing since its disk was begun",
                    client.name
                ),
                "There is nothing to take: what it starts from is kept anyway.",
            )),
            false => Ok(()),
        }
    }

    /// Takes a snapshot of a computer's disk; its number. None when the job was cancelled meanwhile.
    ///
    /// # Errors
    /// As [`Boots::may_take_snapshot`]; why the file system refused.
    pub(crate) async fn take_snapshot(
        &self,
        by: &By,
        client: ClientId,
        text: &str,
        job: &JobHandle,
    ) -> Result<Option<u32>> {
        let text = comment(text)?;
        let disks = &self.inner.disks;
        let client = disks.clients.get(client);
        let client = client.ok_or_else(|| Error::not_found(Area::Client, "the computer"))?;
        // A boot that begins meanwhile waits, and is told.
        let _turn = disks.turn_now(&client)?;
        self.may_take_snapshot(&client).await?;
        let image = client.image_id.and_then(|id| disks.images.get(id));
        let parent = disks.overlay_version(client.id.into()).await?;
        let (Some(image), Some(parent)) = (image, parent) else {
            return Err(elsewhere(&client));
        };
        if !image.versions.iter().any(|v| v.id == parent) {
            return Err(elsewhere(&client));
        }
        // Nobody logs in while it is read.
        let target = identity::target(client.id);
        let was_offered = disks.exports.offer(&target).is_some();
        disks.exports.withdraw_idle(&target);
        disks.require_off(&client)?;
        let (storage, from, id) = (
            disks.storage.clone(),
            DiskId::from(client.id),
            VersionId(Uuid::now_v7()),
        );
        let copy = move |progress: &mut Progress<'_>| storage.promote(from, id, progress);
        let copied = job.wait_for(copy).await;
        // What runs on it looks for it again, whatever became of the copy.
        if was_offered {
            let (disks, client) = (disks.clone(), client.clone());
            let name = client.name.clone();
            if let Err(error) = blocking(move || disks.offer(&client)).await {
                tracing::warn!(client = %name, %error, "its disk is offered again at its next boot only");
            }
        }
        let Some(promoted) = copied? else {
            return Ok(None);
        };
        let made = Made {
            id,
            parent,
            comment: text,
            promoted,
            snapshot_of: Some(client.id),
            is_scheduled: schedule::is_by(by),
        };
        let image = disks.images.enter(by, image.id, made).await?;
        let taken = image.versions.iter().find(|v| v.id == id);
        Ok(taken.map(|v| v.number))
    }

    /// The computer's disk is what it was at a snapshot. What it wrote since is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it runs, or boots another image by now.
    pub(crate) async fn restore(&self, by: &By, snapshot: VersionId) -> Result<ClientView> {
        let disks = &self.inner.disks;
        let (image, version) = disks.images.require_snapshot(snapshot)?;
        let client = version.snapshot_of.and_then(|id| disks.clients.get(id));
        let client = client.ok_or_else(|| Error::not_found(Area::Client, "its computer"))?;
        if client.image_id != Some(image.id) {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} does not boot {:?} any more", client.name, image.name),
                "Give it that image again first, or make an image of the snapshot.",
            ));
        }
        if !disks.keeps(&client, client.id.into()) || image.superclient == Some(client.id) {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} does not keep a disk of its own now", client.name),
                "Let it keep its changes first: nsboot client set NAME --mode keep. A superclient is ended first.",
            ));
        }
        let _turn = disks.turn_now(&client)?;
        disks.require_off(&client)?;
        // It may have been removed before it was our turn.
        disks.images.require_snapshot(snapshot)?;
        let gone = disks.storage.overlay_bytes(client.id.into());
        disks.begin_anew(client.id.into(), snapshot).await?;
        let facts =
            serde_json::json!({ "snapshot": version.number, "image": image.name, "bytes": gone });
        let change = Change::act("client.restore", "client", client.id, &client.name)
            .facts(None, Some(facts));
        self.note(by, change).await?;
        disks.clients.touch(client.mac);
        Ok(disks.clients.view(&client))
    }
}

impl Boots {
    /// Removes a snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while a disk or another snapshot builds on it, or its computer's
    /// disk is being worked on.
    pub(crate) async fn remove_snapshot(&self, by: &By, snapshot: VersionId) -> Result<()> {
        let disks = &self.inner.disks;
        let (image, version) = disks.images.require_snapshot(snapshot)?;
        let client = version.snapshot_of.and_then(|id| disks.clients.get(id));
        let _turn = client.map(|client| disks.turn_now(&client)).transpose()?;
        let removed = disks
            .images
            .remove_version(by, image.id, None, version.number);
        removed.await.map(drop)
    }
}

impl Boots {
    /// The computers that snapshots can be taken of while they are off.
    pub(crate) fn keeping(&self) -> Vec<Arc<ClientRecord>> {
        let disks = &self.inner.disks;
        let is_one = |c: &Arc<ClientRecord>| {
            c.state == ClientState::Adopted
                && c.image_id.is_some()
                && disks.keeps(c, c.id.into())
                && !disks.images.is_changed_on(c, c.id.into())
        };
        disks.clients.records().into_iter().filter(is_one).collect()
    }

    /// Whether a computer is off and nobody works on its disk.
    pub(crate) fn is_at_rest(&self, client: &ClientRecord) -> bool {
        let disks = &self.inner.disks;
        disks.turn_now(client).is_ok() && disks.require_off(client).is_ok()
    }

    /// Whether the disk of a computer that is off holds what no snapshot has. One that its next boot puts on
    /// another image does not count. It waits for the file system.
    ///
    /// # Errors
    /// When its overlay can't be read.
    pub(crate) fn has_news(&self, client: &ClientRecord) -> Result<bool> {
        let disks = &self.inner.disks;
        let Some(changed) = disks.storage.changed_at(client.id.into())? else {
            return Ok(false);
        };
        let on = disks.storage.overlay_version(client.id.into())?;
        let on = on.and_then(|version| disks.images.holding(version));
        if on.map(|(image, _)| image.id) != client.image_id {
            return Ok(false);
        }
        let taken = disks.images.snapshots_of(client.id);
        // The time of a file is some milliseconds behind, which no computer starts in. One of the future is of a
        // clock that was wrong.
        let taken = taken.iter().filter(|v| v.created_at <= now());
        Ok(taken
            .map(|v| v.created_at)
            .max()
            .is_none_or(|at| at < changed))
    }
}

fn elsewhere(client: &ClientRecord) -> Error {
    Error::conflict(
        Area::Client,
        format!(
            "the disk of {:?} is on no version of its image",
            client.name
        ),
        "Start it once: its disk is put on its image then.",
    )
}
