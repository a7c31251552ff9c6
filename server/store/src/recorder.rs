//! A disk in memory that records what a store writes, when it syncs and what its user notes in
//! between, and that plays any crash back. For tests of every crate: feature `recorder`.
//!
//! A write that was not synced may reach the disk after a crash whole, in part or not at all, and
//! before or after another one; a synced one is there. [`Recorder::crash`] builds such disks.

use crate::{Result, Store};
use redb::StorageBackend;
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What a disk writes at once or not at all, bytes.
const SECTOR: usize = 512;

/// One thing that happened, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Bytes were handed to the disk.
    Write {
        /// Where.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// The file was grown or cut, to so many bytes.
    SetLen(u64),
    /// All before it is on stable storage.
    Sync,
    /// The test said something: an acknowledgement left.
    Note(String),
}

/// The disk. Clones share it.
#[derive(Clone, Default, Debug)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
}

#[derive(Default, Debug)]
struct State {
    disk: Vec<u8>,
    log: Vec<Op>,
    /// The disk breaks once so many operations were recorded, with this error.
    breaks_at: Option<(usize, i32)>,
    sync_takes: Duration,
}

impl State {
    /// Records an operation, unless the disk is broken.
    fn record(&mut self, op: Op) -> io::Result<()> {
        if let Some((ops, errno)) = self.breaks_at
            && self.log.len() >= ops
        {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.log.push(op);
        Ok(())
    }
}

impl Recorder {
    /// An empty disk.
    pub fn new() -> Self {
        Recorder::default()
    }

    /// A disk with this content, as a crash left it.
    pub fn with_disk(disk: Vec<u8>) -> Self {
        let recorder = Recorder::new();
        recorder.lock().disk = disk;
        recorder
    }

    /// Opens a store on this disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self) -> Result<Store> {
        Store::open_with_backend(self.clone())
    }

    /// Notes something among the writes: that an answer left.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        self.lock().log.push(Op::Note(text));
    }

    /// From the operation of this number on, every write and sync fails with this error of the system.
    pub fn break_at(&self, ops: usize, errno: i32) {
        self.lock().breaks_at = Some((ops, errno));
    }

    /// From now on each sync takes so long, as on a disk that has to turn or to share.
    pub fn sync_takes(&self, time: Duration) {
        self.lock().sync_takes = time;
    }

    /// What happened so far.
    pub fn log(&self) -> Vec<Op> {
        self.lock().log.clone()
    }

    /// What lies on the disk now.
    pub fn disk(&self) -> Vec<u8> {
        self.lock().disk.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk after a crash right after the first `ops` of `log`: all up to the last sync among
    /// them is there; of each write since, `keep(op, sector)` says whether that sector made it.
    pub fn crash(log: &[Op], ops: usize, mut keep: impl FnMut(usize, usize) -> bool) -> Recorder {
        let log = &log[..ops];
        let synced = log
            .iter()
            .rposition(|op| *op == Op::Sync)
            .map_or(0, |i| i + 1);
        let mut disk = Vec::new();
        for (i, op) in log.iter().enumerate() {
            match op {
                Op::Write { offset, data } => {
                    let mut at = *offset as usize;
                    for (n, sector) in data.chunks(SECTOR).enumerate() {
                        if i < synced || keep(i, n) {
                            put(&mut disk, at, sector);
                        }
                        at += sector.len();
                    }
                }
                Op::SetLen(len) => {
                    if i < synced || keep(i, 0) {
                        disk.resize(*len as usize, 0);
                    }
                }
                Op::Sync | Op::Note(_) => {}
            }
        }
        Recorder::with_disk(disk)
    }

    /// The disk when power goes right where `note` stands and nothing that was not synced by then
    /// made it: what was acknowledged there must be in it. None when there is no such note.
    pub fn at_note(&self, note: &str) -> Option<Recorder> {
        let log = self.log();
        let at = log
            .iter()
            .position(|op| matches!(op, Op::Note(text) if text == note))?;
        Some(Recorder::crash(&log, at, |_, _| false))
    }
}

fn put(disk: &mut Vec<u8>, at: usize, data: &[u8]) {
    if disk.len() < at + data.len() {
        disk.resize(at + data.len(), 0);
    }
    disk[at..at + data.len()].copy_from_slice(data);
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().disk.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let found = state
            .disk
            .get(from..from.saturating_add(out.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        state.record(Op::SetLen(len))?;
        state.disk.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // Others may read and write meanwhile.
        let takes = self.lock().sync_takes;
        std::thread::sleep(takes);
        self.lock().record(Op::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let op = Op::Write {
            offset,
            data: data.to_vec(),
        };
        state.record(op)?;
        put(&mut state.disk, offset as usize, data);
        Ok(())
    }
}
