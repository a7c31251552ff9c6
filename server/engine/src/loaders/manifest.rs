//! What a set has, as shown. Sums are kept for as long as a file stays as it is: reading all files of a
//! set takes a while.

use super::Set;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use types::{LoaderFileView, LoaderSetView};

/// Bytes read at once.
const PIECE: usize = 256 << 10;

/// SHA-256 of files.
#[derive(Default)]
pub(super) struct Sums {
    known: Mutex<HashMap<PathBuf, (Mark, String)>>,
}

/// A file that was changed has another one: inode, bytes, and the moment of its last change, whatever
/// that was, in seconds and nanoseconds.
type Mark = (u64, u64, i64, i64);

impl Sums {
    /// Size and SHA-256 of a file.
    fn of(&self, path: &Path) -> std::io::Result<(u64, String)> {
        let mut file = File::open(path)?;
        let meta = file.metadata()?;
        let mark = (meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec());
        if let Some((_, sum)) = self.lock().get(path).filter(|(at, _)| *at == mark) {
            return Ok((meta.len(), sum.clone()));
        }
        let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
        loop {
            match file.read(&mut piece)? {
                0 => break,
                n => hash.update(&piece[..n]),
            }
        }
        let sum = types::hex(&hash.finalize());
        self.lock().insert(path.into(), (mark, sum.clone()));
        Ok((meta.len(), sum))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (Mark, String)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A set without its files. Asks the disk for their sizes.
pub(super) fn brief(set: &Set, default: &str) -> LoaderSetView {
    let size = |place: &PathBuf| place.metadata().map_or(0, |m| m.len());
    LoaderSetView {
        name: set.name.clone(),
        source: set.source,
        is_default: set.name == default,
        added_at: set.added_at,
        file_count: u32::try_from(set.files.len()).unwrap_or(u32::MAX),
        size_bytes: set.files.values().map(size).sum(),
        gives: set.gives(),
        files: Vec::new(),
    }
}

/// A set with its files. Reads those whose sums are not known.
pub(super) fn whole(set: &Set, default: &str, sums: &Sums) -> Result<LoaderSetView> {
    let mut view = brief(set, default);
    for (path, place) in &set.files {
        let reading = format!("reading {}", place.display());
        let (size_bytes, sha256) = sums.of(place).map_err(Error::io(reading))?;
        view.files.push(LoaderFileView {
            path: path.clone(),
            size_bytes,
            sha256,
        });
    }
    Ok(view)
}
