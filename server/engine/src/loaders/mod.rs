//! Loaders: the first programs that firmware runs, and other files that the boot planes serve, in sets.
//! A set is a folder of the data folder's `loaders` and never changes: a new version is a new set. The
//! distribution's packages are sets of their own, built in. What lies loose in `loaders` goes before
//! the default set under names without a set's.

mod archive;
mod choose;
mod manifest;
mod name;
mod set;
mod staging;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tricks;

pub use choose::{Choice, by_http, platform};
pub(crate) use name::check_set_name;
pub use name::is_optional;
pub use set::{BUILT_IN, DEBIAN, DEBIAN_SIGNED, Set};
pub(crate) use staging::{Pieces, Staged};

use crate::{Area, Error, Result, Settings, blocking::blocking};
use manifest::Sums;
use set::Distribution;
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};
use types::{LoaderKind, LoaderPlatform, LoaderSetView, LoaderSource};

/// After a miss the distribution's packages are looked for again, not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A loader that is there.
pub struct LoaderFile {
    /// Open for reading.
    pub file: File,
    /// Its size in bytes.
    pub len: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// The name it was found under, cleaned of what firmware adds.
    pub name: String,
}

/// Finds loader files, and says which one a machine gets. Never gives anything from outside its
/// folders. Cheap to clone.
#[derive(Clone)]
pub struct Loaders {
    inner: Arc<Inner>,
}

