//! The computer that changes an image: its disk is kept from boot to boot, becomes the next version, or is
//! begun anew. All of it while the computer is off, so that no disk is pulled from under it.
//!
//! Off means that no session is on its disk, and none was a moment ago: a system that runs comes back within
//! seconds when the server was started anew or the line was cut, and firmware needs a moment from its
//! script to its login.

use super::{Boots, disks::Disks, identity};
use crate::{
    Area, By, Error, Result,
    audit::Change,
    blocking::blocking,
    export::Exports,
    images::{Made, comment, require_ready},
    jobs::JobHandle,
    storage::Progress,
};
use std::{sync::Arc, time::Duration};
use store::{ClientRecord, ImageRecord};
use types::{ClientId, ClientView, DiskId, ImageState, ImageView, VersionId};
use uuid::Uuid;

/// How long a disk was not used before its computer counts as off. Tests of other things don't wait for it.
const SETTLED: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 30 });

impl Boots {
    /// From its next boot on this computer starts from maintenance and keeps what it writes.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it runs, boots another image, keeps changes of its own, or another
    /// computer is the superclient; [`Error::PreconditionFailed`].
    pub(crate) async fn appoint(
        &self,
        by: &By,
        image: &ImageRecord,
        if_match: Option<u64>,
        client: &ClientRecord,
    ) -> Result<ImageView> {
        let disks = &self.inner.disks;
        require_revision(image, if_match)?;
        let place = (image.id, if_match);
        if image.superclient.is_some() {
            // As it is, or refused: in any case its disk stays.
            let (id, images) = (Some(client.id), &disks.images);
            return images.appoint(by, place, id, id).await;
        }
        require_ready(image)?;
        let disk = client.disk_on(image.id).ok_or_else(|| {
            Error::conflict(
                Area::Client,
                format!("{:?} does not boot {:?}", client.name, image.name),
                "Give it that image first, or that data disk.",
            )
        })?;
        let _turn = disks.turn_now(client)?;
        disks.require_off(client)?;
        if disks.keeps(client, disk) && !disks.is_untouched(disk).await? {
            return Err(Error::conflict(
                Area::Client,
                format!(
                    "{:?} keeps what it wrote, and a superclient begins with an empty disk",
                    client.name
                ),
                "Discard its changes first, or choose another computer.",
            ));
        }
        // Whatever it wrote before it was the superclient is not to become a version.
        disks.begin_anew(disk, image.channels.maintenance).await?;
        disks.clients.touch(client.mac);
        let images = &disks.images;
        images.appoint(by, place, None, Some(client.id)).await
    }

    /// Nobody changes the image any more.
    ///
    /// # Errors
    /// [`Error::Conflict`] while the computer runs, or has changes that are in no version;
    /// [`Error::PreconditionFailed`].
    pub(crate) async fn dismiss(
        &self,
        by: &By,
        image: &ImageRecord,
        if_match: Option<u64>,
    ) -> Result<ImageView> {
        let disks = &self.inner.disks;
        require_revision(image, if_match)?;
        let (from, place) = (image.superclient, (image.id, if_match));
        let client = from.and_then(|id| disks.clients.get(id));
        let Some(client) = client else {
            return disks.images.appoint(by, place, from, None).await;
        };
        let _turn = disks.turn_now(&client)?;
        disks.require_off(&client)?;
        require_no_changes(
            &client,
            image,
            disks.is_untouched(changed(&client, image)).await,
        )?;
        disks.images.appoint(by, place, from, None).await
    }

