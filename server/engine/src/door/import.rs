//! An import as a job: what arrives becomes an image, its progress is seen and it can be cancelled. It
//! lives as long as what brings the bytes, so a restart of the server ends it.

use crate::{
    Area, By, Engine, Error, Result,
    audit::Change,
    images::{ImportWriter, NewImport},
    jobs::{JobHandle, NewJob, Outcome, Work},
};
use bytes::Bytes;
use types::{ImageId, ImageView, JobId, JobUnit};

/// An import under way. Dropping it leaves the image and the job as failed.
pub struct Import {
    writer: Option<ImportWriter>,
    /// None once it was told how it ended.
    job: Option<JobHandle>,
}

impl Import {
    pub(crate) async fn begin(engine: &Engine, by: &By, new: NewImport) -> Result<Import> {
        let (name, total) = (new.name.clone(), new.file_bytes);
        let writer = engine.images().begin_import(by, new).await?;
        let new = NewJob {
            work: Work::ImportImage { image: writer.id() },
            title: format!("Import the image {name}"),
            unit: JobUnit::Bytes,
            total,
            items: Vec::new(),
            change: Change::act("image.import", "image", writer.id(), &name),
        };
        // Dropping the writer takes the image back when there can be no job.
        let job = engine.jobs().attend(by, new).await?;
        Ok(Import {
            job: Some(job),
            writer: Some(writer),
        })
    }

    /// Takes the next bytes. After an error the image is gone and this of no use.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody cancelled it; else as [`ImportWriter::write`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let (Some(writer), Some(job)) = (&mut self.writer, &self.job) else {
            return Err(over());
        };
        if job.cancelled() {
            return Err(self.cancelled_by_somebody().await);
        }
        match writer.write(bytes).await {
            Ok(()) => job.progress(writer.received(), None),
            Err(e) => {
                self.failed(&e);
                return Err(e);
            }
        }
        Ok(())
    }

    /// Waits until somebody cancels it, and ends it then.
    pub async fn cancelled(&mut self) -> Error {
        match &self.job {
            Some(job) => job.until_cancelled().await,
            None => std::future::pending().await,
        }
        self.cancelled_by_somebody().await
    }

    /// The image that it becomes, and the job that shows how far it is; None once it is over.
    pub(crate) fn ids(&self) -> Option<(ImageId, JobId)> {
        Some((self.writer.as_ref()?.id(), self.job.as_ref()?.id()))
    }

    /// The length of the file has become known only now.
    pub(crate) fn expect(&mut self, file_bytes: u64) {
        if let (Some(writer), Some(job)) = (&mut self.writer, &self.job) {
            writer.expect(file_bytes);
            job.progress(writer.received(), Some(file_bytes));
        }
    }

    /// Ends it for a reason that is not its own; the image goes as if it had never been begun.
    pub(crate) async fn fail(mut self, why: Error) -> Error {
        self.failed(&why);
        match self.writer.take() {
            Some(mut writer) => writer.abandon(why).await,
            None => why,
        }
    }

    /// How many bytes of the file came so far.
    pub fn received(&self) -> u64 {
        self.writer.as_ref().map_or(0, ImportWriter::received)
    }

    /// Makes the image ready.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody cancelled it; else as [`ImportWriter::finish`]; the image is
    /// gone then.
    pub async fn finish(mut self) -> Result<ImageView> {
        let (Some(writer), Some(job)) = (&mut self.writer, &self.job) else {
            return Err(over());
        };
        let tell = job.teller();
        let done = tokio::select! {
            biased;
            done = writer.finish(tell) => done,
            () = job.until_cancelled() => return Err(self.cancelled_by_somebody().await),
        };
        self.writer = None;
        match (&done, self.job.take()) {
            (Ok(image), Some(job)) => job.finish(Ok(Outcome::Done(serde_json::json!({
                "image": image.name,
                "sha256": image.sha256,
            })))),
            (Err(e), Some(job)) => job.failed(e),
            (_, None) => {}
        }
        done
    }

    async fn cancelled_by_somebody(&mut self) -> Error {
        let why = Error::conflict(
            Area::Image,
            "the import was cancelled",
            "Begin it again if that was not meant.",
        );
        let why = match self.writer.take() {
            Some(mut writer) => writer.abandon(why).await,
            None => why,
        };
        if let Some(job) = self.job.take() {
            job.finish(Ok(Outcome::Cancelled));
        }
        why
    }

    fn failed(&mut self, e: &Error) {
        if let Some(job) = self.job.take() {
            job.failed(e);
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        self.failed(&Error::conflict(
            Area::Image,
            "the upload ended before the file was complete",
            "Send it again.",
        ));
    }
}

fn over() -> Error {
    Error::conflict(
        Area::Image,
        "this import is over already",
        "Begin the import again.",
    )
}
