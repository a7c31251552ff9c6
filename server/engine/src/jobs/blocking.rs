//! Work of a job that waits for the file system: it runs on a thread that may wait, says how far it is, and
//! hears when somebody cancels.

use super::JobHandle;
use crate::{Result, blocking::blocking, storage::Progress};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

impl JobHandle {
    /// Does it, and tells the job's readers how far it is, in bytes: done, of all. The work is told to stop when
    /// the job is cancelled, or nobody waits for it any more because the server is being stopped.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Progress<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (told, mut progress) = watch::channel((0, 0));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let work = blocking(move || {
            work(&mut |done, total| {
                told.send((done, total)).is_ok() && !stopped.load(Ordering::Relaxed)
            })
        });
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = work.as_mut() => return done,
                () = self.until_cancelled(), if !stop.load(Ordering::Relaxed) => {
                    stop.store(true, Ordering::Relaxed);
                }
                Ok(()) = progress.changed() => {
                    let (done, total) = *progress.borrow_and_update();
                    self.progress(done, Some(total));
                }
            }
        }
    }
}
