//! A version of an image: a base file that never changes, or what differs from the version before it.
//!
//! A chain of versions is looked up once, when it is opened: a table says for each block in which file
//! it is. So a read costs the same however long the chain is.

use super::states::{BLOCK, Change, State};
use crate::storage::files::BlockFile;
use std::{io, sync::Arc};

/// Blocks that one piece of the table covers.
const PER_PIECE: u64 = 16_384;
/// A block that reads as zeros.
const ZERO: u8 = u8::MAX;
/// The longest chain: versions above the base file.
pub const MAX_DEPTH: usize = 200;

/// One version above the base file: its data, and which blocks differ.
pub struct Delta {
    pub data: Arc<dyn BlockFile>,
    pub changes: Vec<Change>,
}

/// In which file of its chain each block of a version is.
struct Owners {
    /// None: all in the base file, as is 0. A version of the chain counts from 1.
    pieces: Vec<Option<Box<[u8; PER_PIECE as usize]>>>,
}

impl Owners {
    fn new(blocks: u64) -> Owners {
        let pieces = blocks.div_ceil(PER_PIECE);
        Owners {
            pieces: (0..pieces).map(|_| None).collect(),
        }
    }

    fn set(&mut self, first: u64, end: u64, owner: u8) {
        let mut at = first;
        while at < end {
            let stop = ((at / PER_PIECE + 1) * PER_PIECE).min(end);
            let piece = self.pieces[(at / PER_PIECE) as usize]
                .get_or_insert_with(|| Box::new([0; PER_PIECE as usize]));
            let from = (at % PER_PIECE) as usize;
            piece[from..from + (stop - at) as usize].fill(owner);
            at = stop;
        }
    }

    /// Who has `block`, and the first block after it that another has, at most `end`.
    fn run(&self, block: u64, end: u64) -> (u8, u64) {
        let owner = self.get(block);
        let mut at = block;
        while at < end {
            let stop = ((at / PER_PIECE + 1) * PER_PIECE).min(end);
            let differs = match &self.pieces[(at / PER_PIECE) as usize] {
                None if owner == 0 => None,
                None => Some(0),
                Some(piece) => {
                    let from = (at % PER_PIECE) as usize;
                    let stretch = &piece[from..from + (stop - at) as usize];
                    stretch.iter().position(|o| *o != owner)
                }
            };
            if let Some(n) = differs {
                return (owner, at + n as u64);
            }
            at = stop;
        }
        (owner, end)
    }

    fn get(&self, block: u64) -> u8 {
        let piece = &self.pieces[(block / PER_PIECE) as usize];
        piece
            .as_ref()
            .map_or(0, |p| p[(block % PER_PIECE) as usize])
    }
}

/// An open version.
pub struct Version {
    size_bytes: u64,
    base: Arc<dyn BlockFile>,
    /// The data of the versions above it, the oldest first.
    above: Vec<Arc<dyn BlockFile>>,
    owners: Owners,
}

impl Version {
    /// A base file and what changed since, the oldest first.
    ///
    /// # Errors
    /// When the chain is longer than [`MAX_DEPTH`], or a change lies outside of the disk.
    pub fn new(base: Arc<dyn BlockFile>, size_bytes: u64, deltas: Vec<Delta>) -> io::Result<Self> {
        if deltas.len() > MAX_DEPTH {
            return Err(bad("it has more versions below it than can be opened"));
        }
        let blocks = size_bytes.div_ceil(BLOCK);
        let mut owners = Owners::new(blocks);
        for (i, delta) in deltas.iter().enumerate() {
            for &(first, count, state) in &delta.changes {
                let end = first + u64::from(count);
                if end > blocks {
                    return Err(bad("it names a block outside of the disk"));
                }
                match state {
                    State::Base => {}
                    State::Data => owners.set(first, end, i as u8 + 1),
                    State::Zero => owners.set(first, end, ZERO),
                }
            }
        }
        Ok(Version {
            size_bytes,
            base,
            above: deltas.into_iter().map(|delta| delta.data).collect(),
            owners,
        })
    }

    /// Size of its disk, bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many versions are below it.
    pub fn depth(&self) -> usize {
        self.above.len()
    }

    /// Fills `buf` from `offset`; what lies beyond the end reads as zeros.
    ///
    /// # Errors
    /// Of the file system.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        self.pieces(offset, end, |owner, at, stop| {
            let part = &mut buf[(at - offset) as usize..(stop - offset) as usize];
            match self.file(owner) {
                Some(file) => file.read_at(at, part),
                None => {
                    part.fill(0);
                    Ok(())
                }
            }
        })
    }

    /// The runs of `[offset, offset+len)` as (length, holds data).
    ///
    /// # Errors
    /// Of the file system.
    pub fn runs(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        let mut runs = Vec::new();
        self.pieces(offset, offset + len, |owner, at, stop| {
            match owner {
                0 => runs.extend(self.base.runs(at, stop - at)?),
                ZERO => runs.push((stop - at, false)),
                _ => runs.push((stop - at, true)),
            }
            Ok(())
        })?;
        Ok(runs)
    }

    fn file(&self, owner: u8) -> Option<&Arc<dyn BlockFile>> {
        match owner {
            0 => Some(&self.base),
            n => self.above.get(usize::from(n) - 1),
        }
    }

    /// The stretches of `[from, to)` that are in one file each.
    fn pieces(
        &self,
        from: u64,
        to: u64,
        mut piece: impl FnMut(u8, u64, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let (owner, next) = self.owners.run(at / BLOCK, to.div_ceil(BLOCK));
            let stop = (next * BLOCK).min(to);
            piece(owner, at, stop)?;
            at = stop;
        }
        Ok(())
    }
}

/// What is wrong with a version's files.
pub fn bad(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the version can't be read: {what}; restore its files from a backup"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn owners_are_like_a_list_of_blocks(
            steps in prop::collection::vec((0u64..40_000, 1u64..20_000, 0u8..4), 0..20),
            asked in 0u64..40_000,
        ) {
            let blocks = 40_000u64;
            let (mut owners, mut model) = (Owners::new(blocks), vec![0u8; blocks as usize]);
            for (first, count, owner) in steps {
                let end = (first + count).min(blocks);
                owners.set(first, end, owner);
                model[first as usize..end as usize].fill(owner);
            }
            let (owner, next) = owners.run(asked, blocks);
            prop_assert_eq!(owner, model[asked as usize]);
            let run = &model[asked as usize..next as usize];
            prop_assert!(run.iter().all(|o| *o == owner));
            prop_assert!(next == blocks || model[next as usize] != owner);
        }
    }
}
