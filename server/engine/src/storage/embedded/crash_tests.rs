//! What a power cut leaves: files whose unsynced writes are lost, torn or out of order; operations
//! that fail one after the other; threads side by side.

use super::{EmbeddedStorage, StorageBackend};
use crate::storage::files::{BlockFile, Files};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};
use types::{ClientId, VersionId};
use uuid::Uuid;

const DISK: usize = 64 * 1024;
const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
/// A version that is made of the client's disk.
const NEXT: VersionId = VersionId(Uuid::from_u128(3));

/// xorshift64*: reproducible, and a failing state is named by its seed.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }
}

/// What happened below the overlay, in order.
#[derive(Clone, PartialEq, Debug)]
enum Op {
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

#[derive(Default)]
struct Shared {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    log: Vec<Op>,
    /// Fails this operation, counted down.
    fail_in: Option<(u64, i32)>,
}

/// A folder in memory that can crash.
#[derive(Clone, Default)]
struct MemFiles(Arc<Mutex<Shared>>);

impl MemFiles {
    fn step(&self, op: Option<Op>) -> io::Result<()> {
        let mut s = self.0.lock().unwrap();
        if let Some((n, errno)) = &mut s.fail_in {
            if *n == 0 {
                return Err(io::Error::from_raw_os_error(*errno));
            }
            *n -= 1;
        }
        s.log.extend(op);
        Ok(())
    }

