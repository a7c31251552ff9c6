//! Work that may wait on a disk, off the threads that serve the network.

use crate::{Error, Result};

/// Runs it and waits. While the process goes down nothing comes back: work that was not done has not failed,
/// and what is written down of it holds at the next start.
///
/// # Errors
/// As the work says; [`Error::Internal`] when it panicked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) if e.is_cancelled() => std::future::pending().await,
        Err(e) => Err(Error::Internal(format!("work on the disk failed: {e}"))),
    }
}
