//! What must hold when something happens in the middle of something else: a write during a flush,
//! a boot during a flush, an operation that fails once after it was done and works again later.
//! Runs on real files; a hook sees each change to the overlays' folder right after it was made.

use super::{EmbeddedStorage, StorageBackend};
use crate::{
    export::BlockDevice,
    storage::files::{BlockFile, Files, OsFiles},
};
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use types::{ClientId, DiskId, VersionId};
use uuid::Uuid;

const CLIENT: DiskId = DiskId {
    client: ClientId(Uuid::from_u128(1)),
    data: None,
};
const IMAGE: VersionId = VersionId(Uuid::from_u128(2));
const BLOCK: u64 = 4096;

/// What has just been done to a file or to the folder.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Act {
    /// Half of the bytes of a write have arrived.
    HalfWritten,
    Written,
    Synced,
    Created,
    Renamed,
    FolderSynced,
}

type Hook = Arc<dyn Fn(Act, &str) -> io::Result<()> + Send + Sync>;

/// A real folder with a hook. An error of the hook is reported although the work was done.
#[derive(Clone)]
struct Hooked {
    inner: Arc<OsFiles>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Hooked {
    fn set(&self, hook: impl Fn(Act, &str) -> io::Result<()> + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }
    fn clear(&self) {
        *self.hook.lock().unwrap() = None;
    }
    fn tell(&self, act: Act, name: &str) -> io::Result<()> {
        // Copied out, so that what the hook does may come here again.
        let hook = self
            .hook
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        hook.map_or(Ok(()), |h| h(act, name))
    }
    fn wrap(&self, name: &str, file: Arc<dyn BlockFile>) -> Arc<dyn BlockFile> {
        Arc::new(HookedFile {
            name: name.into(),
            file,
            folder: self.clone(),
        })
    }
}

impl Files for Hooked {
    fn open(&self, name: &str) -> io::Result<Arc<dyn BlockFile>> {
        Ok(self.wrap(name, self.inner.open(name)?))
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn BlockFile>> {
        let file = self.inner.create(name)?;
        self.tell(Act::Created, name)?;
        Ok(self.wrap(name, file))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)?;
        self.tell(Act::Renamed, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
    fn sync(&self) -> io::Result<()> {
        self.inner.sync()?;
        self.tell(Act::FolderSynced, "")
    }
    fn room(&self) -> io::Result<u64> {
        self.inner.room()
    }
}

struct HookedFile {
    name: String,
    file: Arc<dyn BlockFile>,
    folder: Hooked,
}

impl BlockFile for HookedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let (a, b) = buf.split_at(buf.len() / 2);
        self.file.write_at(offset, a)?;
        self.folder.tell(Act::HalfWritten, &self.name)?;
        self.file.write_at(offset + a.len() as u64, b)?;
        self.folder.tell(Act::Written, &self.name)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        self.folder.tell(Act::Synced, &self.name)
    }
    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.file.punch(offset, len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn allocated(&self) -> io::Result<u64> {
        self.file.allocated()
    }
    fn modified(&self) -> io::Result<types::Timestamp> {
        self.file.modified()
    }
    fn runs(&self, offset: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        self.file.runs(offset, len)
    }
}

struct Stage {
    dir: tempfile::TempDir,
    overlays: Hooked,
    storage: Arc<EmbeddedStorage>,
    device: Arc<dyn BlockDevice>,
}

/// An image of so many bytes that reads as 0xba, as far as anyone looks, and an empty overlay.
fn stage(size: u64) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let images = OsFiles::new(&dir.path().join("images")).unwrap();
    let base = images.create(&super::image_name(IMAGE)).unwrap();
    base.set_len(size).unwrap();
    base.write_at(0, &[0xba; 64 * BLOCK as usize]).unwrap();
    let overlays = Hooked {
        inner: Arc::new(OsFiles::new(&dir.path().join("overlays")).unwrap()),
        hook: Arc::default(),
    };
    let storage = Arc::new(
        EmbeddedStorage::on(Arc::new(images), Arc::new(overlays.clone()), "1".into()).unwrap(),
    );
    storage.ensure_overlay(CLIENT, IMAGE).unwrap();
    let device = storage.open_overlay(CLIENT).unwrap();
    Stage {
        dir,
        overlays,
        storage,
        device,
    }
}

fn block(device: &dyn BlockDevice, n: u64) -> u8 {
    let mut buf = [0; BLOCK as usize];
    device.read_at(n * BLOCK, &mut buf).unwrap();
    assert!(buf.iter().all(|&b| b == buf[0]), "block {n} is mixed");
    buf[0]
}

fn put(device: &dyn BlockDevice, n: u64, byte: u8) {
    device.write_at(n * BLOCK, &[byte; BLOCK as usize]).unwrap();
}

/// The client's disk as the next process finds it.
fn next_process(dir: &Path) -> Arc<dyn BlockDevice> {
    EmbeddedStorage::open(dir)
        .unwrap()
        .open_overlay(CLIENT)
        .unwrap()
}

/// Makes the journal long: every other block, from the first or the second on, without data to write.
/// Both halves together are one run.
fn discard_half(device: &dyn BlockDevice, half: u64) {
    for n in 0..33_000u64 {
        device.discard((100 + n * 2 + half) * BLOCK, BLOCK).unwrap();
    }
}

#[test]
fn a_map_is_rewritten_while_a_guest_is_busy_and_nothing_is_lost() {
    let s = stage(600 << 20);
    put(&*s.device, 1, 0x11);
    let (device, next) = (s.device.clone(), AtomicU64::new(3));
    s.overlays.set(move |act, name| {
        if act == Act::Synced && name.ends_with(".map") {
            // Never a quiet moment: a block that no flush knows of yet.
            put(&*device, next.fetch_add(1, Ordering::Relaxed), 0x33);
        }
        Ok(())
    });
    discard_half(&*s.device, 0);
    s.device.flush().unwrap();
    assert_eq!(block(&*next_process(s.dir.path()), 1), 0x11);
    discard_half(&*s.device, 1);
    s.device.flush().unwrap();
    s.overlays.clear();
    let map = s.dir.path().join("overlays").join(super::map_name(CLIENT));
    let len = std::fs::metadata(map).unwrap().len();
    assert!(len < 8192, "a map of a few runs takes {len} bytes");
    s.device.flush().unwrap();
    let again = next_process(s.dir.path());
    assert_eq!(
        [0, 1, 3, 4].map(|n| block(&*again, n)),
        [0xba, 0x11, 0x33, 0x33]
    );
    assert_eq!([100, 101].map(|n| block(&*again, n)), [0, 0]);
}

#[test]
fn when_the_folder_can_t_be_synced_after_a_rewrite_no_later_flush_says_yes_in_vain() {
    let s = stage(600 << 20);
    put(&*s.device, 1, 0x11);
    discard_half(&*s.device, 0);
    s.device.flush().unwrap();
    discard_half(&*s.device, 1);
    s.overlays.set(|act, _| match act {
        Act::FolderSynced => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
        _ => Ok(()),
    });
    s.device.flush().unwrap();
    s.overlays.clear();
    let refused = s.device.write_at(2 * BLOCK, &[7; BLOCK as usize]).is_err();
    assert!(refused, "which map a power cut leaves is open");
    let anew = s.storage.open_overlay(CLIENT).unwrap();
    put(&*anew, 2, 0x22);
    anew.flush().unwrap();
    let again = next_process(s.dir.path());
    assert_eq!([1, 2].map(|n| block(&*again, n)), [0x11, 0x22]);
}

#[test]
fn a_flush_that_failed_and_was_repeated_leaves_nothing_of_the_first_try() {
    let s = stage(1 << 20);
    put(&*s.device, 0, 1);
    put(&*s.device, 2, 1);
    s.device.discard(4 * BLOCK, BLOCK).unwrap();
    s.overlays.set(|act, name| match act {
        Act::Written if name.ends_with(".map") => {
            Err(io::Error::from_raw_os_error(nix::libc::ENOSPC))
        }
        _ => Ok(()),
    });
    assert!(s.device.flush().is_err());
    s.overlays.clear();
    put(&*s.device, 3, 9);
    put(&*s.device, 4, 9);
    s.device.flush().unwrap();
    let again = next_process(s.dir.path());
    assert_eq!(block(&*again, 4), 9, "a flushed block reads as before");
    assert_eq!((block(&*again, 0), block(&*again, 3)), (1, 9));
}

#[test]
fn a_boot_in_the_middle_of_a_flush_does_not_cut_the_map() {
    let s = stage(1 << 20);
    for n in 0..7 {
        put(&*s.device, n * 2, 1);
    }
    let storage = s.storage.clone();
    s.overlays.set(move |act, name| {
        if act == Act::HalfWritten && name.ends_with(".map") {
            storage.ensure_overlay(CLIENT, IMAGE).unwrap();
        }
        Ok(())
    });
    s.device.flush().unwrap();
    s.overlays.clear();
    let again = next_process(s.dir.path());
    for n in 0..7 {
        assert_eq!(block(&*again, n * 2), 1, "flushed block {} is gone", n * 2);
    }
}

#[test]
fn a_kept_disk_that_can_t_be_read_is_not_thrown_away() {
    let s = stage(1 << 20);
    put(&*s.device, 1, 7);
    s.device.flush().unwrap();
    let Stage { dir, .. } = s;
    let map = dir.path().join("overlays").join(super::map_name(CLIENT));
    let whole = std::fs::read(&map).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    std::fs::write(&map, &damaged).unwrap();
    let storage = EmbeddedStorage::open(dir.path()).unwrap();
    assert!(
        storage.ensure_overlay(CLIENT, IMAGE).is_err(),
        "silently replaced"
    );
    std::fs::write(&map, &whole).unwrap();
    assert_eq!(block(&*next_process(dir.path()), 1), 7);
    // A reset is what heals it; so does removal leave nothing.
    std::fs::write(&map, &damaged).unwrap();
    let storage = EmbeddedStorage::open(dir.path()).unwrap();
    storage.reset_overlay(CLIENT, IMAGE).unwrap();
    assert_eq!(block(&*storage.open_overlay(CLIENT).unwrap(), 1), 0xba);
    std::fs::write(&map, &damaged).unwrap();
    let storage = EmbeddedStorage::open(dir.path()).unwrap();
    storage.remove_overlay(CLIENT).unwrap();
    let left: Vec<_> = std::fs::read_dir(dir.path().join("overlays"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_reset_that_fails_leaves_the_open_device_in_its_place() {
    let s = stage(1 << 20);
    put(&*s.device, 1, 7);
    s.device.flush().unwrap();
    s.overlays.set(|act, name| match act {
        Act::Created if name.contains(".map") => {
            Err(io::Error::from_raw_os_error(nix::libc::ENOSPC))
        }
        _ => Ok(()),
    });
    assert!(s.storage.reset_overlay(CLIENT, IMAGE).is_err());
    s.overlays.clear();
    let same = s.storage.open_overlay(CLIENT).unwrap();
    put(&*same, 2, 8);
    same.flush().unwrap();
    put(&*s.device, 3, 9);
    s.device.flush().unwrap();
    let again = next_process(s.dir.path());
    assert_eq!([1, 2, 3].map(|n| block(&*again, n)), [7, 8, 9]);
}

#[test]
fn after_a_failed_sync_the_disk_can_be_opened_anew() {
    let s = stage(1 << 20);
    put(&*s.device, 1, 7);
    s.device.flush().unwrap();
    put(&*s.device, 2, 8);
    s.overlays.set(|act, _| match act {
        Act::Synced => Err(io::Error::from_raw_os_error(nix::libc::EIO)),
        _ => Ok(()),
    });
    assert!(s.device.flush().is_err());
    s.overlays.clear();
    assert!(s.device.write_at(0, &[1; 512]).is_err(), "vouched for");
    let anew = s.storage.open_overlay(CLIENT).unwrap();
    put(&*anew, 3, 9);
    anew.flush().unwrap();
    assert!(s.device.flush().is_err());
    let again = next_process(s.dir.path());
    assert_eq!([1, 3].map(|n| block(&*again, n)), [7, 9]);
}