    /// The folder as a power cut leaves it: of what was not synced, any pieces in any order.
    fn crash(&self, dice: &mut Dice) -> MemFiles {
        let shared = self.0.lock().unwrap();
        let files = shared.files.iter().map(|(name, c)| {
            let c = c.lock().unwrap();
            let mut left = c.safe.clone();
            let mut pieces = c.unsynced.clone();
            while !pieces.is_empty() {
                let piece = pieces.remove(dice.roll(pieces.len() as u64) as usize);
                if dice.roll(2) == 0 {
                    piece.apply(&mut left);
                }
            }
            let content = Content {
                safe: left.clone(),
                now: left,
                unsynced: vec![],
            };
            (name.clone(), Arc::new(Mutex::new(content)))
        });
        let left = Shared {
            files: files.collect(),
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
        for (i, b) in buf.iter_mut().enumerate() {
            *b = c.now.get(offset as usize + i).copied().unwrap_or(0);
        }
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
        self.0
            .lock()
            .unwrap()
            .files
            .insert(name.into(), Arc::default());
        self.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step(None)?;
        let mut s = self.0.lock().unwrap();
        let file = s.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        s.files.insert(to.into(), file);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.step(None)?;
        self.0.lock().unwrap().files.remove(name);
        Ok(())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().files.keys().cloned().collect())
    }
    fn sync(&self) -> io::Result<()> {
        self.step(None)
    }
    fn room(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

/// An image of pattern bytes and an empty overlay on it.
fn stage() -> (MemFiles, MemFiles, EmbeddedStorage, Vec<u8>) {
    let (images, overlays) = (MemFiles::default(), MemFiles::default());
    let storage =
        EmbeddedStorage::on(Arc::new(images.clone()), Arc::new(overlays.clone())).unwrap();
    let disk: Vec<u8> = (0..DISK).map(|i| (i / 512) as u8 | 0x80).collect();
    let image = VersionId(Uuid::from_u128(2));
    let mut sink = storage.begin_import(image).unwrap();
    sink.write(&disk).unwrap();
    sink.finish().unwrap();
    storage.ensure_overlay(CLIENT, image).unwrap();
    (images, overlays, storage, disk)
}

/// A random write or discard of whole sectors: (offset, new content, whether as a discard).
fn change(dice: &mut Dice, round: u64) -> (usize, Vec<u8>, bool) {
    let at = dice.roll((DISK / 512) as u64) as usize * 512;
    let len = ((1 + dice.roll(24)) as usize * 512).min(DISK - at);
    let discard = dice.roll(4) == 0;
    let fill = if discard { 0 } else { (round % 120) as u8 + 1 };
    (at, vec![fill; len], discard)
}

#[test]
fn after_a_power_cut_every_flushed_sector_is_there_and_every_other_is_old_or_new() {
    for seed in 1..=2_500u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (images, overlays, storage, base) = stage();
        let device = storage.open_overlay(CLIENT).unwrap();
        // For each sector: what it may read as after the cut.
        let mut allowed: Vec<Vec<u8>> = base.chunks(512).map(|s| vec![s[0]]).collect();
        for round in 0..dice.roll(40) {
            if dice.roll(5) == 0 {
                device.flush().unwrap();
                allowed
                    .iter_mut()
                    .for_each(|a| *a = vec![*a.last().unwrap()]);
                continue;
            }
            let (at, bytes, discard) = change(&mut dice, round);
            match discard {
                true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                false => device.write_at(at as u64, &bytes).unwrap(),
            }
            (at / 512..(at + bytes.len()) / 512).for_each(|s| allowed[s].push(bytes[0]));
        }
        // Two cuts, the second one right after the recovery of the first.
        let mut left = overlays.crash(&mut dice);
        for cut in 0..2 {
            let again =
                EmbeddedStorage::on(Arc::new(images.clone()), Arc::new(left.clone())).unwrap();
            let mut disk = vec![0; DISK];
            again
                .open_overlay(CLIENT)
                .unwrap()
                .read_at(0, &mut disk)
                .unwrap();
            for (n, sector) in disk.chunks(512).enumerate() {
                assert!(
                    sector.iter().all(|&b| b == sector[0]),
                    "seed {seed}, cut {cut}: sector {n} is torn"
                );
                assert!(
                    allowed[n].contains(&sector[0]),
                    "seed {seed}, cut {cut}: sector {n} is {}, not one of {:?}",
                    sector[0],
                    allowed[n]
                );
            }
            left = left.crash(&mut dice);
        }
    }
}

#[test]
fn data_is_synced_before_the_map_and_both_before_a_flush_answers() {
    let (_, overlays, storage, _) = stage();
    let device = storage.open_overlay(CLIENT).unwrap();
    for round in 0..20u64 {
        overlays.0.lock().unwrap().log.clear();
        device.write_at(round * 1024, &[9; 512]).unwrap();
        device.flush().unwrap();
        let log = overlays.0.lock().unwrap().log.clone();
        let last = |wanted: &dyn Fn(&Op) -> bool| log.iter().rposition(wanted);
        let data_write = last(&|o| matches!(o, Op::Write(n) if n.ends_with(".data"))).unwrap();
        let data_sync = last(&|o| matches!(o, Op::Sync(n) if n.ends_with(".data"))).unwrap();
        assert!(data_write < data_sync, "{log:?}");
        if let Some(map_write) = last(&|o| matches!(o, Op::Write(n) if n.ends_with(".map"))) {
            let map_sync = last(&|o| matches!(o, Op::Sync(n) if n.ends_with(".map"))).unwrap();
            assert!(data_sync < map_write && map_write < map_sync, "{log:?}");
        }
    }
    overlays.0.lock().unwrap().log.clear();
    device.flush().unwrap();
    assert!(
        overlays.0.lock().unwrap().log.is_empty(),
        "a flush with nothing to do did something"
    );
}

#[test]
fn whichever_operation_fails_no_flushed_sector_is_lost_or_wrong() {
    for errno in [nix::libc::EIO, nix::libc::ENOSPC] {
        for n in 0..60 {
            let mut dice = Dice(n + 77);
            let (images, overlays, storage, base) = stage();
            let device = storage.open_overlay(CLIENT).unwrap();
            overlays.0.lock().unwrap().fail_in = Some((n, errno));
            let mut allowed: Vec<Vec<u8>> = base.chunks(512).map(|s| vec![s[0]]).collect();
            for round in 0..30 {
                if round % 4 == 3 {
                    if device.flush().is_ok() {
                        allowed
                            .iter_mut()
                            .for_each(|a| *a = vec![*a.last().unwrap()]);
                    }
                    continue;
                }
                let (at, bytes, discard) = change(&mut dice, round);
                // A failed change may have been made in part; only its sectors are open.
                let failed = match discard {
                    true => device.discard(at as u64, bytes.len() as u64).is_err(),
                    false => device.write_at(at as u64, &bytes).is_err(),
                };
                for a in &mut allowed[at / 512..(at + bytes.len()) / 512] {
                    a.push(bytes[0]);
                    if failed {
                        let old = a[a.len() - 2];
                        a.push(old);
                    }
                }
                if failed {
                    break; // a guest that sees an I/O error stops here
                }
            }
            overlays.0.lock().unwrap().fail_in = None;
            let left = overlays.crash(&mut dice);
            let again = EmbeddedStorage::on(Arc::new(images), Arc::new(left)).unwrap();
            let mut disk = vec![0; DISK];
            again
                .open_overlay(CLIENT)
                .unwrap()
                .read_at(0, &mut disk)
                .unwrap();
            for (s, sector) in disk.chunks(512).enumerate() {
                assert!(
                    allowed[s].contains(&sector[0]),
                    "errno {errno}, operation {n}: sector {s} is {}, not one of {:?}",
                    sector[0],
                    allowed[s]
                );
            }
        }
    }
}

/// What a cut leaves of a version in the making: all of it or nothing, and the overlay as it was.
fn check_version(images: &MemFiles, overlays: &MemFiles, wanted: &[u8], why: &str) -> bool {
    let again = EmbeddedStorage::on(Arc::new(images.clone()), Arc::new(overlays.clone())).unwrap();
    let read = |read: &dyn Fn(&mut [u8])| {
        let mut disk = vec![0; DISK];
        read(&mut disk);
        disk
    };
    let device = again.open_overlay(CLIENT).unwrap();
    let disk = read(&|disk| device.read_at(0, disk).unwrap());
    assert!(disk == wanted, "{why}: the overlay has changed");
    let is_there = again.has_version(NEXT);
    match is_there {
        true => {
            let disk = read(&|disk| again.read_version(NEXT, 0, disk).unwrap());
            assert!(
                disk == wanted,
                "{why}: the version is not what was promoted"
            );
        }
        false => {
            let left = images.list().unwrap();
            assert_eq!(left, ["00000000-0000-0000-0000-000000000002.raw"], "{why}");
        }
    }
    is_there
}

#[test]
fn a_version_is_whole_or_not_there_whenever_the_power_goes_or_an_operation_fails() {
    let (mut there, mut failed) = (0, 0);
    for n in 0..400u64 {
        let mut dice = Dice(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        let (images, overlays, storage, mut disk) = stage();
        let device = storage.open_overlay(CLIENT).unwrap();
        for round in 0..20 {
            let (at, bytes, discard) = change(&mut dice, round);
            match discard {
                true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                false => device.write_at(at as u64, &bytes).unwrap(),
            }
            disk[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        device.flush().unwrap();
        let errno = [nix::libc::EIO, nix::libc::ENOSPC][n as usize % 2];
        images.0.lock().unwrap().fail_in = Some((dice.roll(24), errno));
        let made = storage.promote(CLIENT, NEXT, &mut |_, _| true);
        images.0.lock().unwrap().fail_in = None;
        failed += u64::from(made.is_err());
        drop((device, storage));
        let left = images.crash(&mut dice);
        let is_there = check_version(&left, &overlays, &disk, &format!("round {n}"));
        assert!(
            is_there || made.is_err(),
            "round {n}: what was promised is gone"
        );
        there += u64::from(is_there);
    }
    assert!(
        there > 50 && failed > 50,
        "{there} there, {failed} failed: one case was hardly met"
    );
}

#[test]
fn reading_and_writing_at_random_is_like_a_plain_disk() {
    for seed in 1..=200u64 {
        let mut dice = Dice(seed * 31 + 7);
        let (images, overlays, mut storage, mut model) = stage();
        for round in 0..60 {
            let device = storage.open_overlay(CLIENT).unwrap();
            match dice.roll(10) {
                0 => device.flush().unwrap(),
                1 => {
                    device.flush().unwrap();
                    storage =
                        EmbeddedStorage::on(Arc::new(images.clone()), Arc::new(overlays.clone()))
                            .unwrap();
                }
                _ => {
                    let (at, bytes, discard) = change(&mut dice, round);
                    match discard {
                        true => device.discard(at as u64, bytes.len() as u64).unwrap(),
                        false => device.write_at(at as u64, &bytes).unwrap(),
                    }
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
            let (at, bytes, _) = change(&mut dice, round);
            let mut got = vec![0; bytes.len()];
            storage
                .open_overlay(CLIENT)
                .unwrap()
                .read_at(at as u64, &mut got)
                .unwrap();
            assert_eq!(
                got,
                model[at..at + bytes.len()],
                "seed {seed}, round {round}"
            );
        }
    }
}

#[test]
fn threads_that_write_side_by_side_don_t_undo_each_other() {
    let (_, _, storage, _) = stage();
    let device = storage.open_overlay(CLIENT).unwrap();
    std::thread::scope(|scope| {
        for t in 0..8usize {
            let device = device.clone();
            // Every block is shared by eight threads, one sector each.
            scope.spawn(move || {
                for block in 0..DISK / 4096 {
                    device
                        .write_at((block * 4096 + t * 512) as u64, &[t as u8 + 1; 512])
                        .unwrap();
                    if block % 5 == t % 5 {
                        device.flush().unwrap();
                    }
                }
            });
        }
    });
    let mut disk = vec![0; DISK];
    device.read_at(0, &mut disk).unwrap();
    for (n, sector) in disk.chunks(512).enumerate() {
        assert_eq!(sector, [(n % 8) as u8 + 1; 512], "sector {n}");
    }
}
