//! Storage on any file system: the first version of an image is a sparse file, and each later one, as
//! an overlay, a sparse data file and a map of what is in it. No version ever changes.

mod checksum;
mod flatten;
mod folders;
mod hash;
mod import;
mod live;
mod map;
mod overlay;
mod promote;
mod sparse;
mod states;
mod version;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod every_operation_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod memory;

use super::{
    Disk, ImportSink, Imported, Progress, Promoted, Scratch, StorageBackend,
    files::{Files, OsFiles},
};
use crate::{Area, Error, Result, export::BlockDevice};
use folders::{boot, data_name, image_name, map_name, maps, sizes, sweep_overlays, sweep_versions};
use map::{Header, Map};
use overlay::Overlay;
use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use types::{DiskId, Timestamp, VersionId};
use version::{Delta, Version};

/// A disk's device while it is open: every session shares it. The lock keeps two resets of that
/// disk apart, and holds up nobody else.
type Slot = Arc<Mutex<Option<Arc<Overlay>>>>;

/// How many bytes an overlay holds.
enum Size {
    Open(Arc<Overlay>),
    /// As of its closing.
    Closed(u64),
}

/// Versions in one folder, overlays in another.
pub struct EmbeddedStorage {
    images: Arc<dyn Files>,
    overlays: Arc<dyn Files>,
    /// Open versions, one for all overlays on it.
    open: Mutex<HashMap<VersionId, Weak<Version>>>,
    slots: Mutex<HashMap<DiskId, Slot>>,
    /// Apart from the slots: views ask for it, and must never wait for the file system.
    sizes: Mutex<HashMap<DiskId, Size>>,
    /// One at a time: two that flatten one version would write one file.
    flattening: Mutex<()>,
    /// The most that each overlay may hold, bytes; an open one looks at each first write of a block.
    quotas: Mutex<HashMap<DiskId, Arc<AtomicU64>>>,
    /// What the kernel has not written yet is there as long as this is the same.
    boot: String,
    /// Records that the journal of an overlay may have.
    long_journal: u64,
    /// The folder of the overlays could not be synced: which of two a power cut leaves is open.
    is_folder_unsynced: AtomicBool,
}

