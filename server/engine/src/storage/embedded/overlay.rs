//! A client's disk: the version of an image below, and what this client wrote above it.
//!
//! Crash safety rests on one order. A flush first syncs the data file, then appends to the map which
//! blocks are now in it, then syncs the map, then returns. A block's first write always fills the
//! whole block. So a map that was read back never names a block whose content was not safe before,
//! and a block that the map does not name is still the image's.
//!
//! That is for a power cut. What was answered and not flushed outlives the end of this process, too: see `live`.

use super::{
    live::Live,
    map::{Header, Map},
    states::{BLOCK, Change, Changes, State, States},
    version::Version,
};
use crate::{
    export::BlockDevice,
    storage::files::{BlockFile, Files},
};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Locks for first writes and discards; a block's lock is chosen by its 1 MiB stretch.
const STRIPES: usize = 64;
const STRETCH: u64 = 256;

/// What changed since the last flush, with the state whose data that flush will sync.
struct Dirty {
    changes: Changes,
    live: Live,
}

/// An open overlay.
pub struct Overlay {
    header: Header,
    base: Arc<Version>,
    data: Arc<dyn BlockFile>,
    states: States,
    /// Held while blocks of a stretch change state, so that two first writes of one block don't
    /// undo each other. Never held while another stripe of a lower number is awaited.
    stripes: [Mutex<()>; STRIPES],
    dirty: Mutex<Dirty>,
    /// Whether anything was written to the data file since its last sync. Set after the write and
    /// before its answer, taken by a flush before it syncs.
    unsynced: AtomicBool,
    /// One flush at a time; holds the map.
    map: Mutex<Map>,
    /// Set when a sync failed: the kernel may have dropped what it could not write, so nothing
    /// that follows can be vouched for until the overlay is opened anew.
    broken: AtomicBool,
    /// Blocks in state [`State::Data`], and those that are about to be.
    data_blocks: AtomicU64,
    /// The most that it may hold, bytes; what is above it already stays. Changed from outside.
    quota: Arc<AtomicU64>,
    /// Where a rewritten map goes: the folder and the map's name. None once this overlay was
    /// replaced by a reset, so that it can't come back over its successor.
    home: Mutex<Option<(Arc<dyn Files>, String)>>,
}

impl Dirty {
    /// A flush has made durable what it took. What was written meanwhile stays noted.
    fn cleared(&mut self) {
        let left = match self.changes.is_empty() || self.live.is_long() {
            true => self.changes.runs(),
            false => return,
        };
        self.live.keep(&left);
    }
}

impl Overlay {
    /// Opens from its map; `open` gives the version below, the data file of the header's generation, and the name
    /// of its journal, which is folded once it has so many records.
    pub fn open(
        files: Arc<dyn Files>,
        map_name: &str,
        (quota, long_journal): (Arc<AtomicU64>, u64),
        open: impl FnOnce(&Header) -> io::Result<(Arc<Version>, Arc<dyn BlockFile>, String)>,
    ) -> io::Result<Overlay> {
        let (header, states, map) = Map::open(files.open(map_name)?)?;
        let (base, data, live_name) = open(&header)?;
        let (live, left) = Live::open(files.clone(), live_name, header, long_journal)?;
        let mut changes = Changes::default();
        for (first, count, state) in left {
            for block in first..first + u64::from(count) {
                states.set(block, state);
                changes.note(block, state);
            }
        }
        let data_blocks = states
            .changes()
            .iter()
            .filter(|c| c.2 == State::Data)
            .map(|c| u64::from(c.1))
            .sum();
        Ok(Overlay {
            header,
            base,
            data,
            states,
            stripes: [const { Mutex::new(()) }; STRIPES],
            dirty: Mutex::new(Dirty { changes, live }),
            // The last process may have ended before it synced what it wrote in place.
            unsynced: AtomicBool::new(true),
            map: Mutex::new(map),
            broken: AtomicBool::new(false),
            data_blocks: AtomicU64::new(data_blocks),
            quota,
            home: Mutex::new(Some((files, map_name.into()))),
        })
    }

