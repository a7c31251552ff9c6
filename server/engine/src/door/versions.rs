//! What operators may change of images: channels, versions, and who makes the next one.

use super::{Operator, target};
use crate::{
    Result,
    audit::Change,
    images::comment,
    jobs::{NewJob, Work},
};
use types::{
    Channel, ClientView, ImageId, ImageView, JobUnit, JobView, OverlayMode, UpdateClientParams,
    UpdateImageParams,
};

impl Operator {
    /// Moves a channel of an image to a version. `if_match` is the revision that was read.
    ///
    /// # Errors
    /// As [`crate::Images`] says: an unknown image or version, or one that is not ready.
    pub async fn move_channel(
        &self,
        image: &str,
        if_match: Option<u64>,
        channel: Channel,
        version: u32,
    ) -> Result<ImageView> {
        let images = self.engine.images();
        let moved = async {
            let id = images.require(image)?.id;
            let by = &self.by;
            images
                .move_channel(by, id, if_match, channel, version)
                .await
        };
        let to = target("image", image);
        self.attempt("image.channel", to, moved).await
    }

    /// Production goes back to where it was before.
    ///
    /// # Errors
    /// As [`Operator::move_channel`]; [`crate::Error::Conflict`] when it was never moved.
    pub async fn revert_image(&self, image: &str, if_match: Option<u64>) -> Result<ImageView> {
        let images = self.engine.images();
        let reverted = async {
            let id = images.require(image)?.id;
            images.revert(&self.by, id, if_match).await
        };
        let to = target("image", image);
        self.attempt("image.revert", to, reverted).await
    }

    /// Changes an image's name, or whether it is of one computer.
    ///
    /// # Errors
    /// As [`Operator::move_channel`]; [`crate::Error::Invalid`], [`crate::Error::Conflict`].
    pub async fn update_image(
        &self,
        image: &str,
        if_match: Option<u64>,
        params: UpdateImageParams,
    ) -> Result<ImageView> {
        let images = self.engine.images();
        let updated = async {
            let known = images.require(image)?;
            let id = known.id;
            if known.is_private && params.private == Some(false) {
                // What its computer wrote is not lost for it.
                self.let_users_keep(id).await?;
            }
            images.update(&self.by, id, if_match, params).await
        };
        let to = target("image", image);
        let changed = self.attempt("image.update", to, updated).await?;
        let id = changed.id;
        self.engine
            .clients()
            .touch_users(|c| c.disk_on(id).is_some());
        Ok(changed)
    }

    /// From now on the computers of an image keep what they write because it says so of them.
    async fn let_users_keep(&self, image: ImageId) -> Result<()> {
        let clients = self.engine.clients();
        let keep = UpdateClientParams {
            mode: Some(OverlayMode::Keep),
            ..UpdateClientParams::default()
        };
        for client in clients
            .records()
            .iter()
            .filter(|c| c.disk_on(image).is_some())
        {
            clients
                .update(&self.by, client.id, None, keep.clone())
                .await?;
        }
        Ok(())
    }

    /// Makes a version one that is made on no other, as a job.
    ///
    /// # Errors
    /// As [`Operator::move_channel`]; [`crate::Error::Conflict`] when it is made on no other already.
    pub async fn flatten_version(&self, image: &str, version: u32) -> Result<JobView> {
        let begun = async {
            let image = self.engine.images().require(image)?;
            let flat = self.engine.images().may_flatten(&image, version)?;
            let change = Change::act("image.flatten", "image", image.id, &image.name);
            let new = NewJob {
                work: Work::FlattenVersion {
                    image: image.id,
                    version: flat,
                },
                title: format!("Flatten version {version} of {}", image.name),
                unit: JobUnit::Bytes,
                total: Some(image.size_bytes),
                items: Vec::new(),
                change: change.facts(None, Some(serde_json::json!({ "version": version }))),
            };
            self.start(new).await
        };
        let to = target("image", image);
        self.attempt("image.flatten", to, begun).await
    }

    /// Says what a version is for.
    ///
    /// # Errors
    /// As [`Operator::move_channel`]; [`crate::Error::Invalid`].
    pub async fn describe_version(
        &self,
        image: &str,
        if_match: Option<u64>,
        version: u32,
        comment: String,
    ) -> Result<ImageView> {
        let images = self.engine.images();
        let described = async {
            let id = images.require(image)?.id;
            images
                .describe(&self.by, id, if_match, version, comment)
                .await
        };
        let to = target("image", image);
        self.attempt("image.describe", to, described).await
    }

    /// Removes a version that nothing needs.
    ///
    /// # Errors
    /// As [`Operator::move_channel`]; [`crate::Error::Conflict`] with what needs it.
    pub async fn remove_version(
        &self,
        image: &str,
        if_match: Option<u64>,
        version: u32,
    ) -> Result<ImageView> {
        let images = self.engine.images();
        let removed = async {
            let id = images.require(image)?.id;
            images.remove_version(&self.by, id, if_match, version).await
        };
        let to = target("image", image);
        self.attempt("image.remove_version", to, removed).await
    }

    /// This computer changes the image from now on.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::PreconditionFailed`], [`crate::Error::Conflict`].
    pub async fn appoint_superclient(
        &self,
        image: &str,
        if_match: Option<u64>,
        client: &str,
    ) -> Result<ImageView> {
        let appointed = async {
            let image = self.engine.images().require(image)?;
            let client = self.engine.clients().require(client)?;
            let boots = self.engine.boots();
            boots.appoint(&self.by, &image, if_match, &client).await
        };
        let to = target("image", image);
        self.attempt("image.superclient", to, appointed).await
    }

    /// Nobody changes the image any more.
    ///
    /// # Errors
    /// As [`Operator::appoint_superclient`].
    pub async fn dismiss_superclient(
        &self,
        image: &str,
        if_match: Option<u64>,
    ) -> Result<ImageView> {
        let dismissed = async {
            let image = self.engine.images().require(image)?;
            let boots = self.engine.boots();
            boots.dismiss(&self.by, &image, if_match).await
        };
        let to = target("image", image);
        self.attempt("image.superclient", to, dismissed).await
    }

    /// Makes the next version of what the superclient wrote, as a job.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Invalid`], [`crate::Error::Conflict`] when there is
    /// no superclient, it runs, or it wrote nothing.
    pub async fn apply_changes(&self, image: &str, text: &str) -> Result<JobView> {
        let ready = async {
            let comment = comment(text)?;
            let image = self.engine.images().require(image)?;
            let client = self.engine.boots().may_apply(&image).await?;
            Ok((image, client.id, comment))
        };
        let to = target("image", image);
        let (image, client, comment) = self.attempt("image.apply", to, ready).await?;
        let new = NewJob {
            work: Work::ApplyChanges {
                image: image.id,
                client,
                comment,
            },
            title: format!("Make a version of {}", image.name),
            unit: JobUnit::Bytes,
            total: None,
            items: Vec::new(),
            change: Change::act("image.apply", "image", image.id, &image.name),
        };
        self.start(new).await
    }

    /// The computer's disk is begun anew: what it wrote is gone.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Conflict`] while it runs.
    pub async fn discard_changes(&self, client: &str) -> Result<ClientView> {
        let discarded = async {
            let client = self.engine.clients().require(client)?;
            self.engine.boots().discard(&self.by, &client).await
        };
        let to = target("client", client);
        self.attempt("client.discard", to, discarded).await
    }
}
