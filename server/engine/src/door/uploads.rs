//! What operators may do with uploads, and images as files.

use super::{Admin, Operator, target};
use crate::{Result, Sending, audit::Change, fetch, images::Export};
use types::{CreateUploadParams, ExportFormat, ImportImageParams, JobView, UploadView};

impl Operator {
    /// Begins an upload that may take several connections, as a job.
    ///
    /// # Errors
    /// As [`Operator::begin_import`]; [`crate::Error::Unavailable`] when there are too many.
    pub async fn begin_upload(&self, params: CreateUploadParams) -> Result<UploadView> {
        let to = target("image", &params.name);
        let begin = self.engine.uploads().begin(&self.engine, &self.by, params);
        self.attempt("image.import", to, begin).await
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub fn upload(&self, upload: &str) -> Result<UploadView> {
        self.engine.uploads().get(upload)
    }

    /// Goes on with an upload where it is.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`]; [`crate::Error::Conflict`] when it is over, or not at that offset.
    pub fn send_upload(&self, upload: &str, offset: u64) -> Result<Sending> {
        self.engine.uploads().send(upload, offset)
    }

    /// A version of an image as a file; that of channel production when none is named.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`], [`crate::Error::Conflict`] when it is not ready.
    pub async fn export_image(
        &self,
        image: &str,
        version: Option<u32>,
        format: ExportFormat,
    ) -> Result<Export> {
        let export = async {
            let images = self.engine.images();
            let image = images.require(image)?;
            let export = images.export(&image, version, format).await?;
            let change = Change::act("image.export", "image", image.id, &image.name);
            let with = serde_json::json!({ "file": export.file_name });
            self.acted(change.facts(None, Some(with))).await?;
            Ok(export)
        };
        let to = target("image", image);
        self.attempt("image.export", to, export).await
    }

    /// Cancels an upload, or forgets one that is over. Nothing of it is there when this returns, but an image
    /// that was ready stays.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`].
    pub async fn remove_upload(&self, upload: &str) -> Result<()> {
        let remove = async {
            let view = self.engine.uploads().get(upload)?;
            // It may have ended meanwhile.
            if !view.state.is_over()
                && let Err(e) = self.engine.jobs().cancel(&self.by, view.job_id).await
                && !self.engine.uploads().get(upload)?.state.is_over()
            {
                return Err(e);
            }
            self.engine.uploads().forget(view.id).await;
            Ok(())
        };
        self.attempt("upload.remove", target("upload", upload), remove)
            .await
    }
}

impl Admin {
    /// Begins the import of a file that the server fetches, from a URL or a folder of its own, as a job.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a bad address or name of a file; as [`Operator::begin_import`].
    pub async fn fetch_image(&self, params: ImportImageParams) -> Result<JobView> {
        let to = target("image", &params.name);
        let begin = fetch::begin(&self.engine, &self.by, params);
        let id = self.attempt("image.import", to, begin).await?;
        self.engine.jobs().get(id)
    }
}