    /// Every run of blocks that is not the version's below, in order.
    pub fn changes(&self) -> Vec<Change> {
        self.states.changes()
    }

    /// Fills `buf` with what blocks of this state hold from `offset` on.
    ///
    /// # Errors
    /// Of the file system.
    pub fn read_changed(&self, state: State, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read_run(state, offset, buf)
    }

    /// The version below.
    pub fn below(&self) -> &Arc<Version> {
        &self.base
    }

    /// On which version and of which generation this is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes that this client wrote and did not give back.
    pub fn data_bytes(&self) -> u64 {
        self.data_blocks.load(Ordering::Relaxed) * BLOCK
    }

    /// Gives this overlay's place in the folder up by `act`, which renames or removes its map.
    /// When that succeeds, nothing of this overlay touches the folder any more; when it fails,
    /// all is as before.
    pub fn retire(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut home = lock(&self.home);
        let mut dirty = lock(&self.dirty);
        act()?;
        *home = None;
        dirty.live.retire();
        Ok(())
    }

    /// Whether a sync failed, so that only opening it anew tells what is safe.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    fn blocks(&self) -> u64 {
        self.header.size_bytes.div_ceil(BLOCK)
    }

    fn lock_stretches(&self, first: u64, last: u64) -> Vec<MutexGuard<'_, ()>> {
        let (a, b) = (first / STRETCH, last / STRETCH);
        let mut wanted: Vec<usize> = if b - a >= STRIPES as u64 {
            (0..STRIPES).collect()
        } else {
            (a..=b).map(|s| (s % STRIPES as u64) as usize).collect()
        };
        wanted.sort_unstable();
        wanted.dedup();
        wanted.into_iter().map(|i| lock(&self.stripes[i])).collect()
    }

    /// Marks whole blocks; the caller holds their stripes. None is marked when that can't be noted.
    fn mark(&self, first: u64, end: u64, state: State) -> io::Result<()> {
        let mut dirty = lock(&self.dirty);
        dirty.live.note((first, (end - first) as u32, state))?;
        for block in first..end {
            let old = self.states.get(block);
            if old == state {
                continue;
            }
            self.states.set(block, state);
            dirty.changes.note(block, state);
            match (old, state) {
                // Counted when their place was taken.
                (_, State::Data) => {}
                (State::Data, _) => _ = self.data_blocks.fetch_sub(1, Ordering::Relaxed),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads one stretch of bytes that lies within blocks of one state.
    fn read_run(&self, state: State, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match state {
            State::Base => self.base.read_at(offset, buf),
            State::Data => self.data.read_at(offset, buf),
            State::Zero => {
                buf.fill(0);
                Ok(())
            }
        }
    }

    /// The first write of some blocks: whole blocks reach the data file before they are marked.
    fn write_first(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        let (first, last) = (offset / BLOCK, (end - 1) / BLOCK);
        let _stripes = self.lock_stretches(first, last);
        let new = self.new_blocks(first, last + 1);
        self.take_place(new)?;
        let written = self
            .write_whole(offset, buf)
            .and_then(|()| self.mark(first, last + 1, State::Data));
        if written.is_err() {
            self.data_blocks.fetch_sub(new, Ordering::Relaxed);
        }
        written
    }

    /// Fills what is missing of the first and the last block, and writes; the caller holds their stripes.
    fn write_whole(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        let (first, last) = (offset / BLOCK, (end - 1) / BLOCK);
        let head = self.states.get(first);
        if head != State::Data && !offset.is_multiple_of(BLOCK) {
            self.fill(head, first * BLOCK, offset)?;
        }
        let tail = self.states.get(last);
        let block_end = ((last + 1) * BLOCK).min(self.header.size_bytes);
        if tail != State::Data && end < block_end {
            self.fill(tail, end, block_end)?;
        }
        self.data.write_at(offset, buf)?;
        self.unsynced.store(true, Ordering::Release);
        Ok(())
    }

    /// How many blocks of `[first, end)` are not in the data file yet; the caller holds their stripes.
    fn new_blocks(&self, first: u64, end: u64) -> u64 {
        let (mut new, mut at) = (0, first);
        while at < end {
            let (state, next) = self.states.run(at, end);
            if state != State::Data {
                new += next - at;
            }
            at = next;
        }
        new
    }

    /// Counts so many blocks more, if they fit: side by side, two writes must not both get the last place.
    fn take_place(&self, blocks: u64) -> io::Result<()> {
        let quota = self.quota.load(Ordering::Relaxed) / BLOCK;
        let add = |taken: u64| taken.checked_add(blocks).filter(|sum| *sum <= quota);
        let taken = self
            .data_blocks
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the overlay holds as much as it may",
            )),
        }
    }

    /// Copies `[from, to)` of one block, as it reads now, into the data file.
    fn fill(&self, state: State, from: u64, to: u64) -> io::Result<()> {
        let mut rest = [0u8; BLOCK as usize];
        let rest = &mut rest[..(to - from) as usize];
        self.read_run(state, from, rest)?;
        self.data.write_at(from, rest)
    }

    fn check_whole(&self) -> io::Result<()> {
        if self.is_broken() {
            return Err(io::Error::other(
                "an earlier sync of this overlay failed; it must be opened anew",
            ));
        }
        Ok(())
    }

    fn sync_or_break(&self, result: io::Result<()>) -> io::Result<()> {
        if result.is_err() {
            self.broken.store(true, Ordering::Release);
            lock(&self.dirty).live.forget();
        }
        result
    }

    /// Writes the map anew when its journal is much longer than what it says. Best effort: until
    /// the rename the old map is as true as the new one.
    fn compact(&self, map: &mut Map) {
        let home = lock(&self.home);
        let Some((files, name)) = home.as_ref() else {
            return;
        };
        let temporary = format!("{name}.new");
        let rewritten = map.shortened(&self.header).and_then(|live| match live {
            None => Ok(None),
            Some(live) => Map::create(files.create(&temporary)?, self.header, &live).map(Some),
        });
        let renamed = rewritten.and_then(|new| match new {
            None => Ok(None),
            Some(new) => files.rename(&temporary, name).map(|()| Some(new)),
        });
        match renamed {
            Ok(None) => return,
            Ok(Some(new)) => *map = new,
            Err(e) => {
                tracing::warn!(map = %name, error = %e, "the overlay's map could not be rewritten");
                return;
            }
        }
        // Both maps hold what was flushed so far. Which of them a power cut would leave is open,
        // so no later flush can be vouched for.
        if let Err(e) = files.sync() {
            tracing::error!(map = %name, error = %e, "the folder of the overlays could not be synced");
            self.broken.store(true, Ordering::Release);
        }
    }
}

