//! What a disk may hold, block by block: numbered contents, each written whole and told from every other.

use crate::initiator::{Initiator, MOST};
use std::io;

pub const BLOCK: usize = 4096;
/// Blocks of each disk.
pub const BLOCKS: usize = 1024;
/// What the image holds, and what is left of a discarded block.
const IMAGE: u32 = 0;
const ZERO: u32 = u32::MAX;
/// As whose the image's blocks count.
const NOBODY: u32 = u32::MAX;

/// Repeatable chance.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// A block that says whose and which it is, and what number this content of it has.
fn content(owner: u32, block: usize, number: u32) -> Vec<u8> {
    let words = [owner, block as u32, number, owner ^ !number];
    let piece: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    piece.repeat(BLOCK / piece.len())
}

/// A disk that nobody has written to.
pub fn image() -> Vec<u8> {
    (0..BLOCKS)
        .flat_map(|b| content(NOBODY, b, IMAGE))
        .collect()
}

/// The contents that each block of one computer's disk may have.
pub struct Ledger {
    owner: u32,
    last: u32,
    /// The last one is the newest; the ones before it may be back when the power goes.
    may: Vec<Vec<u32>>,
    /// Commands that were answered.
    pub answered: u64,
}

/// What is done to a disk.
pub enum Step {
    Write(usize, Vec<u8>),
    Discard(usize, usize),
    Flush,
}

impl Ledger {
    pub fn new(owner: u32) -> Ledger {
        Ledger {
            owner,
            last: 0,
            may: vec![vec![IMAGE]; BLOCKS],
            answered: 0,
        }
    }

    /// The next thing to do, which may be on the disk from now on.
    pub fn next(&mut self, dice: &mut Dice) -> Step {
        let first = dice.roll(BLOCKS);
        let count = 1 + dice.roll((MOST / BLOCK).min(BLOCKS - first));
        let blocks = first..first + count;
        match dice.roll(10) {
            0..3 => Step::Flush,
            3 => {
                self.may[blocks].iter_mut().for_each(|m| m.push(ZERO));
                Step::Discard(first, count)
            }
            _ => {
                self.last += 1;
                let number = self.last;
                self.may[blocks.clone()]
                    .iter_mut()
                    .for_each(|m| m.push(number));
                let bytes = blocks.flat_map(|b| content(self.owner, b, number));
                Step::Write(first, bytes.collect())
            }
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// Of the session.
    pub fn take(&mut self, step: &Step, session: &mut Initiator) -> io::Result<()> {
        match step {
            Step::Write(first, bytes) => session.write((first * BLOCK) as u64, bytes)?,
            Step::Discard(first, n) => session.discard((first * BLOCK) as u64, n * BLOCK)?,
            Step::Flush => {
                session.flush()?;
                // All was answered before: nothing older can come back.
                self.may.iter_mut().for_each(|m| _ = m.drain(..m.len() - 1));
            }
        }
        self.answered += 1;
        Ok(())
    }

    /// After this no older content may come back: what the guest was told is on the disk.
    pub fn nothing_older(&mut self) {
        self.may.iter_mut().for_each(|m| _ = m.drain(..m.len() - 1));
    }

    /// Reads the whole disk; what it holds is what it may hold, and from now on what it holds.
    ///
    /// # Errors
    /// Of the session.
    pub fn check(&mut self, session: &mut Initiator, about: &str) -> io::Result<()> {
        let mut piece = vec![0; MOST];
        for first in (0..BLOCKS).step_by(MOST / BLOCK) {
            session.read((first * BLOCK) as u64, &mut piece)?;
            for (n, bytes) in piece.chunks(BLOCK).enumerate() {
                self.check_block(first + n, bytes, about);
            }
        }
        Ok(())
    }

    fn check_block(&mut self, block: usize, bytes: &[u8], about: &str) {
        let may = &mut self.may[block];
        let is = |number: &u32| match *number {
            ZERO => bytes.iter().all(|b| *b == 0),
            IMAGE => bytes == content(NOBODY, block, IMAGE),
            number => bytes == content(self.owner, block, number),
        };
        match may.iter().rev().copied().find(is) {
            Some(found) => *may = vec![found],
            None => panic!(
                "{about}: block {block} of disk {} is none of {may:?}; it begins {:x?} and ends {:x?}",
                self.owner,
                &bytes[..16],
                &bytes[BLOCK - 16..]
            ),
        }
    }
}
