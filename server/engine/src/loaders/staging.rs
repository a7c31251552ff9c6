//! Sets on their way in and out. Both happen beside the sets, in folders that nobody is served, and end
//! with one rename: a set is there whole or not at all.

use super::{archive, choose, set::DEPTH};
use crate::{Error, Result, make_private_dir};
use bytes::{Buf, Bytes};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Uploads under way.
const COMING: &str = ".upload-";
/// Sets that are being removed.
const GOING: &str = ".removed-";

/// The archive as it comes in: `None` is its end. A stream that breaks off without it is an error.
pub(crate) struct Pieces {
    queue: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    is_whole: bool,
}

impl From<mpsc::Receiver<Option<Bytes>>> for Pieces {
    fn from(queue: mpsc::Receiver<Option<Bytes>>) -> Self {
        Pieces {
            queue,
            piece: Bytes::new(),
            is_whole: false,
        }
    }
}

impl io::Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.is_whole {
            match self.queue.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.is_whole = true,
                None => {
                    let cut = "it broke off before its end";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, cut));
                }
            }
        }
        let len = out.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut out[..len]);
        Ok(len)
    }
}

/// An unpacked archive that is no set yet. Dropping it removes it.
pub(crate) struct Staged {
    folder: PathBuf,
}

/// Unpacks into a folder of its own below `own`.
pub(super) fn stage(own: &Path, pieces: Pieces) -> Result<Staged> {
    let folder = own.join(format!("{COMING}{}", Uuid::now_v7().simple()));
    make_private_dir(&folder)?;
    let staged = Staged { folder };
    let deepest = archive::unpack(pieces, &staged.folder)?;
    let around = usize::from(staged.root()? != staged.folder);
    match deepest - around > DEPTH {
        true => Err(archive::too_deep("a file of it")),
        false => Ok(staged),
    }
}

impl Staged {
    /// Makes it the set of that name; durable when this returns.
    pub(super) fn become_set(self, own: &Path, name: &str) -> Result<()> {
        let from = self.root()?;
        let to = own.join(name);
        fs::rename(&from, &to).map_err(Error::io(format!("making {}", to.display())))?;
        archive::sync_folder(own)
    }

    /// Archives often hold one folder with everything in it, named after the version: that is the set.
    fn root(&self) -> Result<PathBuf> {
        let reading = || format!("reading {}", self.folder.display());
        let entries = fs::read_dir(&self.folder).map_err(Error::io(reading()))?;
        let entries: io::Result<Vec<_>> = entries.collect();
        let only = match entries.map_err(Error::io(reading()))?.as_slice() {
            [only] => only.path(),
            _ => return Ok(self.folder.clone()),
        };
        let name = only.file_name().and_then(|n| n.to_str()).unwrap_or("");
        Ok(match only.is_dir() && !choose::is_platform_folder(name) {
            true => only,
            false => self.folder.clone(),
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already when it became the set.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Takes the set of that name away; it is gone for good when this returns.
pub(super) fn take_away(own: &Path, name: &str) -> Result<()> {
    let away = own.join(format!("{GOING}{}", Uuid::now_v7().simple()));
    let doing = || format!("removing {}", own.join(name).display());
    fs::rename(own.join(name), &away).map_err(Error::io(doing()))?;
    archive::sync_folder(own)?;
    fs::remove_dir_all(&away).map_err(Error::io(doing()))
}

/// Removes what a stop of the server left half done.
pub(super) fn tidy(own: &Path) {
    let entries = fs::read_dir(own).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(COMING) || name.starts_with(GOING) {
            let gone = fs::remove_dir_all(entry.path());
            tracing::info!(%name, done = gone.is_ok(), "tidied up what was left of a loader set");
        }
    }
}