impl BlockDevice for Overlay {
    fn size_bytes(&self) -> u64 {
        self.header.size_bytes
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        let mut at = offset;
        while at < end {
            let (state, next) = self.states.run(at / BLOCK, end.div_ceil(BLOCK));
            let stop = (next * BLOCK).min(end);
            self.read_run(
                state,
                at,
                &mut buf[(at - offset) as usize..(stop - offset) as usize],
            )?;
            at = stop;
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        if buf.is_empty() {
            return Ok(());
        }
        self.check_whole()?;
        let (first, end) = (offset / BLOCK, (offset + buf.len() as u64).div_ceil(BLOCK));
        if self.states.run(first, end) == (State::Data, end) {
            self.data.write_at(offset, buf)?;
            self.unsynced.store(true, Ordering::Release);
            return Ok(());
        }
        self.write_first(offset, buf)?;
        self.fold_long_journal();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.flush_to(&mut lock(&self.map))
    }

    fn discard(&self, offset: u64, len: u64) -> io::Result<()> {
        self.check_whole()?;
        let end = offset + len;
        // Parts of blocks are written as zeros; only whole ones are given back.
        let first = offset.div_ceil(BLOCK);
        let last = if end == self.header.size_bytes {
            self.blocks()
        } else {
            end / BLOCK
        };
        if first >= last {
            return self.write_zeros(offset, end);
        }
        self.write_zeros(offset, first * BLOCK)?;
        self.write_zeros(last * BLOCK, end)?;
        let mut at = first;
        while at < last {
            // By stretches, so that a discard of the whole disk does not keep writers out for long.
            let stop = ((at / STRETCH + 1) * STRETCH).min(last);
            let stripes = self.lock_stretches(at, stop - 1);
            self.discard_blocks(at, stop)?;
            drop(stripes);
            self.fold_long_journal();
            at = stop;
        }
        Ok(())
    }

    fn extents(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        let end = offset + len;
        let mut out: Vec<(u64, bool)> = Vec::new();
        let mut push = |n: u64, data: bool| match out.last_mut() {
            Some((total, d)) if *d == data => *total += n,
            _ => out.push((n, data)),
        };
        let mut at = offset;
        while at < end {
            let (state, next) = self.states.run(at / BLOCK, end.div_ceil(BLOCK));
            let stop = (next * BLOCK).min(end);
            match state {
                State::Data => push(stop - at, true),
                State::Zero => push(stop - at, false),
                State::Base => {
                    for (n, data) in self.base.runs(at, stop - at)? {
                        push(n, data);
                    }
                }
            }
            at = stop;
        }
        Ok(out)
    }
}

impl Overlay {
    /// A flush by whoever holds the map.
    fn flush_to(&self, map: &mut Map) -> io::Result<()> {
        self.check_whole()?;
        let changed = std::mem::take(&mut lock(&self.dirty).changes).runs();
        let unsynced = self.unsynced.swap(false, Ordering::AcqRel);
        if unsynced || !changed.is_empty() {
            self.sync_or_break(self.data.sync())?;
        }
        if changed.is_empty() && map.is_synced() {
            return Ok(());
        }
        if let Err(e) = map.append(&changed) {
            // Nothing is lost: these blocks are told again by the next flush, unless changed since.
            lock(&self.dirty).changes.note_older(&changed);
            return Err(e);
        }
        self.sync_or_break(map.sync())?;
        lock(&self.dirty).cleared();
        self.compact(map);
        Ok(())
    }

