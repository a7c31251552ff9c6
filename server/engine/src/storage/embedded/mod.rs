//! Storage on any file system: an image is a sparse file that never changes, an overlay is a sparse
//! data file and a map of what is in it.

mod import;
mod map;
mod overlay;
mod states;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod fault_tests;

use super::{
    ImportSink, StorageBackend,
    files::{BlockFile, Files, OsFiles},
};
use crate::{Area, Error, Result, export::BlockDevice};
use map::{Header, Map};
use overlay::Overlay;
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use types::{ClientId, ImageId};

/// A client's device while it is open: every session shares it. The lock keeps two resets of that
/// client apart, and holds up nobody else.
type Slot = Arc<Mutex<Option<Arc<Overlay>>>>;

/// How many bytes an overlay holds.
enum Size {
    Open(Arc<Overlay>),
    /// As of its closing.
    Closed(u64),
}

/// Images in one folder, overlays in another.
pub struct EmbeddedStorage {
    images: Arc<dyn Files>,
    overlays: Arc<dyn Files>,
    /// Open base files, one for all overlays on an image.
    bases: Mutex<HashMap<ImageId, Weak<dyn BlockFile>>>,
    slots: Mutex<HashMap<ClientId, Slot>>,
    /// Apart from the slots: views ask for it, and must never wait for the file system.
    sizes: Mutex<HashMap<ClientId, Size>>,
}

impl EmbeddedStorage {
    /// Opens `images/` and `overlays/` below the data folder and sweeps what a crash left half done.
    ///
    /// # Errors
    /// When the folders can't be made or read.
    pub fn open(data_dir: &Path) -> Result<Self> {
        let images = Arc::new(OsFiles::new(&data_dir.join("images"))?);
        let overlays = Arc::new(OsFiles::new(&data_dir.join("overlays"))?);
        Self::on(images, overlays).map_err(Error::io("opening the disk storage"))
    }

    /// As [`EmbeddedStorage::open`] on folders of any kind.
    pub(crate) fn on(images: Arc<dyn Files>, overlays: Arc<dyn Files>) -> io::Result<Self> {
        for name in images.list()? {
            if name.ends_with(".part") {
                images.remove(&name)?;
            }
        }
        sweep_overlays(overlays.as_ref())?;
        Ok(EmbeddedStorage {
            images,
            sizes: Mutex::new(sizes(overlays.as_ref())?),
            overlays,
            bases: Mutex::default(),
            slots: Mutex::default(),
        })
    }

    fn base(&self, image: ImageId) -> io::Result<Arc<dyn BlockFile>> {
        let mut bases = lock(&self.bases);
        if let Some(base) = bases.get(&image).and_then(Weak::upgrade) {
            return Ok(base);
        }
        let base = self.images.open(&image_name(image))?;
        bases.retain(|_, b| b.strong_count() > 0);
        bases.insert(image, Arc::downgrade(&base));
        Ok(base)
    }

    /// The header of the client's map on disk; None when it has no map.
    fn header(&self, client: ClientId) -> io::Result<Option<Header>> {
        match self.overlays.open(&map_name(client)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
            Ok(map) => Map::header(map.as_ref()).map(Some),
        }
    }

    /// The client's data files: (generation, name). More than one only after a crash or damage.
    fn data_files(&self, client: ClientId) -> io::Result<Vec<(u64, String)>> {
        let prefix = format!("{client}.");
        let names = self.overlays.list()?;
        Ok(names
            .into_iter()
            .filter_map(|name| {
                let generation = name.strip_prefix(&prefix)?.strip_suffix(".data")?;
                Some((generation.parse().ok()?, name))
            })
            .collect())
    }

    fn load(&self, client: ClientId) -> io::Result<Arc<Overlay>> {
        let overlay = Overlay::open(self.overlays.clone(), &map_name(client), |h| {
            Ok((
                self.base(h.image)?,
                self.overlays.open(&data_name(client, h.generation))?,
            ))
        })?;
        Ok(Arc::new(overlay))
    }

