//! An upload as a job: what arrives becomes an image, its progress is seen and it can be cancelled. It
//! lives as long as the request that brings the bytes, so a restart of the server ends it.

use crate::{
    Area, By, Engine, Error, Result,
    audit::Change,
    images::ImportWriter,
    jobs::{JobHandle, NewJob, Outcome, Work},
};
use bytes::Bytes;
use types::{ImageView, JobUnit};

/// An import under way. Dropping it leaves the image and the job as failed.
pub struct Import {
    writer: Option<ImportWriter>,
    /// None once it was told how it ended.
    job: Option<JobHandle>,
    received: u64,
}

impl Import {
    pub(super) async fn begin(
        engine: &Engine,
        by: &By,
        name: &str,
        expected: Option<u64>,
    ) -> Result<Import> {
        let writer = engine.images().begin_import(by, name, expected).await?;
        let new = NewJob {
            work: Work::ImportImage { image: writer.id() },
            title: format!("Import the image {name}"),
            unit: JobUnit::Bytes,
            total: expected,
            items: Vec::new(),
            change: Change::act("image.import", "image", writer.id(), name),
        };
        // Dropping the writer takes the image back when there can be no job.
        let job = engine.jobs().attend(by, new).await?;
        Ok(Import {
            job: Some(job),
            writer: Some(writer),
            received: 0,
        })
    }

    /// Takes the next bytes. After an error the image is gone and this of no use.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody cancelled it; else as [`ImportWriter::write`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.received += bytes.len() as u64;
        let (Some(writer), Some(job)) = (&mut self.writer, &self.job) else {
            return Err(over());
        };
        if job.cancelled() {
            return Err(self.cancelled_by_somebody().await);
        }
        match writer.write(bytes).await {
            Ok(()) => job.progress(self.received, None),
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

    /// Makes the image ready.
    ///
    /// # Errors
    /// As [`ImportWriter::finish`]; the image is gone then.
    pub async fn finish(mut self, sha256: Option<[u8; 32]>) -> Result<ImageView> {
        let writer = self.writer.take().ok_or_else(over)?;
        let done = writer.finish(sha256).await;
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
            Some(writer) => writer.abandon(why).await,
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
