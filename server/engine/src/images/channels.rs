//! Which version of an image computers boot, and which of them changes it.

use super::{Images, rules};
use crate::{Area, By, Error, Result, audit::Change};
use serde_json::json;
use store::{ImageRecord, StoredVersion, Tx};
use types::{Channel, ClientId, ImageId, ImageView, VersionId};

impl Images {
    /// Moves a channel to a version. Computers follow at their next boot: none loses the disk that it
    /// runs from.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown image or version, [`Error::PreconditionFailed`],
    /// [`Error::Conflict`] while the image is not ready.
    pub(crate) async fn move_channel(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        channel: Channel,
        number: u32,
    ) -> Result<ImageView> {
        self.edit(by, id, if_match, move |image| {
            let to = numbered(image, number)?;
            if to.snapshot_of.is_some() {
                return Err(Error::conflict(
                    Area::Image,
                    format!("version {number} is a snapshot of one computer's disk"),
                    "Make an image of it first: nsboot snapshot clone ID --name NAME.",
                ));
            }
            let to = to.id;
            let from = image.channels.get(channel);
            let facts = (
                json!({ "channel": channel, "version": number_of(image, from) }),
                json!({ "channel": channel, "version": number }),
            );
            move_to(image, channel, to);
            Ok(("image.channel", facts))
        })
        .await
    }

    /// Production goes back to where it was before its last move; a second time, forward again.
    ///
    /// # Errors
    /// As [`Images::move_channel`]; [`Error::Conflict`] when it was never moved.
    pub(crate) async fn revert(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
    ) -> Result<ImageView> {
        self.edit(by, id, if_match, move |image| {
            let Some(to) = image.previous else {
                return Err(Error::conflict(
                    Area::Image,
                    format!("production of {:?} has nowhere to go back to", image.name),
                    "Move the channel to the version that you want.",
                ));
            };
            let from = image.channels.production;
            let facts = (
                json!({ "version": number_of(image, from) }),
                json!({ "version": number_of(image, to) }),
            );
            move_to(image, Channel::Production, to);
            Ok(("image.revert", facts))
        })
        .await
    }

    /// After `from`, this computer changes the image from now on; None: nobody does, which can also be said of an image
    /// that can't be used. Its disk is the caller's business.
    ///
    /// # Errors
    /// As [`Images::move_channel`]; [`Error::Conflict`] when another computer than `from` does.
    pub(crate) async fn appoint(
        &self,
        by: &By,
        (id, if_match): (ImageId, Option<u64>),
        from: Option<ClientId>,
        to: Option<ClientId>,
    ) -> Result<ImageView> {
        let of = match to {
            Some(_) => Of::Ready,
            None => Of::Any,
        };
        self.edit_of(of, by, id, if_match, move |_, image| {
            if image.superclient != from {
                return Err(another_is(image));
            }
            image.superclient = to;
            let facts = (json!({ "superclient": from }), json!({ "superclient": to }));
            Ok(("image.superclient", facts))
        })
        .await
    }

    /// The version that this computer is to start from, and whether it makes the next one.
    pub(crate) fn start_of(
        &self,
        image: &ImageRecord,
        client: ClientId,
        channel: Channel,
    ) -> (VersionId, bool) {
        match image.superclient == Some(client) {
            true => (image.channels.maintenance, true),
            false => (image.channels.get(channel), false),
        }
    }

    /// Changes a ready image in one transaction with its audit entry: `edit` says what it did, and the
    /// facts before and after.
    pub(super) async fn edit(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        edit: impl FnOnce(&mut ImageRecord) -> Result<Edited> + Send + 'static,
    ) -> Result<ImageView> {
        self.edit_with(by, id, if_match, |_, image| edit(image))
            .await
    }

    /// As [`Images::edit`], for an edit that looks at other records.
    pub(super) async fn edit_with(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        edit: impl FnOnce(&Tx<'_>, &mut ImageRecord) -> Result<Edited> + Send + 'static,
    ) -> Result<ImageView> {
        self.edit_of(Of::Ready, by, id, if_match, edit).await
    }

    async fn edit_of(
        &self,
        of: Of,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        edit: impl FnOnce(&Tx<'_>, &mut ImageRecord) -> Result<Edited> + Send + 'static,
    ) -> Result<ImageView> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let mut record = inner.current(tx, id, if_match)?;
            if of == Of::Ready {
                rules::require_ready(&inner.as_known(record.clone()))?;
            }
            let (action, (before, after)) = edit(tx, &mut record)?;
            record.revision += 1;
            inner.save(tx, &record)?;
            let change = Change::act(action, "image", id, &record.name);
            inner
                .audit
                .record(tx, &by, change.facts(Some(before), Some(after)))?;
            Ok::<_, Error>(record)
        });
        let record = self.inner.as_known(write.await?);
        Ok(self.inner.view(&record))
    }
}

/// Which images a change may be made to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Ready,
    Any,
}

/// The name of an action, and the facts before and after it.
pub(super) type Edited = (&'static str, (serde_json::Value, serde_json::Value));

fn another_is(image: &ImageRecord) -> Error {
    Error::conflict(
        Area::Image,
        match image.superclient {
            Some(_) => format!("{:?} has a superclient already", image.name),
            None => format!("{:?} has no superclient any more", image.name),
        },
        "Look again: two computers can't change one image at a time.",
    )
}

fn move_to(image: &mut ImageRecord, channel: Channel, to: VersionId) {
    let from = image.channels.get(channel);
    if channel == Channel::Production && from != to {
        image.previous = Some(from);
    }
    image.channels.set(channel, to);
}

/// The version of that number.
pub(super) fn numbered(image: &ImageRecord, number: u32) -> Result<&StoredVersion> {
    let version = image.versions.iter().find(|v| v.number == number);
    version.ok_or_else(|| Error::not_found(Area::Version, number))
}

pub(super) fn number_of(image: &ImageRecord, id: VersionId) -> Option<u32> {
    let version = image.versions.iter().find(|v| v.id == id);
    version.map(|v| v.number)
}
