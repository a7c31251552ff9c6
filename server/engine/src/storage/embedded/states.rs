//! What each block of an overlay is, in memory: two bits a block, only where something was written.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
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

/// A run of blocks in one state: (first, count, state).
pub type Change = (u64, u32, State);

/// The states of all blocks of one disk. Reading takes no lock.
pub struct States {
    blocks: u64,
    chunks: Vec<OnceLock<Box<[AtomicU64; WORDS]>>>,
}

impl States {
    /// All [`State::Base`].
    pub fn new(blocks: u64) -> Self {
        let n = blocks.div_ceil(PER_CHUNK) as usize;
        States {
            blocks,
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

    /// Every run that is not the image's, in order.
    pub fn changes(&self) -> Vec<Change> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < self.blocks {
            let (state, end) = self.run(at, self.blocks);
            let mut first = at;
            while state != State::Base && first < end {
                let count = (end - first).min(u64::from(u32::MAX)) as u32;
                out.push((first, count, state));
                first += u64::from(count);
            }
            at = end;
        }
        out
    }
}

const PIECE_WORDS: usize = 64;
const PER_PIECE: u64 = PER_WORD * PIECE_WORDS as u64;

/// Blocks that changed since the last flush, each with its new state: two bits a block, so that a
/// guest that discards its whole disk costs megabytes at most.
#[derive(Default)]
pub struct Changes {
    /// By block / [`PER_PIECE`]; 0 is unchanged, since no block becomes [`State::Base`] again.
    pieces: BTreeMap<u64, Box<[u64; PIECE_WORDS]>>,
}

impl Changes {
    /// Notes a block's new state over the one noted before.
    pub fn note(&mut self, block: u64, state: State) {
        let (word, shift) = self.place(block);
        *word = *word & !(3 << shift) | (state as u64) << shift;
    }

    /// Whether nothing is noted.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Takes in older changes; what is noted already is newer.
    pub fn note_older(&mut self, older: &[Change]) {
        for &(first, count, state) in older {
            for block in first..first + u64::from(count) {
                let (word, shift) = self.place(block);
                if *word >> shift & 3 == 0 {
                    *word |= (state as u64) << shift;
                }
            }
        }
    }

    fn place(&mut self, block: u64) -> (&mut u64, u64) {
        let piece = self
            .pieces
            .entry(block / PER_PIECE)
            .or_insert_with(|| Box::new([0; PIECE_WORDS]));
        let word = (block % PER_PIECE / PER_WORD) as usize;
        (&mut piece[word], block % PER_WORD * 2)
    }

    /// The changes as runs, in order.
    pub fn runs(&self) -> Vec<Change> {
        let mut out: Vec<Change> = Vec::new();
        for (piece, words) in &self.pieces {
            for (w, &word) in words.iter().enumerate().filter(|(_, w)| **w != 0) {
                for i in 0..PER_WORD {
                    let state = match State::from_number((word >> (i * 2) & 3) as u8) {
                        None | Some(State::Base) => continue,
                        Some(state) => state,
                    };
                    let block = piece * PER_PIECE + w as u64 * PER_WORD + i;
                    match out.last_mut() {
                        Some((first, count, s))
                            if *s == state
                                && *first + u64::from(*count) == block
                                && *count < u32::MAX =>
                        {
                            *count += 1
                        }
                        _ => out.push((block, 1, state)),
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATES: [State; 2] = [State::Data, State::Zero];

    proptest! {
        #[test]
        fn changes_are_like_a_tree_of_blocks(
            steps in prop::collection::vec((0u64..9_000, 0usize..2, prop::bool::ANY), 0..300)
        ) {
            let (mut changes, mut model) = (Changes::default(), BTreeMap::new());
            for (block, state, older) in steps {
                let state = STATES[state];
                if older {
                    changes.note_older(&[(block, 3, state)]);
                    (block..block + 3).for_each(|b| _ = model.entry(b).or_insert(state));
                } else {
                    changes.note(block, state);
                    model.insert(block, state);
                }
            }
            let runs = changes.runs();
            let told: BTreeMap<u64, State> = runs
                .iter()
                .flat_map(|&(first, n, s)| (first..first + u64::from(n)).map(move |b| (b, s)))
                .collect();
            prop_assert_eq!(told, model);
            prop_assert!(runs.windows(2).all(|w| {
                let end = w[0].0 + u64::from(w[0].1);
                end < w[1].0 || end == w[1].0 && w[0].2 != w[1].2
            }), "runs that touch are one run: {:?}", runs);
        }
    }

    #[test]
    fn a_discarded_disk_is_one_run_and_a_quarter_byte_a_block() {
        let mut changes = Changes::default();
        (0..1_000_000).for_each(|b| changes.note(b, State::Zero));
        assert_eq!(changes.runs(), [(0, 1_000_000, State::Zero)]);
        assert_eq!(
            changes.pieces.len() as u64,
            1_000_000u64.div_ceil(PER_PIECE)
        );
    }
}