    /// The computer's disks are begun anew: what it wrote is gone.
    ///
    /// # Errors
    /// [`Error::Conflict`] while it runs, or when it has no image.
    pub(crate) async fn discard(&self, by: &By, client: &ClientRecord) -> Result<ClientView> {
        let disks = &self.inner.disks;
        let _turn = disks.turn_now(client)?;
        disks.require_off(client)?;
        if client.image_id.is_none() {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} has no image", client.name),
                "Give it one; it begins with an empty disk then.",
            ));
        }
        let channel = disks.clients.channel_of(client);
        let mut gone = 0;
        for disk in client.next_disks() {
            let Some(image) = disks.image_of(client, disk) else {
                continue;
            };
            let (version, _) = disks.images.start_of(&image, client.id, channel);
            gone += disks.storage.overlay_bytes(disk);
            disks.begin_anew_or_without(disk, version).await?;
        }
        let change = Change::act("client.discard", "client", client.id, &client.name)
            .facts(Some(serde_json::json!({ "bytes": gone })), None);
        self.note(by, change).await?;
        disks.clients.touch(client.mac);
        Ok(disks.clients.view(client))
    }

    /// Puts what was done to a disk into the audit log.
    pub(super) async fn note(&self, by: &By, change: Change) -> Result<()> {
        let (audit, by) = (self.inner.needs.audit.clone(), by.clone());
        let store = &self.inner.needs.store;
        store.write(move |tx| audit.record(tx, &by, change)).await
    }

    /// Whether [`Boots::apply`] has anything to do; the superclient.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is no superclient, it runs, or it wrote nothing.
    pub(crate) async fn may_apply(&self, image: &ImageRecord) -> Result<Arc<ClientRecord>> {
        let disks = &self.inner.disks;
        let client = image.superclient.and_then(|id| disks.clients.get(id));
        let client = client.ok_or_else(|| {
            Error::conflict(
                Area::Image,
                format!("{:?} has no superclient", image.name),
                "Choose a computer that boots it, start that, and make the changes there.",
            )
        })?;
        disks.require_off(&client)?;
        match disks.is_untouched(changed(&client, image)).await? {
            true => Err(Error::conflict(
                Area::Client,
                format!("{:?} has written nothing", client.name),
                "Start it and make the changes; they are applied when it is off again.",
            )),
            false => Ok(client),
        }
    }

    /// Makes the next version of what the superclient of an image wrote, and puts maintenance on it. None
    /// when the job was cancelled meanwhile.
    ///
    /// # Errors
    /// [`Error::Conflict`] when that computer is the superclient no more, it runs, or it wrote nothing; or
    /// why the file system refused. The disk stays as it was then, and is offered again at its next boot.
    pub(crate) async fn apply(
        &self,
        by: &By,
        (image, client): (&ImageRecord, ClientId),
        text: &str,
        job: &JobHandle,
    ) -> Result<Option<ImageView>> {
        // Before the copy: nothing is to fail once the files are there.
        let text = comment(text)?;
        let disks = &self.inner.disks;
        let client = self.may_apply(image).await.and_then(|now| {
            let is_same = now.id == client;
            is_same.then_some(now).ok_or_else(|| gone(image))
        })?;
        // A boot that begins meanwhile waits, and is told.
        let _turn = disks.turn_now(&client)?;
        let disk = changed(&client, image);
        let parent = disks.overlay_version(disk).await?;
        let is_of_it = |id: &VersionId| image.versions.iter().any(|v| v.id == *id);
        let parent = parent.filter(is_of_it).ok_or_else(|| gone(image))?;
        // Nobody logs in while it is read.
        let target = identity::target(client.id);
        disks.exports.withdraw_idle(&target);
        disks.require_off(&client)?;
        let id = VersionId(Uuid::now_v7());
        let storage = disks.storage.clone();
        let copy = move |progress: &mut Progress<'_>| storage.promote(disk, id, progress);
        let Some(promoted) = job.wait_for(copy).await? else {
            return Ok(None);
        };
        let made = Made {
            id,
            parent,
            comment: text,
            promoted,
            snapshot_of: None,
            is_scheduled: false,
        };
        let entered = disks.images.enter(by, image.id, made).await?;
        if disks.clients.get(client.id).is_some() {
            disks.begin_anew(disk, id).await?;
            disks.clients.touch(client.mac);
        }
        Ok(Some(entered))
    }
}