struct Inner {
    /// `loaders` in the data folder, canonical.
    own: PathBuf,
    distribution: Distribution,
    /// The name of the set that holds where none was chosen.
    default: Box<dyn Fn() -> String + Send + Sync>,
    /// As they were when they were last looked for.
    sets: RwLock<BTreeMap<String, Arc<Set>>>,
    looked: Mutex<Instant>,
    sums: Sums,
    /// Held while a set comes or goes.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl Loaders {
    /// The loaders of this data folder and those of the distribution.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub(crate) fn open(data_dir: &Path, settings: Settings) -> Result<Self> {
        let default = move || {
            settings.with(|v| match v.loader_set.as_str() {
                "" => DEBIAN.to_owned(),
                set => set.to_owned(),
            })
        };
        Self::with(
            &data_dir.join("loaders"),
            Distribution::default(),
            Box::new(default),
        )
    }

    fn with(
        own: &Path,
        distribution: Distribution,
        default: Box<dyn Fn() -> String + Send + Sync>,
    ) -> Result<Self> {
        crate::make_private_dir(own)?;
        let reading = || format!("reading the folder {}", own.display());
        let own = own.canonicalize().map_err(Error::io(reading()))?;
        staging::tidy(&own);
        let loaders = Loaders {
            inner: Arc::new(Inner {
                own,
                distribution,
                default,
                sets: RwLock::default(),
                looked: Mutex::new(Instant::now()),
                sums: Sums::default(),
                changing: Arc::default(),
            }),
        };
        loaders.inner.look();
        Ok(loaders)
    }

    /// The name under which a machine is to ask for its loader, below the TFTP root and `/f/`; None when
    /// there is none for its architecture (option 93). `set` is what was chosen for the machine. A set that
    /// is not there, or has nothing for it, leaves it to the default set, and that to Debian's. By HTTP no set's GRUB
    /// is given: Debian's signed one can't go on from there.
    pub fn loader(&self, set: Option<&str>, kind: LoaderKind, arch: u16) -> Option<String> {
        let platform = platform(arch)?;
        let found = || {
            let default = (self.inner.default)();
            let order = [set, Some(default.as_str()), Some(DEBIAN)];
            order.into_iter().flatten().find_map(|name| {
                let choice = self.inner.set(name)?.choice(platform, kind)?;
                if choice.is_grub && by_http(arch) {
                    return None;
                }
                // The name that a machine knows since before there were sets; a file of that name that
                // lies loose in the folder goes before the distribution's.
                let plain = name == DEBIAN && default == DEBIAN;
                Some(match plain {
                    true => choice.path,
                    false => format!("{name}/{}", choice.path),
                })
            })
        };
        found().or_else(|| {
            // The package may have been installed meanwhile.
            self.inner.look_again().then(found).flatten()
        })
    }

    /// The set whose GRUB a 64-bit UEFI PC starts by PXE, when `set` was chosen for it; None when it is iPXE.
    pub fn grub_of(&self, set: Option<&str>, kind: LoaderKind) -> Option<String> {
        let default = (self.inner.default)();
        let order = [set, Some(default.as_str()), Some(DEBIAN)];
        let found = order.into_iter().flatten().find_map(|name| {
            let choice = self.inner.set(name)?.choice(LoaderPlatform::X64, kind)?;
            Some((name, choice))
        });
        found.and_then(|(name, choice)| choice.is_grub.then(|| name.to_owned()))
    }

    /// The file that a machine asks for, however it writes the name: with backslashes, doubled or
    /// leading slashes, a trailing 0xFF or `.0` (some ROMs and servers add them).
    pub fn find(&self, asked: &[u8]) -> Option<LoaderFile> {
        let name = name::clean(asked)?;
        let candidates = [Some(name.as_str()), name.strip_suffix(".0")];
        candidates
            .into_iter()
            .flatten()
            .find_map(|n| self.inner.find(n))
    }

    /// Whether a file is what a set has for some kind of machine to start with, as it is asked for by TFTP
    /// and below `/f/`; what a loader fetches besides is none.
    pub fn is_loader(&self, asked: &str) -> bool {
        let Some(name) = name::clean(asked.as_bytes()) else {
            return false;
        };
        let name = name.strip_suffix(".0").unwrap_or(&name);
        self.inner.all().iter().any(|set| {
            let below = name.strip_prefix(set.name.as_str());
            let path = below.and_then(|n| n.strip_prefix('/')).unwrap_or(name);
            set.gives().iter().any(|given| given.file == path)
        })
    }

    /// Whether there is a set of that name.
    pub fn has_set(&self, name: &str) -> bool {
        self.inner.set(name).is_some()
    }

    /// As [`Loaders::has_set`], also for one that was put there by hand just now.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) async fn require_set(&self, name: &str) -> Result<Arc<Set>> {
        if let Some(set) = self.inner.set(name) {
            return Ok(set);
        }
        self.look().await?;
        let found = self.inner.set(name);
        found.ok_or_else(|| Error::not_found(Area::Loader, name))
    }

    /// The set that something is to have must be there; also one that was put there by hand just now.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another, with the sets that there are.
    pub(crate) async fn require_choice(
        &self,
        area: Area,
        field: &'static str,
        name: &str,
    ) -> Result<()> {
        check_set_name(name).map_err(|why| Error::invalid(area, field, why))?;
        self.look().await?;
        if self.has_set(name) {
            return Ok(());
        }
        let there = self.names();
        let there = match there.is_empty() {
            true => "there is none at all".into(),
            false => format!("there are {}", there.join(", ")),
        };
        let why = format!("there is no loader set {name:?}; {there}");
        Err(Error::invalid(area, field, why))
    }

    /// The names of the sets, as they were when they were last looked for.
    pub(crate) fn names(&self) -> Vec<String> {
        self.inner.all().iter().map(|s| s.name.clone()).collect()
    }

    /// Every set, by name; without its files.
    ///
    /// # Errors
    /// When the work broke off.
    pub(crate) async fn list(&self) -> Result<Vec<LoaderSetView>> {
        self.look().await?;
        let (inner, default) = (self.inner.clone(), (self.inner.default)());
        let view = move || {
            let views = inner.all().into_iter();
            Ok(views.map(|s| manifest::brief(&s, &default)).collect())
        };
        blocking(view).await
    }

    /// One set with its files and their sums.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when a file can't be read.
    pub(crate) async fn show(&self, name: &str) -> Result<LoaderSetView> {
        self.look().await?;
        let set = self.require_set(name).await?;
        let (inner, default) = (self.inner.clone(), (self.inner.default)());
        blocking(move || manifest::whole(&set, &default, &inner.sums)).await
    }

    /// Held while a set comes or goes: what was checked under it stays true.
    pub(crate) async fn changing(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.inner.changing.clone().lock_owned().await
    }

    /// The set that a computer or a group is to have instead of `old` must be there, and stays there while what
    /// this returns is held. One that it has already is no new choice.
    ///
    /// # Errors
    /// As [`Loaders::require_choice`].
    pub(crate) async fn hold_choice(
        &self,
        area: Area,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<Option<tokio::sync::OwnedMutexGuard<()>>> {
        let Some(name) = new.filter(|name| !name.is_empty() && Some(*name) != old) else {
            return Ok(None);
        };
        let held = self.changing().await;
        self.require_choice(area, "loader_set", name).await?;
        Ok(Some(held))
    }

    /// Whether a new set may have that name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that can't be, [`Error::Conflict`] for one that is taken.
    pub(crate) async fn check_new(&self, name: &str) -> Result<()> {
        check_set_name(name).map_err(|why| Error::invalid(Area::Loader, "name", why))?;
        let (inner, name) = (self.inner.clone(), name.to_owned());
        let taken = move || Ok((inner.is_taken(&name), name));
        match blocking(taken).await? {
            (false, _) => Ok(()),
            (true, name) => Err(Error::conflict(
                Area::Loader,
                format!("there is a loader set or file {name:?} already"),
                "A set never changes: give the new one a name with its version.",
            )),
        }
    }

    /// Unpacks an archive beside the sets. Blocks until `pieces` has come to its end.
    ///
    /// # Errors
    /// As the archive's: it is refused, or the file system failed.
    pub(crate) fn stage(&self, pieces: Pieces) -> Result<Staged> {
        staging::stage(&self.inner.own, pieces)
    }

    /// Makes what was staged the set of that name.
    ///
    /// # Errors
    /// When the file system fails.
    pub(crate) async fn put(&self, staged: Staged, name: &str) -> Result<()> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        blocking(move || {
            staged.become_set(&inner.own, &name)?;
            inner.look();
            Ok(())
        })
        .await
    }

    /// Takes an uploaded set away with its files.
    ///
    /// # Errors
    /// When the file system fails.
    pub(crate) async fn take_away(&self, name: &str) -> Result<()> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        blocking(move || {
            let gone = staging::take_away(&inner.own, &name);
            inner.look();
            gone
        })
        .await
    }

    /// Looks for the sets that there are now.
    ///
    /// # Errors
    /// When the work broke off.
    pub(crate) async fn look(&self) -> Result<()> {
        let inner = self.inner.clone();
        blocking(move || {
            inner.look();
            Ok(())
        })
        .await
    }
}

