//! Changes to an image itself: its name, and whether it is of one computer.

use super::{Images, rules};
use crate::{Area, By, Error, Result};
use serde_json::json;
use store::{ClientRecord, ImageRecord, Read, Tx};
use types::{ClientId, ImageId, ImageView, UpdateImageParams};

impl Images {
    /// Changes what `params` names. Computers that boot it go on to.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`] for a bad name,
    /// [`Error::Conflict`] for a taken one, while it is not ready, or when several computers have an image
    /// that is to be private.
    pub(crate) async fn update(
        &self,
        by: &By,
        id: ImageId,
        if_match: Option<u64>,
        params: UpdateImageParams,
    ) -> Result<ImageView> {
        if let Some(name) = &params.name {
            rules::name(name)?;
        }
        let image = self.edit_with(by, id, if_match, move |tx, image| {
            let facts =
                |image: &ImageRecord| json!({ "name": image.name, "private": image.is_private });
            let before = facts(image);
            if let Some(name) = params.name {
                let all: Vec<ImageRecord> = tx.list_readable(None)?;
                let other = all
                    .iter()
                    .find(|o| o.id != id && o.name.eq_ignore_ascii_case(&name));
                if let Some(other) = other {
                    return Err(rules::taken(other));
                }
                image.name = name;
            }
            if let Some(private) = params.private {
                image.is_private = private;
                require_one_user(tx, image, None)?;
            }
            Ok(("image.update", (before, facts(image))))
        });
        image.await
    }
}

/// A private image has one computer; `newcomer` is about to get it.
///
/// # Errors
/// [`Error::Conflict`] naming another one that has it.
pub(crate) fn require_one_user(
    tx: &Tx<'_>,
    image: &ImageRecord,
    newcomer: Option<ClientId>,
) -> Result<()> {
    if !image.is_private {
        return Ok(());
    }
    let all: Vec<ClientRecord> = tx.list_readable(None)?;
    let mut users = all
        .iter()
        .filter(|c| c.disk_on(image.id).is_some() && Some(c.id) != newcomer);
    let (Some(first), others) = (users.next(), users.count()) else {
        return Ok(());
    };
    match (newcomer, others) {
        (None, 0) => Ok(()),
        (None, _) => Err(Error::conflict(
            Area::Image,
            format!(
                "{} computers have {:?}, {:?} among them",
                others + 1,
                image.name,
                first.name
            ),
            "A private image is of one: give the others another image first.",
        )),
        (Some(_), _) => Err(Error::conflict(
            Area::Image,
            format!("{:?} is private, and {:?} has it", image.name, first.name),
            "Choose another image, or make this one shared: nsboot image set NAME --shared.",
        )),
    }
}