impl Disks {
    pub(super) fn require_off(&self, client: &ClientRecord) -> Result<()> {
        require_off(&self.exports, client)
    }

    /// An empty disk on that version; it is offered at its next boot.
    pub(super) async fn begin_anew(&self, disk: DiskId, version: VersionId) -> Result<()> {
        self.exports.withdraw(&identity::target(disk.client));
        let storage = self.storage.clone();
        blocking(move || storage.reset_overlay(disk, version)).await
    }

    /// As [`Disks::begin_anew`]. Where the files of that version are missing there is no disk until they are back: what
    /// it held is worth nothing without them, and would keep the image from being removed.
    async fn begin_anew_or_without(&self, disk: DiskId, version: VersionId) -> Result<()> {
        let storage = self.storage.clone();
        if blocking(move || Ok(storage.has_version(version))).await? {
            return self.begin_anew(disk, version).await;
        }
        self.exports.withdraw(&identity::target(disk.client));
        let storage = self.storage.clone();
        blocking(move || storage.remove_overlay(disk)).await
    }

    pub(super) async fn is_untouched(&self, disk: DiskId) -> Result<bool> {
        let storage = self.storage.clone();
        blocking(move || storage.is_untouched(disk)).await
    }

    pub(super) async fn overlay_version(&self, disk: DiskId) -> Result<Option<VersionId>> {
        let storage = self.storage.clone();
        blocking(move || storage.overlay_version(disk)).await
    }
}

pub(super) fn require_off(exports: &Exports, client: &ClientRecord) -> Result<()> {
    let (why, hint) = match exports.idle_for(&identity::target(client.id)) {
        None => ("runs from its disk", "Shut it down first."),
        Some(idle) if idle < SETTLED => (
            "used its disk until a moment ago",
            "Try again in half a minute: one that runs comes back within that.",
        ),
        Some(_) => return Ok(()),
    };
    let why = format!("{:?} {why}", client.name);
    Err(Error::conflict(Area::Client, why, hint))
}

/// The disk on which the superclient of an image changes it. While it is that, neither can be taken from it.
fn changed(client: &ClientRecord, image: &ImageRecord) -> DiskId {
    let disk = client.disk_on(image.id);
    disk.unwrap_or_else(|| client.id.into())
}

/// Nobody loses what its superclient wrote without having said so. An image whose files are missing can't be read, nor
/// can a disk above it; what is on that is then taken for changes.
fn require_no_changes(
    client: &ClientRecord,
    image: &ImageRecord,
    is_untouched: Result<bool>,
) -> Result<()> {
    let (why, hint) = match is_untouched {
        Ok(true) => return Ok(()),
        Ok(false) => (
            format!("{:?} has changes that are in no version", client.name),
            "Apply or discard them first.",
        ),
        Err(_) if image.state != ImageState::Ready => (
            format!(
                "whether {:?} has changes can't be seen without the files of {:?}",
                client.name, image.name
            ),
            "Bring the files back and start NSBoot again, or discard its changes first.",
        ),
        Err(why) => return Err(why),
    };
    Err(Error::conflict(Area::Client, why, hint))
}

/// What was to be applied is not there any more.
fn gone(image: &ImageRecord) -> Error {
    Error::conflict(
        Area::Image,
        format!("the superclient of {:?} was changed meanwhile", image.name),
        "Look which computer it is now, and what it wrote.",
    )
}

/// Before anything else is looked at; the transaction looks again.
fn require_revision(image: &ImageRecord, if_match: Option<u64>) -> Result<()> {
    match if_match.is_some_and(|revision| revision != image.revision) {
        false => Ok(()),
        true => Err(Error::PreconditionFailed {
            area: Area::Image,
            current: image.revision,
        }),
    }
}