impl Inner {
    fn set(&self, name: &str) -> Option<Arc<Set>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        sets.get(name).cloned()
    }

    fn all(&self) -> Vec<Arc<Set>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        sets.values().cloned().collect()
    }

    /// Looks for the sets there are.
    fn look(&self) {
        let mut sets: BTreeMap<String, Arc<Set>> = BTreeMap::new();
        // What can't be read now is not there now.
        let entries = std::fs::read_dir(&self.own).into_iter().flatten().flatten();
        let folders = entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        let names = folders.filter_map(|e| e.file_name().into_string().ok());
        for name in names.filter(|n| check_set_name(n).is_ok()) {
            if let Ok(set) = Set::uploaded(&self.own, &name) {
                sets.insert(name, Arc::new(set));
            }
        }
        for set in self.distribution.sets() {
            sets.insert(set.name.clone(), Arc::new(set));
        }
        *self.sets.write().unwrap_or_else(PoisonError::into_inner) = sets;
    }

    /// Looks again for the distribution's sets unless that was done just now; says whether it did.
    fn look_again(&self) -> bool {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.elapsed() < LOOK_AGAIN {
                return false;
            }
            *looked = Instant::now();
        }
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        for set in self.distribution.sets() {
            sets.insert(set.name.clone(), Arc::new(set));
        }
        true
    }

    fn is_taken(&self, name: &str) -> bool {
        BUILT_IN.contains(&name) || self.own.join(name).symlink_metadata().is_ok()
    }

    fn find(&self, name: &str) -> Option<LoaderFile> {
        let named = || {
            let (set, path) = name.split_once('/')?;
            self.of_built_in(&*self.set(set)?, path, name)
        };
        let of_default = || {
            let set = self.set(&(self.default)())?;
            match set.source {
                LoaderSource::BuiltIn => self.of_built_in(&set, name, name),
                LoaderSource::Uploaded => {
                    let path = format!("{}/{name}", set.name);
                    open_below(&self.own, &path, name).ok()
                }
            }
        };
        let of_debian = || self.of_built_in(&*self.set(DEBIAN)?, name, name);
        // Uploaded sets are folders below `own`, and found as such.
        named()
            .or_else(|| open_below(&self.own, name, name).ok())
            .or_else(of_default)
            .or_else(of_debian)
    }

    /// A file of a set of the distribution: its packages alone say where it lies.
    fn of_built_in(&self, set: &Set, path: &str, name: &str) -> Option<LoaderFile> {
        let place = set.files.get(path)?;
        (set.source == LoaderSource::BuiltIn)
            .then(|| open(place, name).ok())
            .flatten()
    }
}

fn open_below(root: &Path, path: &str, name: &str) -> io::Result<LoaderFile> {
    // Links are followed, and then must still end below the root.
    let path = root.join(path).canonicalize()?;
    if !path.starts_with(root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    open(&path, name)
}

fn open(path: &Path, name: &str) -> io::Result<LoaderFile> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(LoaderFile {
        file,
        len: meta.len(),
        modified: meta.modified()?,
        name: name.to_owned(),
    })
}