    /// The rename of the map is the moment of the change: before it the old overlay is whole,
    /// after it the new one is. Reads nothing of the old map, so that a damaged one can be replaced.
    fn replace(
        &self,
        slot: &mut Option<Arc<Overlay>>,
        client: ClientId,
        image: ImageId,
    ) -> io::Result<()> {
        let size_bytes = self.base(image)?.len()?;
        let old = self.data_files(client)?;
        let generation = old.iter().map(|o| o.0).max().unwrap_or(0) + 1;
        let data = self.overlays.create(&data_name(client, generation))?;
        data.set_len(size_bytes)?;
        data.sync()?;
        // Not the name that the old overlay gives a map that it rewrites meanwhile.
        let temporary = format!("{client}.{generation}.map.new");
        Map::create(
            self.overlays.create(&temporary)?,
            Header {
                image,
                size_bytes,
                generation,
            },
            &[],
        )?;
        let rename = || self.overlays.rename(&temporary, &map_name(client));
        match slot {
            Some(device) => device.retire(rename)?,
            None => rename()?,
        }
        *slot = None;
        lock(&self.sizes).insert(client, Size::Closed(0));
        self.overlays.sync()?;
        for (_, name) in old {
            self.overlays.remove(&name)?;
        }
        Ok(())
    }

    fn reset(
        &self,
        slot: &mut Option<Arc<Overlay>>,
        client: ClientId,
        image: ImageId,
    ) -> Result<()> {
        if !self.has_image(image) {
            return Err(Error::not_found(Area::Image, image));
        }
        self.replace(slot, client, image)
            .map_err(Error::io(format!("making an empty overlay for {client}")))
    }

    fn slot(&self, client: ClientId) -> Slot {
        lock(&self.slots).entry(client).or_default().clone()
    }
}

impl StorageBackend for EmbeddedStorage {
    fn begin_import(&self, image: ImageId) -> Result<Box<dyn ImportSink>> {
        Ok(Box::new(import::Sink::begin(
            self.images.clone(),
            image_name(image),
        )?))
    }

    fn remove_image(&self, image: ImageId) -> Result<()> {
        lock(&self.bases).remove(&image);
        self.images
            .remove(&image_name(image))
            .and_then(|()| self.images.sync())
            .map_err(Error::io(format!("removing the file of image {image}")))
    }

    fn overlays_on(&self, image: ImageId) -> Result<Vec<ClientId>> {
        let mut clients = Vec::new();
        for (client, header) in
            maps(self.overlays.as_ref()).map_err(Error::io("reading the overlays"))?
        {
            // One that can't be read may be on any image, but nobody can use it.
            if header.is_ok_and(|h| h.image == image) {
                clients.push(client);
            }
        }
        Ok(clients)
    }

    fn overlays(&self) -> Result<Vec<ClientId>> {
        let all = maps(self.overlays.as_ref()).map_err(Error::io("reading the overlays"))?;
        Ok(all.into_iter().map(|(client, _)| client).collect())
    }

    fn has_image(&self, image: ImageId) -> bool {
        self.base(image).is_ok()
    }

    fn image_bytes(&self, image: ImageId) -> Result<u64> {
        self.base(image)
            .and_then(|file| file.len())
            .map_err(Error::io(format!("reading the file of image {image}")))
    }

    fn read_image(&self, image: ImageId, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.base(image)
            .and_then(|file| file.read_at(offset, buf))
            .map_err(Error::io(format!("reading the file of image {image}")))
    }

    fn ensure_overlay(&self, client: ClientId, image: ImageId) -> Result<()> {
        let slot = self.slot(client);
        let mut slot = lock(&slot);
        // One that can't be read is an error and not "none": it holds what someone wanted kept.
        let header = match slot.as_ref() {
            Some(device) => Some(*device.header()),
            None => self
                .header(client)
                .map_err(Error::io(format!("reading the overlay of {client}")))?,
        };
        if header.is_some_and(|h| h.image == image) {
            return Ok(());
        }
        self.reset(&mut slot, client, image)
    }

    fn reset_overlay(&self, client: ClientId, image: ImageId) -> Result<()> {
        self.reset(&mut lock(&self.slot(client)), client, image)
    }

