//! The versions of an image: the next one, what they are for, and removing those that nothing needs.

use super::{
    Images,
    channels::{number_of, numbered},
    require_no_changes,
};
use crate::{Area, By, Error, Result, now};
use serde_json::json;
use std::sync::Arc;
use store::{ImageRecord, Read, StoredVersion};
use types::{Channel, ClientId, ImageId, ImageView, VersionId};

/// The longest comment, characters.
const MAX_COMMENT: usize = 200;

/// A version whose files are there, and that no record names yet.
pub(crate) struct Made {
    pub id: VersionId,
    pub parent: VersionId,
    pub comment: String,
    pub allocated_bytes: u64,
}

impl Images {
    /// Enters a version that was just made; maintenance goes to it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the image or the version below it is gone.
    pub(crate) async fn enter(&self, by: &By, id: ImageId, made: Made) -> Result<ImageView> {
        let author = by.actor.view().name;
        self.edit(by, id, None, move |image| {
            let Some(parent) = number_of(image, made.parent) else {
                return Err(Error::not_found(Area::Version, made.parent));
            };
            let number = image.numbered + 1;
            image.numbered = number;
            image.channels.set(Channel::Maintenance, made.id);
            image.versions.push(StoredVersion {
                id: made.id,
                number,
                parent: Some(made.parent),
                comment: made.comment.clone(),
                author,
                created_at: now(),
                allocated_bytes: made.allocated_bytes,
            });
            let after = json!({ "version": number, "parent": parent, "comment": made.comment });
            Ok(("image.apply", (json!(null), after)))
        })
        .await
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

    /// The image that a computer is the superclient of.
    pub(crate) fn changed_by(&self, client: ClientId) -> Option<Arc<ImageRecord>> {
        let is_its = |image: &&Arc<ImageRecord>| image.superclient == Some(client);
        self.inner.cached(|all| all.values().find(is_its).cloned())
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
