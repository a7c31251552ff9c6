//! Copying what a version reads as into a base file: to make it one of its own, and for a new image.

use super::{import::Sink, version::Version};
use crate::{
    Error, Result,
    storage::{ImportSink, Imported, Progress, files::Files},
};
use std::sync::Arc;

/// Bytes copied at a time.
const PIECE: u64 = 1 << 20;

/// Copies a version into the base file `name`, which is there once this has ended. None, and nothing is
/// left, when `progress` said to stop.
///
/// # Errors
/// Of the file system; nothing is left of it then, or the next start sweeps it.
pub fn copy(
    version: &Version,
    files: Arc<dyn Files>,
    name: String,
    progress: &mut Progress<'_>,
) -> Result<Option<Imported>> {
    let size = version.size_bytes();
    let mut sink = Box::new(Sink::begin(files, name)?);
    let failed = || Error::io("reading the version that is copied");
    let mut piece = vec![0; PIECE as usize];
    let mut at = 0;
    for (len, is_data) in version.runs(0, size).map_err(failed())? {
        let end = at + len;
        while at < end {
            let stop = match is_data {
                true => (at + PIECE).min(end),
                false => end,
            };
            if is_data {
                let part = &mut piece[..(stop - at) as usize];
                version.read_at(at, part).map_err(failed())?;
                sink.write(part)?;
            } else {
                sink.skip(stop - at)?;
            }
            at = stop;
            if !progress(at, size) {
                return Ok(None);
            }
        }
    }
    sink.finish().map(Some)
}
