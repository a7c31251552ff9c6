//! The versions of an image: the next one, what they are for, and removing those that nothing needs.

use super::{
    Images,
    channels::{number_of, numbered},
    require_no_changes,
};
use crate::{
    Area, By, Error, Result,
    jobs::JobHandle,
    now,
    storage::{Progress, Promoted},
};
use serde_json::json;
use std::sync::Arc;
use store::{ClientRecord, ImageRecord, Read, StoredVersion};
use types::{Channel, ClientId, DiskId, ImageId, ImageView, VersionId};

/// The longest comment, characters.
const MAX_COMMENT: usize = 200;

/// A version whose files are there, and that no record names yet.
pub(crate) struct Made {
    pub id: VersionId,
    pub parent: VersionId,
    pub comment: String,
    pub promoted: Promoted,
    /// The computer whose disk it is a snapshot of.
    pub snapshot_of: Option<ClientId>,
    /// The schedule took it.
    pub is_scheduled: bool,
}

impl Images {
    /// Enters a version that was just made; maintenance goes to it, unless it is a snapshot. When it can't be
    /// entered, its files go.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the image or the version below it is gone.
    pub(crate) async fn enter(&self, by: &By, id: ImageId, made: Made) -> Result<ImageView> {
        let (author, files) = (by.actor.view().name, made.id);
        let entered = self.edit_with(by, id, None, move |tx, image| {
            if let Some(client) = made.snapshot_of
                && tx.get::<ClientRecord>(&client)?.is_none()
            {
                return Err(Error::not_found(Area::Client, client));
            }
            let Some(parent) = number_of(image, made.parent) else {
                return Err(Error::not_found(Area::Version, made.parent));
            };
            let number = image.numbered + 1;
            image.numbered = number;
            if made.snapshot_of.is_none() {
                image.channels.set(Channel::Maintenance, made.id);
            }
            image.versions.push(StoredVersion {
                id: made.id,
                number,
                parent: Some(made.parent),
                comment: made.comment.clone(),
                author,
                created_at: now(),
                allocated_bytes: made.promoted.allocated_bytes,
                sha256: Some(made.promoted.sha256),
                snapshot_of: made.snapshot_of,
                is_scheduled: made.is_scheduled,
            });
            let after = json!({ "version": number, "parent": parent, "comment": made.comment });
            let action = match made.snapshot_of {
                Some(_) => "client.snapshot",
                None => "image.apply",
            };
            Ok((action, (json!(null), after)))
        });
        let entered = entered.await;
        if entered.is_err() {
            self.inner.remove_files(vec![files]);
        }
        entered
    }

    /// Says what a version is for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`].
    pub(crate) async fn describe(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        number: u32,
        text: String,
    ) -> Result<ImageView> {
        let text = comment(&text)?;
        self.edit(by, id, if_match, move |image| {
            let version = image.versions.iter_mut().find(|v| v.number == number);
            let version = version.ok_or_else(|| Error::not_found(Area::Version, number))?;
            let before = std::mem::replace(&mut version.comment, text.clone());
            let facts = |comment| json!({ "version": number, "comment": comment });
            Ok(("image.describe", (facts(before), facts(text))))
        })
        .await
    }

    /// The version of that number, when there is something to flatten.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it is made on no other.
    pub(crate) fn may_flatten(&self, image: &ImageRecord, number: u32) -> Result<VersionId> {
        let version = numbered(image, number)?;
        match version.parent {
            Some(_) => Ok(version.id),
            None => Err(Error::conflict(
                Area::Image,
                format!("version {number} is made on no other"),
                "There is nothing to flatten.",
            )),
        }
    }

