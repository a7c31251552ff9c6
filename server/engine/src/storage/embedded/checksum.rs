//! The checksum of a version: of the whole disk for one of its own, of its blocks for one above another,
//! so that neither making nor verifying it reads what is below.

use super::{
    map::Map,
    states::{BLOCK, Change, State},
};
use crate::storage::{
    Progress,
    files::{BlockFile, Files},
};
use sha2::{Digest, Sha256};
use std::io;
use types::VersionId;

/// Bytes read at a time.
const PIECE: u64 = 1 << 20;

/// The hash of the blocks that a version changes, in order.
#[derive(Default)]
pub struct BlockHash(Sha256);

impl BlockHash {
    /// Takes a run of blocks in; `content` is what they hold, the last one may be short.
    pub fn data(&mut self, first: u64, content: &[u8]) {
        for (i, block) in content.chunks(BLOCK as usize).enumerate() {
            self.head(first + i as u64, State::Data);
            self.0.update(block);
        }
    }

    /// Takes a run of blocks in that read as zeros.
    pub fn zeros(&mut self, first: u64, count: u64) {
        (first..first + count).for_each(|block| self.head(block, State::Zero));
    }

    fn head(&mut self, block: u64, state: State) {
        self.0.update(block.to_le_bytes());
        self.0.update([state as u8]);
    }

    /// The checksum.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The checksum of a version's files as they are now; None when `progress` said to stop.
///
/// # Errors
/// Of the file system.
pub fn of_version(
    files: &dyn Files,
    version: VersionId,
    progress: &mut Progress<'_>,
) -> io::Result<Option<[u8; 32]>> {
    match files.open(&super::image_name(version)) {
        Ok(base) => of_disk(base.as_ref(), progress),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let (data, map) = super::promote::names(version);
            let (header, changes) = Map::read_whole(files.open(&map)?.as_ref())?;
            let data = files.open(&data)?;
            of_changes(data.as_ref(), header.size_bytes, &changes, progress)
        }
        Err(e) => Err(e),
    }
}

fn of_disk(file: &dyn BlockFile, progress: &mut Progress<'_>) -> io::Result<Option<[u8; 32]>> {
    let size = file.len()?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE as usize]);
    let mut at = 0;
    while at < size {
        let part = &mut piece[..(size - at).min(PIECE) as usize];
        file.read_at(at, part)?;
        hash.update(&part);
        at += part.len() as u64;
        if !progress(at, size) {
            return Ok(None);
        }
    }
    Ok(Some(hash.finalize().into()))
}

fn of_changes(
    data: &dyn BlockFile,
    size_bytes: u64,
    changes: &[Change],
    progress: &mut Progress<'_>,
) -> io::Result<Option<[u8; 32]>> {
    let total = changes.iter().map(|c| u64::from(c.1) * BLOCK).sum();
    let (mut hash, mut piece, mut done) = (BlockHash::default(), vec![0; PIECE as usize], 0);
    for &(first, count, state) in changes {
        let (mut at, end) = (first * BLOCK, (first + u64::from(count)) * BLOCK);
        while at < end {
            let stop = (at + PIECE).min(end);
            match state {
                State::Data => {
                    let part = &mut piece[..(stop.min(size_bytes) - at) as usize];
                    data.read_at(at, part)?;
                    hash.data(at / BLOCK, part);
                }
                _ => hash.zeros(at / BLOCK, (stop - at) / BLOCK),
            }
            done += stop - at;
            if !progress(done, total) {
                return Ok(None);
            }
            at = stop;
        }
    }
    Ok(Some(hash.finish()))
}