impl EmbeddedStorage {
    /// Opens `images/` and `overlays/` below the data folder and sweeps what a crash left half done.
    ///
    /// # Errors
    /// When the folders can't be made or read.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let images = Arc::new(OsFiles::new(&data_dir.join("images"))?);
        let overlays = Arc::new(OsFiles::new(&data_dir.join("overlays"))?);
        Self::on(images, overlays, boot()).map_err(Error::io("opening the disk storage"))
    }

    /// As [`EmbeddedStorage::open`] on folders of any kind, in this boot of the box.
    fn on(images: Arc<dyn Files>, overlays: Arc<dyn Files>, boot: String) -> io::Result<Self> {
        sweep_versions(images.as_ref())?;
        sweep_overlays(overlays.as_ref(), &boot)?;
        Ok(EmbeddedStorage {
            images,
            sizes: Mutex::new(sizes(overlays.as_ref())?),
            overlays,
            open: Mutex::default(),
            slots: Mutex::default(),
            quotas: Mutex::default(),
            flattening: Mutex::default(),
            boot,
            long_journal: live::LONG,
            is_folder_unsynced: AtomicBool::new(false),
        })
    }

    /// The version, open; all callers share it.
    fn version(&self, id: VersionId) -> io::Result<Arc<Version>> {
        let mut open = lock(&self.open);
        if let Some(version) = open.get(&id).and_then(Weak::upgrade) {
            return Ok(version);
        }
        let version = Arc::new(self.look_up(id)?);
        open.retain(|_, v| v.strong_count() > 0);
        open.insert(id, Arc::downgrade(&version));
        Ok(version)
    }

    fn look_up(&self, id: VersionId) -> io::Result<Version> {
        let (mut deltas, mut at) = (Vec::new(), id);
        loop {
            let missing = match self.images.open(&image_name(at)) {
                Ok(base) => {
                    deltas.reverse();
                    let size_bytes = base.len()?;
                    return Version::new(base, size_bytes, deltas);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => e,
                Err(e) => return Err(e),
            };
            // More than can be opened, or a circle.
            if deltas.len() > version::MAX_DEPTH {
                return Err(version::bad("the chain of versions below it has no end"));
            }
            let (data_name, map_name) = promote::names(at);
            let map = self.images.open(&map_name).map_err(|_| missing)?;
            let (header, changes) = Map::read_whole(map.as_ref())?;
            let data = self.images.open(&data_name)?;
            deltas.push(Delta { data, changes });
            at = header.parent;
        }
    }

    /// The header of the disk's map; None when it has no map.
    fn header(&self, disk: DiskId) -> io::Result<Option<Header>> {
        match self.overlays.open(&map_name(disk)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
            Ok(map) => Map::header(map.as_ref()).map(Some),
        }
    }

    /// The disk's data files and journals: (generation, name). Those of more than one generation only after a
    /// crash or damage.
    fn data_files(&self, disk: DiskId) -> io::Result<Vec<(u64, String)>> {
        let prefix = format!("{disk}.");
        let names = self.overlays.list()?;
        Ok(names
            .into_iter()
            .filter(|name| name.ends_with(".data") || name.ends_with(".live"))
            .filter_map(|name| {
                let generation = name.strip_prefix(&prefix)?.split('.').next()?;
                Some((generation.parse().ok()?, name))
            })
            .collect())
    }

    fn load(&self, disk: DiskId) -> io::Result<Arc<Overlay>> {
        let (map, bounds) = (map_name(disk), (self.quota(disk), self.long_journal));
        let overlay = Overlay::open(self.overlays.clone(), &map, bounds, |h| {
            Ok((
                self.version(h.parent)?,
                self.overlays.open(&data_name(disk, h.generation))?,
                format!("{disk}.{}.{}.live", h.generation, self.boot),
            ))
        })?;
        Ok(Arc::new(overlay))
    }

    /// The rename of the map is the moment of the change: before it the old overlay is whole,
    /// after it the new one is. Reads nothing of the old map, so that a damaged one can be replaced.
    fn replace(
        &self,
        slot: &mut Option<Arc<Overlay>>,
        disk: DiskId,
        (version, size_bytes): (VersionId, u64),
    ) -> io::Result<()> {
        let old = self.data_files(disk)?;
        let generation = old.iter().map(|o| o.0).max().unwrap_or(0) + 1;
        let data = self.overlays.create(&data_name(disk, generation))?;
        data.set_len(size_bytes)?;
        data.sync()?;
        // Not the name that the old overlay gives a map that it rewrites meanwhile.
        let temporary = format!("{disk}.{generation}.map.new");
        Map::create(
            self.overlays.create(&temporary)?,
            Header {
                parent: version,
                size_bytes,
                generation,
            },
            &[],
        )?;
        let rename = || self.overlays.rename(&temporary, &map_name(disk));
        match slot {
            Some(device) => device.retire(rename)?,
            None => rename()?,
        }
        *slot = None;
        lock(&self.sizes).insert(disk, Size::Closed(0));
        self.sync_overlays()?;
        for (_, name) in old {
            self.overlays.remove(&name)?;
        }
        Ok(())
    }

    fn sync_overlays(&self) -> io::Result<()> {
        let synced = self.overlays.sync();
        if synced.is_err() {
            self.is_folder_unsynced.store(true, Ordering::Release);
        }
        synced
    }

    /// Makes up for a sync that failed: nobody may count on a name before.
    fn settle(&self) -> io::Result<()> {
        match self.is_folder_unsynced.swap(false, Ordering::AcqRel) {
            true => self.sync_overlays(),
            false => Ok(()),
        }
    }

    /// The version that an overlay is on, for who holds its slot. One that can't be read is an error and
    /// not "none": it holds what someone wanted kept.
    fn parent(&self, slot: &Option<Arc<Overlay>>, disk: DiskId) -> Result<Option<VersionId>> {
        self.settle()
            .map_err(Error::io("syncing the folder of the overlays"))?;
        let header = match slot.as_ref() {
            Some(device) => Some(*device.header()),
            None => self
                .header(disk)
                .map_err(Error::io(format!("reading the overlay of {disk}")))?,
        };
        Ok(header.map(|header| header.parent))
    }

    fn reset(
        &self,
        slot: &mut Option<Arc<Overlay>>,
        disk: DiskId,
        version: VersionId,
    ) -> Result<()> {
        // Held, so that its chain is looked up once.
        let open = self.version(version);
        let open = open.map_err(|_| Error::not_found(Area::Version, version))?;
        self.replace(slot, disk, (version, open.size_bytes()))
            .map_err(Error::io(format!("making an empty overlay for {disk}")))
    }

    /// The disk's device, for who holds its slot.
    fn open_slot(&self, slot: &mut Option<Arc<Overlay>>, disk: DiskId) -> Result<Arc<Overlay>> {
        // A broken one refuses its sessions for good; what it had flushed is read anew.
        if let Some(overlay) = slot.as_ref().filter(|o| !o.is_broken()) {
            return Ok(overlay.clone());
        }
        let failed = || Error::io(format!("opening the overlay of {disk}"));
        self.settle().map_err(failed())?;
        // Only a missing map means that there is none: a missing version or data file is damage.
        if self.header(disk).map_err(failed())?.is_none() {
            return Err(Error::not_found(Area::Disk, disk));
        }
        let overlay = self.load(disk).map_err(failed())?;
        *slot = Some(overlay.clone());
        lock(&self.sizes).insert(disk, Size::Open(overlay.clone()));
        Ok(overlay)
    }

    fn quota(&self, disk: DiskId) -> Arc<AtomicU64> {
        let none = || Arc::new(AtomicU64::new(u64::MAX));
        lock(&self.quotas).entry(disk).or_insert_with(none).clone()
    }

    fn slot(&self, disk: DiskId) -> Slot {
        lock(&self.slots).entry(disk).or_default().clone()
    }
}

