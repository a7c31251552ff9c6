//! Reading the files of an image again, to see that the disk under them kept what was written.

use super::Images;
use crate::{Area, Error, Result, jobs::JobHandle, storage::Progress};
use store::{ImageRecord, StoredVersion};
use types::{ImageId, VersionId};

impl Images {
    /// Reads every version and compares it with its checksum; how many were compared. None when the job was
    /// cancelled meanwhile.
    ///
    /// # Errors
    /// [`Error::Conflict`] naming the first version that is not what it was, or why the file system refused.
    pub(crate) async fn verify(
        &self,
        image: &ImageRecord,
        job: &JobHandle,
    ) -> Result<Option<usize>> {
        let all = image.versions.iter();
        let (summed, unsummed): (Vec<StoredVersion>, Vec<_>) =
            all.cloned().partition(|v| v.sha256.is_some());
        for version in unsummed {
            job.log(format!(
                "version {} was made before there were checksums; flatten it to get one",
                version.number
            ));
        }
        job.log(format!(
            "reading {:?}, versions: {}",
            image.name,
            summed.len()
        ));
        let (storage, name) = (self.inner.storage.clone(), image.name.clone());
        let (images, id) = (self.clone(), image.id);
        job.wait_for(move |progress: &mut Progress<'_>| {
            let total = summed.iter().map(|v| v.allocated_bytes).sum();
            let (mut before, mut good) = (0, 0);
            for version in &summed {
                // Counted in what is allocated: holes are read much faster.
                let allocated = version.allocated_bytes;
                let sum = storage.checksum(version.id, &mut |done, of| {
                    let share = (u128::from(allocated) * u128::from(done)) / u128::from(of.max(1));
                    progress(before + share as u64, total)
                });
                before += allocated;
                match sum {
                    Ok(None) => return Ok(None),
                    Ok(sum) if sum == version.sha256 => good += 1,
                    // Flattened or removed meanwhile.
                    _ if images.sum_of(id, version.id) != version.sha256 => {}
                    Ok(Some(_)) => return Err(damaged(&name, version.number)),
                    Err(why) => return Err(why),
                }
            }
            Ok(Some(good))
        })
        .await
    }

    fn sum_of(&self, image: ImageId, version: VersionId) -> Option<[u8; 32]> {
        let image = self.get(image)?;
        image.versions.iter().find(|v| v.id == version)?.sha256
    }
}

fn damaged(image: &str, number: u32) -> Error {
    Error::conflict(
        Area::Image,
        format!("version {number} of {image:?} is not what was written"),
        "If flattening it broke off, flatten it again. Else the disk under the data folder may be failing: restore the image from a backup or import it again, and look at that disk.",
    )
}