    /// A guest that never flushes must not make the journal grow without end: it is folded into the map, by a
    /// flush that nobody asked for. No stripe may be held.
    fn fold_long_journal(&self) {
        if !lock(&self.dirty).live.is_long() {
            return;
        }
        let mut map = match self.map.try_lock() {
            Ok(map) => map,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // A flush is on its way: it makes the journal shorter at its end, and nobody waits for it here.
            Err(TryLockError::WouldBlock) => return,
        };
        if let Err(error) = self.flush_to(&mut map) {
            tracing::warn!(%error, "the long journal of an overlay could not be folded into its map");
            lock(&self.dirty).live.not_before_twice();
        }
    }

    fn write_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
        let mut at = from;
        while at < to {
            let n = (to - at).min(BLOCK - at % BLOCK);
            self.write_at(at, &ZEROS[..n as usize])?;
            at += n;
        }
        Ok(())
    }

    /// The caller holds the stripes of `[first, end)`.
    fn discard_blocks(&self, first: u64, end: u64) -> io::Result<()> {
        let mut at = first;
        while at < end {
            let (state, next) = self.states.run(at, end);
            if state != State::Zero {
                self.mark(at, next, State::Zero)?;
            }
            if state == State::Data {
                let stop = (next * BLOCK).min(self.header.size_bytes);
                self.data.punch(at * BLOCK, stop - at * BLOCK)?;
                self.unsynced.store(true, Ordering::Release);
            }
            at = next;
        }
        Ok(())
    }
}

/// A panic elsewhere while a lock was held leaves these values whole.
fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
