//! Reading an image's file again, to see that the disk under it kept what was written.

use super::Images;
use crate::{Result, blocking::blocking, jobs::JobHandle};
use sha2::{Digest, Sha256};
use types::{ImageId, VersionId};

/// Bytes read at a time: a quarter of a second on a slow disk, so that a cancel is soon heard.
const PIECE: usize = 8 << 20;

impl Images {
    /// SHA-256 of the disk that was imported, as it is now; None when the job was cancelled meanwhile.
    ///
    /// # Errors
    /// When there is no such image, or the file system refuses.
    pub(crate) async fn hash(&self, id: ImageId, job: &JobHandle) -> Result<Option<[u8; 32]>> {
        let storage = self.inner.storage.clone();
        // The first one has the image's id.
        let version = VersionId(id.0);
        let size = blocking({
            let storage = storage.clone();
            move || storage.version_bytes(version)
        })
        .await?;
        job.progress(0, Some(size));
        let (mut hash, mut piece, mut at) = (Sha256::new(), vec![0u8; PIECE], 0);
        while at < size {
            if job.cancelled() {
                return Ok(None);
            }
            let storage = storage.clone();
            let len = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
            (hash, piece) = blocking(move || {
                storage.read_version(version, at, &mut piece[..len])?;
                hash.update(&piece[..len]);
                Ok((hash, piece))
            })
            .await?;
            at += len as u64;
            job.progress(at, None);
        }
        Ok(Some(hash.finalize().into()))
    }
}