    /// Makes a version one that is made on no other, so that those below it can go. None when the job was
    /// cancelled meanwhile.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone, or why the file system refused.
    pub(crate) async fn flatten(
        &self,
        by: &By,
        (id, version): (ImageId, VersionId),
        job: &JobHandle,
    ) -> Result<Option<ImageView>> {
        let gone = move || Error::not_found(Area::Version, version);
        let known = self.get(id).ok_or_else(gone)?;
        let before = known.versions.iter().find(|v| v.id == version);
        if before.ok_or_else(gone)?.parent.is_none() {
            // A stop of the server between its record and the end of its job.
            return Ok(Some(self.view(&known)));
        }
        let storage = self.inner.storage.clone();
        let work = move |progress: &mut Progress<'_>| storage.flatten(version, progress);
        let Some(flat) = job.wait_for(work).await? else {
            return Ok(None);
        };
        let entered = self.edit(by, id, None, move |image| {
            let found = image.versions.iter_mut().find(|v| v.id == version);
            let found = found.ok_or_else(gone)?;
            found.parent = None;
            found.sha256 = Some(flat.sha256);
            let before = std::mem::replace(&mut found.allocated_bytes, flat.allocated_bytes);
            let facts = |bytes| json!({ "version": found.number, "allocated_bytes": bytes });
            let facts = (facts(before), facts(flat.allocated_bytes));
            Ok(("image.flatten", facts))
        });
        let entered = entered.await;
        if matches!(entered, Err(Error::NotFound { .. })) {
            // Removed meanwhile: its files came back just now.
            self.inner.remove_files(vec![version]);
        }
        entered.map(Some)
    }

    /// Removes a version that no channel is at, no other version is made on, and no disk builds on.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] with what needs it.
    pub(crate) async fn remove_version(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        number: u32,
    ) -> Result<ImageView> {
        let known = self
            .get(id)
            .ok_or_else(|| Error::not_found(Area::Image, id))?;
        if if_match.is_some_and(|revision| revision != known.revision) {
            return Err(Error::PreconditionFailed {
                area: Area::Image,
                current: known.revision,
            });
        }
        let version = numbered(&known, number)?.id;
        // What is in the way for good is said first.
        require_unneeded(&known, version, number)?;
        let on_it = self.overlays_on(std::iter::once(version)).await?;
        let store = self.inner.store.clone();
        let clients = store.read(|tx| tx.list_readable(None))?;
        require_no_changes(&clients, &on_it, &format!("version {number}"))?;
        let removed = self.edit(by, id, if_match, move |image| {
            require_unneeded(image, version, number)?;
            image.versions.retain(|v| v.id != version);
            image.previous = image.previous.filter(|id| *id != version);
            let before = json!({ "version": number });
            Ok(("image.remove_version", (before, json!(null))))
        });
        let view = removed.await?;
        // A boot that had read the channel before it was moved may have come between.
        match self.overlays_on(std::iter::once(version)).await?.is_empty() {
            true => self.inner.remove_files(vec![version]),
            false => {
                tracing::warn!(%version, "a computer was just put on a version that was removed; its files stay")
            }
        }
        Ok(view)
    }

    /// The image that has this version, and the version's number there.
    pub(crate) fn holding(&self, version: VersionId) -> Option<(Arc<ImageRecord>, u32)> {
        self.inner.cached(|all| {
            let held = |image: &Arc<ImageRecord>| Some((image.clone(), number_of(image, version)?));
            all.values().find_map(held)
        })
    }

    /// Whether a client is the superclient of the image of that disk of it.
    pub(crate) fn is_changed_on(&self, client: &ClientRecord, disk: DiskId) -> bool {
        let image = disk.data.or(client.image_id).and_then(|id| self.get(id));
        image.is_some_and(|image| image.superclient == Some(client.id))
    }
}

fn require_unneeded(image: &ImageRecord, id: VersionId, number: u32) -> Result<()> {
    let at = Channel::ALL
        .into_iter()
        .find(|c| image.channels.get(*c) == id);
    let above = image.versions.iter().find(|v| v.parent == Some(id));
    let (why, hint) = match (at, above) {
        (Some(channel), _) => (
            format!("{channel} of {:?} is at version {number}", image.name),
            "Move the channel to another version first.",
        ),
        (None, Some(above)) => (
            format!("version {} is made on version {number}", above.number),
            "Remove that one first: it holds only what differs.",
        ),
        (None, None) => return Ok(()),
    };
    Err(Error::conflict(Area::Image, why, hint))
}

/// A comment as it is kept.
///
/// # Errors
/// [`Error::Invalid`] for one that is too long or no line of text.
pub(crate) fn comment(text: &str) -> Result<String> {
    let text = text.trim();
    let rule = if text.chars().count() > MAX_COMMENT {
        format!("a comment has at most {MAX_COMMENT} characters")
    } else if text.chars().any(char::is_control) {
        "a comment is one line of text".into()
    } else {
        return Ok(text.into());
    };
    Err(Error::invalid(Area::Image, "comment", rule))
}