    fn open_overlay(&self, client: ClientId) -> Result<Arc<dyn BlockDevice>> {
        let slot = self.slot(client);
        let mut slot = lock(&slot);
        // A broken one refuses its sessions for good; what it had flushed is read anew.
        if let Some(overlay) = slot.as_ref().filter(|o| !o.is_broken()) {
            return Ok(overlay.clone());
        }
        let failed = || Error::io(format!("opening the overlay of {client}"));
        // Only a missing map means that there is none: a missing image or data file is damage.
        if self.header(client).map_err(failed())?.is_none() {
            return Err(Error::not_found(Area::Disk, client));
        }
        let overlay = self.load(client).map_err(failed())?;
        *slot = Some(overlay.clone());
        lock(&self.sizes).insert(client, Size::Open(overlay.clone()));
        Ok(overlay)
    }

    fn remove_overlay(&self, client: ClientId) -> Result<()> {
        let slot = self.slot(client);
        let mut slot = lock(&slot);
        // The map goes first: a data file without a map is swept, a map without data is damage.
        let remove_map = || self.overlays.remove(&map_name(client));
        let removed = match slot.as_ref() {
            Some(device) => device.retire(remove_map),
            None => remove_map(),
        };
        removed
            .and_then(|()| {
                *slot = None;
                lock(&self.sizes).remove(&client);
                self.overlays.sync()?;
                for (_, name) in self.data_files(client)? {
                    self.overlays.remove(&name)?;
                }
                Ok(())
            })
            .map_err(Error::io(format!("removing the overlay of {client}")))
    }

    fn overlay_bytes(&self, client: ClientId) -> u64 {
        match lock(&self.sizes).get(&client) {
            Some(Size::Open(overlay)) => overlay.data_bytes(),
            Some(Size::Closed(bytes)) => *bytes,
            None => 0,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The map of each overlay, by its client.
fn maps(files: &dyn Files) -> io::Result<Vec<(ClientId, io::Result<Header>)>> {
    let mut maps = Vec::new();
    for name in files.list()? {
        if let Some(client) = name.strip_suffix(".map").and_then(|n| n.parse().ok()) {
            let header = files.open(&name).and_then(|f| Map::header(f.as_ref()));
            maps.push((client, header));
        }
    }
    Ok(maps)
}

/// What each overlay holds: its data file has nothing but this client's blocks.
fn sizes(files: &dyn Files) -> io::Result<HashMap<ClientId, Size>> {
    let size = |(client, header): (ClientId, io::Result<Header>)| {
        // One that can't be read was told of when it was swept.
        let bytes = header
            .and_then(|h| files.open(&data_name(client, h.generation)))
            .and_then(|data| data.allocated());
        (client, Size::Closed(bytes.unwrap_or(0)))
    };
    Ok(maps(files)?.into_iter().map(size).collect())
}

fn image_name(image: ImageId) -> String {
    format!("{image}.raw")
}

fn map_name(client: ClientId) -> String {
    format!("{client}.map")
}

fn data_name(client: ClientId, generation: u64) -> String {
    format!("{client}.{generation}.data")
}

/// Removes half-made maps and the data files that no map names.
fn sweep_overlays(files: &dyn Files) -> io::Result<()> {
    let names = files.list()?;
    let mut named = Vec::new();
    for map in names.iter().filter(|n| n.ends_with(".map")) {
        match Map::header(files.open(map)?.as_ref()) {
            Ok(h) => named.push(format!(
                "{}.{}.data",
                map.trim_end_matches(".map"),
                h.generation
            )),
            // Kept for whoever wants to look; the data files of a damaged map are kept with it.
            Err(e) => {
                tracing::warn!(%map, error = %e, "an overlay can't be read and was set aside");
                let client = map.trim_end_matches(".map");
                named.extend(names.iter().filter(|n| n.starts_with(client)).cloned());
            }
        }
    }
    for name in &names {
        let half_made = name.ends_with(".new");
        let unnamed = name.ends_with(".data") && !named.contains(name);
        if half_made || unnamed {
            files.remove(name)?;
        }
    }
    Ok(())
}