impl StorageBackend for EmbeddedStorage {
    fn begin_import(&self, version: VersionId) -> Result<Box<dyn ImportSink>> {
        Ok(Box::new(import::Sink::begin(
            self.images.clone(),
            image_name(version),
        )?))
    }

    fn scratch(&self, version: VersionId) -> Result<Box<dyn Scratch>> {
        let name = image_name(version);
        Ok(Box::new(import::Waiting::begin(
            self.images.clone(),
            &name,
        )?))
    }

    fn remove_version(&self, version: VersionId) -> Result<()> {
        lock(&self.open).remove(&version);
        let (data, map) = promote::names(version);
        // The map before its data: what is left of a version without one is swept.
        [image_name(version), map, data]
            .iter()
            .try_for_each(|name| self.images.remove(name))
            .and_then(|()| self.images.sync())
            .map_err(Error::io(format!(
                "removing the files of version {version}"
            )))
    }

    fn overlays_on(&self, version: VersionId) -> Result<Vec<DiskId>> {
        let mut disks = Vec::new();
        for (disk, header) in
            maps(self.overlays.as_ref()).map_err(Error::io("reading the overlays"))?
        {
            // One that can't be read may be on any version, but nobody can use it.
            if header.is_ok_and(|h| h.parent == version) {
                disks.push(disk);
            }
        }
        Ok(disks)
    }

    fn overlays(&self) -> Result<Vec<DiskId>> {
        let all = maps(self.overlays.as_ref()).map_err(Error::io("reading the overlays"))?;
        Ok(all.into_iter().map(|(disk, _)| disk).collect())
    }

    fn has_version(&self, version: VersionId) -> bool {
        self.version(version).is_ok()
    }

    fn version_bytes(&self, version: VersionId) -> Result<u64> {
        self.version(version)
            .map(|version| version.size_bytes())
            .map_err(Error::io(format!("reading the files of version {version}")))
    }

    fn open_version(&self, version: VersionId) -> Result<Box<dyn Disk>> {
        let open = self.version(version);
        let failed = Error::io(format!("reading the files of version {version}"));
        Ok(Box::new(Open(open.map_err(failed)?)))
    }

    fn read_version(&self, version: VersionId, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.version(version)
            .and_then(|version| version.read_at(offset, buf))
            .map_err(Error::io(format!("reading the files of version {version}")))
    }

    fn ensure_overlay(&self, disk: DiskId, version: VersionId) -> Result<()> {
        let slot = self.slot(disk);
        let mut slot = lock(&slot);
        if self.parent(&slot, disk)? == Some(version) {
            return Ok(());
        }
        self.reset(&mut slot, disk, version)
    }

    fn reset_overlay(&self, disk: DiskId, version: VersionId) -> Result<()> {
        self.reset(&mut lock(&self.slot(disk)), disk, version)
    }

    fn open_overlay(&self, disk: DiskId) -> Result<Arc<dyn BlockDevice>> {
        let slot = self.slot(disk);
        let overlay = self.open_slot(&mut lock(&slot), disk)?;
        Ok(overlay)
    }

    fn overlay_version(&self, disk: DiskId) -> Result<Option<VersionId>> {
        let slot = self.slot(disk);
        let slot = lock(&slot);
        self.parent(&slot, disk)
    }

    fn is_untouched(&self, disk: DiskId) -> Result<bool> {
        let slot = self.slot(disk);
        match self.open_slot(&mut lock(&slot), disk) {
            Ok(overlay) => Ok(overlay.changes().is_empty()),
            Err(Error::NotFound { .. }) => Ok(true),
            Err(why) => Err(why),
        }
    }

    fn changed_at(&self, disk: DiskId) -> Result<Option<Timestamp>> {
        if self.is_untouched(disk)? {
            return Ok(None);
        }
        let read = || {
            let Some(header) = self.header(disk)? else {
                return Ok(None);
            };
            let data = data_name(disk, header.generation);
            let changed = |name: &str| self.overlays.open(name)?.modified();
            // What was only given back is in the map alone.
            Ok(Some(changed(&data)?.max(changed(&map_name(disk))?)))
        };
        read().map_err(Error::io(format!("reading the overlay of {disk}")))
    }

