//! The computer that changes an image: its disk is kept from boot to boot, becomes the next version, or is
//! begun anew. All of it while the computer is off, so that no disk is pulled from under it.

use super::{Boots, disks::Disks, identity};
use crate::{
    Area, By, Error, Result,
    audit::Change,
    blocking::blocking,
    images::{Made, comment},
    jobs::JobHandle,
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use store::{ClientRecord, ImageRecord};
use tokio::sync::watch;
use types::{ClientId, ClientView, ImageView, OverlayMode, VersionId};
use uuid::Uuid;

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
        let _turn = disks.turn(client.id).await;
        if client.image_id != Some(image.id) {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} does not boot {:?}", client.name, image.name),
                "Give it that image first.",
            ));
        }
        let known = disks.images.changed_by(client.id);
        if let Some(other) = known.filter(|other| other.id != image.id) {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} is the superclient of {:?}", client.name, other.name),
                "End that first.",
            ));
        }
        disks.require_off(client)?;
        if image.superclient == Some(client.id) {
            return disks
                .images
                .appoint(by, image.id, if_match, Some(client.id))
                .await;
        }
        if client.mode == OverlayMode::Keep && disks.storage.overlay_bytes(client.id) > 0 {
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
        disks
            .begin_anew(client.id, image.channels.maintenance)
            .await?;
        disks
            .images
            .appoint(by, image.id, if_match, Some(client.id))
            .await
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
        let client = image.superclient.and_then(|id| disks.clients.get(id));
        let Some(client) = client.filter(|c| c.image_id == Some(image.id)) else {
            return disks.images.appoint(by, image.id, if_match, None).await;
        };
        let _turn = disks.turn(client.id).await;
        disks.require_off(&client)?;
        if disks.storage.overlay_bytes(client.id) > 0 {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} has changes that are in no version", client.name),
                "Apply or discard them first.",
            ));
        }
        disks.images.appoint(by, image.id, if_match, None).await
    }

    /// The computer's disk is begun anew: what it wrote is gone.
    ///
    /// # Errors
    /// [`Error::Conflict`] while it runs, or when it has no image.
    pub(crate) async fn discard(&self, by: &By, client: &ClientRecord) -> Result<ClientView> {
        let disks = &self.inner.disks;
        let _turn = disks.turn(client.id).await;
        disks.require_off(client)?;
        let image = client.image_id.and_then(|id| disks.images.get(id));
        let Some(image) = image else {
            return Err(Error::conflict(
                Area::Client,
                format!("{:?} has no image", client.name),
                "Give it one; it begins with an empty disk then.",
            ));
        };
        let channel = disks.clients.channel_of(client);
        let (version, _) = disks.images.start_of(&image, client.id, channel);
        let gone = disks.storage.overlay_bytes(client.id);
        let change = Change::act("client.discard", "client", client.id, &client.name)
            .facts(Some(serde_json::json!({ "bytes": gone })), None);
        let (audit, by) = (self.inner.needs.audit.clone(), by.clone());
        let write = self
            .inner
            .needs
            .store
            .write(move |tx| audit.record(tx, &by, change));
        write.await?;
        disks.begin_anew(client.id, version).await?;
        disks.clients.touch(client.mac);
        Ok(disks.clients.view(client))
    }

    /// Whether [`Boots::apply`] has anything to do.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is no superclient, it runs, or it wrote nothing.
    pub(crate) fn may_apply(&self, image: &ImageRecord) -> Result<Arc<ClientRecord>> {
        let disks = &self.inner.disks;
        let client = disks.superclient(image)?;
        disks.require_off(&client)?;
        match disks.storage.overlay_bytes(client.id) {
            0 => Err(Error::conflict(
                Area::Client,
                format!("{:?} has written nothing", client.name),
                "Start it and make the changes; they are applied when it is off again.",
            )),
            _ => Ok(client),
        }
    }

    /// Makes the next version of what the superclient of an image wrote, and puts maintenance on it. None
    /// when the job was cancelled meanwhile.
    ///
    /// # Errors
    /// [`Error::Conflict`] when there is no superclient, it runs, or it wrote nothing; or why the file
    /// system refused. The disk stays as it was then.
    pub(crate) async fn apply(
        &self,
        by: &By,
        image: &ImageRecord,
        text: &str,
        job: &JobHandle,
    ) -> Result<Option<ImageView>> {
        let text = comment(text)?;
        let disks = &self.inner.disks;
        let client = disks.superclient(image)?;
        // A boot that begins meanwhile waits for it.
        let _turn = disks.turn(client.id).await;
        let client = self.may_apply(image)?;
        let parent = disks.overlay_version(client.id).await?;
        let parent = parent.ok_or_else(|| Error::not_found(Area::Disk, &client.name))?;
        // Nobody logs in while it is read.
        disks.exports.withdraw(&identity::target(client.id));
        let id = VersionId(Uuid::now_v7());
        let Some(allocated_bytes) = disks.promote(client.id, id, job).await? else {
            return Ok(None);
        };
        let made = Made {
            id,
            parent,
            comment: text,
            allocated_bytes,
        };
        match disks.images.enter(by, image.id, made).await {
            Ok(view) => {
                disks.begin_anew(client.id, id).await?;
                disks.clients.touch(client.mac);
                Ok(Some(view))
            }
            Err(why) => {
                let storage = disks.storage.clone();
                blocking(move || storage.remove_version(id)).await?;
                Err(why)
            }
        }
    }
}

impl Disks {
    /// The computer that changes this image.
    fn superclient(&self, image: &ImageRecord) -> Result<Arc<ClientRecord>> {
        let client = image.superclient.and_then(|id| self.clients.get(id));
        client.ok_or_else(|| {
            Error::conflict(
                Area::Image,
                format!("{:?} has no superclient", image.name),
                "Choose a computer that boots it, start that, and make the changes there.",
            )
        })
    }

    fn require_off(&self, client: &ClientRecord) -> Result<()> {
        match self.exports.in_use(&identity::target(client.id)) {
            false => Ok(()),
            true => Err(Error::conflict(
                Area::Client,
                format!("{:?} runs from its disk", client.name),
                "Shut it down first.",
            )),
        }
    }

    /// An empty disk on that version.
    async fn begin_anew(&self, client: ClientId, version: VersionId) -> Result<()> {
        self.exports.withdraw(&identity::target(client));
        let storage = self.storage.clone();
        blocking(move || storage.reset_overlay(client, version)).await
    }

    async fn overlay_version(&self, client: ClientId) -> Result<Option<VersionId>> {
        let storage = self.storage.clone();
        blocking(move || storage.overlay_version(client)).await
    }

    async fn promote(
        &self,
        client: ClientId,
        version: VersionId,
        job: &JobHandle,
    ) -> Result<Option<u64>> {
        let (told, mut progress) = watch::channel((0, 0));
        let stop = Arc::new(AtomicBool::new(false));
        let (storage, stopped) = (self.storage.clone(), stop.clone());
        let work = blocking(move || {
            storage.promote(client, version, &mut |done, total| {
                told.send_replace((done, total));
                !stopped.load(Ordering::Relaxed)
            })
        });
        let mut work = pin!(work);
        loop {
            tokio::select! {
                made = work.as_mut() => return made,
                Ok(()) = progress.changed() => {
                    let (done, total) = *progress.borrow_and_update();
                    job.progress(done, Some(total));
                    stop.store(job.cancelled(), Ordering::Relaxed);
                }
            }
        }
    }
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
