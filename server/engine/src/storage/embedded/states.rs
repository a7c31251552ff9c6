//! What each block of an overlay is, in memory: two bits a block, only where something was written.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Bytes of a block.
pub const BLOCK: u64 = 4096;
const PER_WORD: u64 = 32;
const WORDS: usize = 512;
const PER_CHUNK: u64 = PER_WORD * WORDS as u64;

/// Where a block's content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// In the image.
    Base = 0,
    /// In the overlay's data file.
    Data = 1,
    /// Nowhere: it reads as zeros.
    Zero = 2,
}

impl State {
    /// From its number.
    pub fn from_number(n: u8) -> Option<State> {
        match n {
            0 => Some(State::Base),
            1 => Some(State::Data),
            2 => Some(State::Zero),
            _ => None,
        }
    }
}

/// The states of all blocks of one disk. Reading takes no lock.
pub struct States {
    chunks: Vec<OnceLock<Box<[AtomicU64; WORDS]>>>,
}

impl States {
    /// All [`State::Base`].
    pub fn new(blocks: u64) -> Self {
        let n = blocks.div_ceil(PER_CHUNK) as usize;
        States {
            chunks: (0..n).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The state of a block of the disk.
    pub fn get(&self, block: u64) -> State {
        let Some(chunk) = self.chunks[(block / PER_CHUNK) as usize].get() else {
            return State::Base;
        };
        let word = chunk[(block % PER_CHUNK / PER_WORD) as usize].load(Ordering::Acquire);
        State::from_number((word >> (block % PER_WORD * 2) & 3) as u8).unwrap_or(State::Base)
    }

    /// Changes the state of a block.
    pub fn set(&self, block: u64, state: State) {
        let chunk = self.chunks[(block / PER_CHUNK) as usize]
            .get_or_init(|| Box::new([const { AtomicU64::new(0) }; WORDS]));
        let word = &chunk[(block % PER_CHUNK / PER_WORD) as usize];
        let shift = block % PER_WORD * 2;
        // AcqRel: who sees the new state also sees what was written before it was set.
        let _ = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |w| {
            Some(w & !(3 << shift) | (state as u64) << shift)
        });
    }

    /// The longest run of one state from `block` on, ending before `end`: (state, first block after).
    pub fn run(&self, block: u64, end: u64) -> (State, u64) {
        let state = self.get(block);
        let mut next = block + 1;
        while next < end {
            // A chunk that nobody wrote to is all base: skip it whole.
            if next.is_multiple_of(PER_CHUNK)
                && self.chunks[(next / PER_CHUNK) as usize].get().is_none()
            {
                if state != State::Base {
                    break;
                }
                next = (next + PER_CHUNK).min(end);
            } else if self.get(next) == state {
                next += 1;
            } else {
                break;
            }
        }
        (state, next)
    }
}