    fn versions(&self) -> Result<Vec<VersionId>> {
        let names = self.images.list();
        let names = names.map_err(Error::io("reading the folder of the images"))?;
        let id = |name: &String| {
            let stem = name
                .strip_suffix(".raw")
                .or_else(|| name.strip_suffix(".map"));
            stem?.parse().ok()
        };
        // One that is being flattened has both for a moment.
        let ids: BTreeSet<VersionId> = names.iter().filter_map(id).collect();
        Ok(ids.into_iter().collect())
    }

    fn promote(
        &self,
        disk: DiskId,
        version: VersionId,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Promoted>> {
        let slot = self.slot(disk);
        let overlay = self.open_slot(&mut lock(&slot), disk)?;
        let below = overlay.below().clone();
        // Looked up anew: it may have been flattened since the overlay was opened.
        let parent = overlay.header().parent;
        let depth = self.version(parent).map_or(below.depth(), |v| v.depth());
        if depth >= version::MAX_DEPTH {
            return Err(Error::conflict(
                Area::Image,
                format!("{} versions are above each other", depth + 1),
                "No more can be made above them. Flatten one of them first: it is one of its own then.",
            ));
        }
        let failed = || Error::io(format!("making a version of the disk {disk}"));
        let (data, map) = promote::names(version);
        let names = (data.as_str(), map.as_str());
        let made = promote::promote(&overlay, &below, self.images.as_ref(), names, progress);
        let Some(sha256) = made.map_err(failed())? else {
            return Ok(None);
        };
        let size = |name: &str| self.images.open(name)?.allocated();
        let taken = size(&data).and_then(|bytes| Ok(bytes + size(&map)?));
        let made = |allocated_bytes| Promoted {
            allocated_bytes,
            sha256,
        };
        taken.map(|bytes| Some(made(bytes))).map_err(failed())
    }

    fn checksum(
        &self,
        version: VersionId,
        progress: &mut Progress<'_>,
    ) -> Result<Option<[u8; 32]>> {
        checksum::of_version(self.images.as_ref(), version, progress)
            .map_err(Error::io(format!("reading the files of version {version}")))
    }

    fn flatten(&self, version: VersionId, progress: &mut Progress<'_>) -> Result<Option<Imported>> {
        let failed = || Error::io(format!("flattening version {version}"));
        let _alone = lock(&self.flattening);
        let open = self.version(version).map_err(failed())?;
        let flat = flatten::copy(&open, self.images.clone(), image_name(version), progress)?;
        if flat.is_none() {
            return Ok(None);
        }
        // From here on it is looked for there alone: what is open goes on with the files that it has.
        lock(&self.open).remove(&version);
        let (data, map) = promote::names(version);
        let removed = [map, data]
            .iter()
            .try_for_each(|name| self.images.remove(name))
            .and_then(|()| self.images.sync());
        if let Err(error) = removed {
            tracing::warn!(%version, %error, "what a flattened version was before could not be removed; the next start does it");
        }
        Ok(flat)
    }

    fn copy(
        &self,
        from: VersionId,
        to: VersionId,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Imported>> {
        let open = self.version(from);
        let open = open.map_err(Error::io(format!("copying version {from}")))?;
        flatten::copy(&open, self.images.clone(), image_name(to), progress)
    }

    fn set_quota(&self, disk: DiskId, bytes: Option<u64>) {
        let bytes = bytes.unwrap_or(u64::MAX);
        self.quota(disk).store(bytes, Ordering::Relaxed);
    }

    fn remove_overlay(&self, disk: DiskId) -> Result<()> {
        let slot = self.slot(disk);
        let mut slot = lock(&slot);
        // The map goes first: a data file without a map is swept, a map without data is damage.
        let remove_map = || self.overlays.remove(&map_name(disk));
        let removed = match slot.as_ref() {
            Some(device) => device.retire(remove_map),
            None => remove_map(),
        };
        removed
            .and_then(|()| {
                *slot = None;
                lock(&self.sizes).remove(&disk);
                lock(&self.quotas).remove(&disk);
                self.sync_overlays()?;
                for (_, name) in self.data_files(disk)? {
                    self.overlays.remove(&name)?;
                }
                Ok(())
            })
            .map_err(Error::io(format!("removing the overlay of {disk}")))
    }

    fn overlay_bytes(&self, disk: DiskId) -> u64 {
        match lock(&self.sizes).get(&disk) {
            Some(Size::Open(overlay)) => overlay.data_bytes(),
            Some(Size::Closed(bytes)) => *bytes,
            None => 0,
        }
    }
}

/// A version for whoever reads it from front to back.
struct Open(Arc<Version>);

impl Disk for Open {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.0
            .read_at(offset, buf)
            .map_err(Error::io("reading a version"))
    }

    fn runs(&self, offset: u64, len: u64) -> Result<Vec<(u64, bool)>> {
        self.0
            .runs(offset, len)
            .map_err(Error::io("reading a version"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
