//! Files in memory for tests: what is not synced is lost, torn or out of order after a power cut, and any
//! operation can fail.

use crate::storage::files::{BlockFile, Files};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

/// xorshift64*: reproducible, and a failing state is named by its seed.
pub struct Dice(pub u64);
impl Dice {
    pub fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }
}

/// What happened below the overlay, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    Write(String),
    Sync(String),
}

#[derive(Default)]
struct Content {
    /// On stable storage.
    safe: Vec<u8>,
    /// As the process sees it.
    now: Vec<u8>,
    /// 512-byte pieces written and size changes since the last sync, in order.
    unsynced: Vec<Piece>,
}

impl Content {
    fn after_cut(&self, dice: &mut Dice) -> Content {
        let mut left = self.safe.clone();
        let mut pieces = self.unsynced.clone();
        while !pieces.is_empty() {
            let piece = pieces.remove(dice.roll(pieces.len() as u64) as usize);
            if dice.roll(2) == 0 {
                piece.apply(&mut left);
            }
        }
        Content {
            safe: left.clone(),
            now: left,
            unsynced: vec![],
        }
    }
}

#[derive(Clone)]
enum Piece {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

impl Piece {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Piece::Bytes(at, b) => {
                to.resize(to.len().max(at + b.len()), 0);
                to[*at..at + b.len()].copy_from_slice(b);
            }
            Piece::Len(n) => to.resize(*n, 0),
        }
    }
}

type Names = BTreeMap<String, Arc<Mutex<Content>>>;

/// A change of the folder itself.
#[derive(Clone)]
enum Name {
    Created(String, Arc<Mutex<Content>>),
    Renamed(String, String),
    Removed(String),
}

impl Name {
    fn apply(&self, names: &mut Names) {
        match self {
            Name::Created(name, file) => _ = names.insert(name.clone(), file.clone()),
            Name::Renamed(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Name::Removed(name) => _ = names.remove(name),
        }
    }
}

/// What fails, and how.
struct Failure {
    /// So many operations succeed before it.
    after: u64,
    errno: i32,
    /// The one operation alone, or all from it on.
    once: bool,
}

#[derive(Default)]
struct Shared {
    /// As the process sees them.
    files: Names,
    /// On stable storage.
    safe: Names,
    /// Since the folder was synced last. A power cut leaves the first few of them: file systems keep their order.
    unsynced: Vec<Name>,
    log: Vec<Op>,
    fail_in: Option<Failure>,
    /// Operations that change something, so far.
    steps: u64,
}

/// A folder in memory that can crash.
#[derive(Clone, Default)]
pub struct MemFiles(Arc<Mutex<Shared>>);

impl MemFiles {
    fn step(&self, op: Option<Op>) -> io::Result<()> {
        let mut s = self.0.lock().unwrap();
        if let Some(failure) = &mut s.fail_in {
            if failure.after == 0 {
                let error = io::Error::from_raw_os_error(failure.errno);
                if failure.once {
                    s.fail_in = None;
                }
                return Err(error);
            }
            failure.after -= 1;
        }
        s.steps += 1;
        s.log.extend(op);
        Ok(())
    }

    fn name(&self, change: Name) {
        let mut s = self.0.lock().unwrap();
        change.apply(&mut s.files);
        s.unsynced.push(change);
    }

    /// So many more operations succeed, and those after them fail with this error: the next one, or all.
    pub fn fail_after(&self, after: u64, errno: i32, once: bool) {
        self.0.lock().unwrap().fail_in = Some(Failure { after, errno, once });
    }

    /// All succeeds again.
    pub fn heal(&self) {
        self.0.lock().unwrap().fail_in = None;
    }

    /// How many operations changed something so far.
    pub fn steps(&self) -> u64 {
        self.0.lock().unwrap().steps
    }

    /// What happened since this was asked last.
    pub fn take_log(&self) -> Vec<Op> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }

    /// The folder as a power cut leaves it: of what was not synced, any pieces in any order, and the first
    /// few changes of names.
    pub fn crash(&self, dice: &mut Dice) -> MemFiles {
        let shared = self.0.lock().unwrap();
        let mut names = shared.safe.clone();
        let kept = dice.roll(shared.unsynced.len() as u64 + 1) as usize;
        shared.unsynced[..kept]
            .iter()
            .for_each(|change| change.apply(&mut names));
        let files: Names = names
            .iter()
            .map(|(name, c)| {
                let left = c.lock().unwrap().after_cut(dice);
                (name.clone(), Arc::new(Mutex::new(left)))
            })
            .collect();
        let left = Shared {
            safe: files.clone(),
            files,
            ..Shared::default()
        };
        MemFiles(Arc::new(Mutex::new(left)))
    }
}

struct MemFile {
    name: String,
    folder: MemFiles,
    content: Arc<Mutex<Content>>,
}

impl MemFile {
    fn put(&self, piece: Piece) -> io::Result<()> {
        self.folder.step(Some(Op::Write(self.name.clone())))?;
        let mut c = self.content.lock().unwrap();
        piece.apply(&mut c.now);
        match piece {
            Piece::Bytes(at, bytes) => {
                for (i, b) in bytes.chunks(512).enumerate() {
                    c.unsynced.push(Piece::Bytes(at + i * 512, b.to_vec()));
                }
            }
            len => c.unsynced.push(len),
        }
        Ok(())
    }
}

impl BlockFile for MemFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let c = self.content.lock().unwrap();
        let from = (offset as usize).min(c.now.len());
        let there = (c.now.len() - from).min(buf.len());
        buf[..there].copy_from_slice(&c.now[from..from + there]);
        buf[there..].fill(0);
        Ok(())
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        self.put(Piece::Bytes(offset as usize, buf.to_vec()))
    }
    fn sync(&self) -> io::Result<()> {
        self.folder.step(Some(Op::Sync(self.name.clone())))?;
        let mut c = self.content.lock().unwrap();
        c.unsynced.clear();
        c.safe = c.now.clone();
        Ok(())
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.put(Piece::Bytes(offset as usize, vec![0; len as usize]))
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.put(Piece::Len(len as usize))
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().now.len() as u64)
    }
    fn allocated(&self) -> io::Result<u64> {
        self.len()
    }
    fn modified(&self) -> io::Result<types::Timestamp> {
        // Nothing that is tested in memory asks for it.
        Ok(types::Timestamp::default())
    }
    fn runs(&self, _: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        Ok(vec![(len, true)])
    }
}

impl Files for MemFiles {
    fn open(&self, name: &str) -> io::Result<Arc<dyn BlockFile>> {
        let content = self.0.lock().unwrap().files.get(name).cloned();
        let content = content.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemFile {
            name: name.into(),
            folder: self.clone(),
            content,
        }))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn BlockFile>> {
        self.step(None)?;
        self.name(Name::Created(name.into(), Arc::default()));
        self.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(None)?;
        if !self.0.lock().unwrap().files.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.name(Name::Renamed(from.into(), to.into()));
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.step(None)?;
        self.name(Name::Removed(name.into()));
        Ok(())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }
    fn room(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
    fn sync(&self) -> io::Result<()> {
        self.step(None)?;
        let mut s = self.0.lock().unwrap();
        s.safe = s.files.clone();
        s.unsynced.clear();
        Ok(())
    }
}
