//! Secrets at rest: the keys, and what is sealed with them. Which rows hold secrets is the business
//! of who keeps those rows; here is no table and no field of any.
//!
//! A row is sealed inside the transaction that writes it, never before: a rotation swaps the key and
//! then passes over all rows in a transaction of its own, and none can slip in behind it with the
//! old key. So sealing asks for the transaction.

mod envelope;
mod file;
mod key;
mod rotation;
#[cfg(test)]
mod tests;

pub(crate) use envelope::Slot;
pub(crate) use file::{read_private, write_private};
pub(crate) use key::KeyId;
pub(crate) use rotation::{rotate, settle, view};
pub use store::Secret;

use crate::{Area, Error, Result, make_private_dir};
use key::Key;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use store::{Record, StoredSecret, Tx};
use types::KeyPlace;

/// The credential that systemd is asked for.
const CREDENTIAL: &str = "nsboot-secrets";
/// The key file, in the folder of keys.
const FILE: &str = "secrets.key";

/// Why a secret can't be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unopened {
    /// It is sealed with a key that is not here.
    #[error("its key {0} is not here")]
    NoKey(KeyId),
    /// It is not what was sealed for this place.
    #[error("it was changed, or belongs to another row")]
    Altered,
}

/// How the secrets of a table are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Held {
    /// How many each key opens.
    pub by_key: BTreeMap<KeyId, u64>,
    /// How many wait for a key that is not here.
    pub without_key: BTreeMap<KeyId, u64>,
    /// How many nothing opens any more.
    pub altered: u64,
    /// How many are not sealed yet.
    pub plain: u64,
    /// How many could be sealed with a newer key.
    pub older: u64,
}

impl Held {
    /// Those that can't be opened now.
    pub fn lost(&self) -> u64 {
        self.altered + self.without_key.values().sum::<u64>()
    }
}

/// The keys. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Secrets {
    inner: Arc<Inner>,
}

struct Inner {
    /// The one that seals first.
    ring: RwLock<Arc<Vec<Placed>>>,
    file: PathBuf,
    credential: Option<PathBuf>,
    /// Whether the key file was made at this start: there was none, and no credential.
    made: bool,
    /// One rotation at a time.
    rotating: Mutex<()>,
}

#[derive(Clone)]
struct Placed {
    key: Key,
    place: KeyPlace,
}

impl Secrets {
    /// The keys of the credential, when systemd gives one in the folder `credentials`, and of the key
    /// file in `folder`; a key file is made when there is neither.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when others may read the key file or it holds something else; [`Error::Io`].
    pub fn open(folder: &Path, credentials: Option<&Path>) -> Result<Secrets> {
        make_private_dir(folder)?;
        let file = folder.join(FILE);
        let credential = credentials.map(|c| c.join(CREDENTIAL));
        let mut ring = Vec::new();
        if let Some(path) = &credential
            && let Some(text) = file::read_credential(path)?
        {
            let from = format!("the credential {CREDENTIAL}");
            take_in(&mut ring, key::parse(&text, &from)?, KeyPlace::Credential);
        }
        if let Some(text) = read_private(&file)? {
            let from = format!("the key file {}", file.display());
            take_in(&mut ring, key::parse(&text, &from)?, KeyPlace::File);
        }
        let made = ring.is_empty();
        if made {
            let key = Key::make()?;
            write_private(&file, key::print([&key].into_iter()).as_bytes())?;
            take_in(&mut ring, vec![key], KeyPlace::File);
        }
        Ok(Secrets {
            inner: Arc::new(Inner {
                ring: RwLock::new(Arc::new(ring)),
                file,
                credential,
                made,
                rotating: Mutex::new(()),
            }),
        })
    }

    /// Seals a secret for its place, with the newest key. For the row that `tx` writes.
    ///
    /// # Errors
    /// When the system's random source fails.
    pub fn seal<R: Record>(
        &self,
        _tx: &Tx<'_>,
        slot: Slot<'_, R>,
        secret: &Secret,
    ) -> Result<StoredSecret> {
        envelope::seal(&self.current()?.key, slot, secret).map(StoredSecret::Sealed)
    }

    /// A secret of a row.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn reveal<R: Record>(
        &self,
        slot: Slot<'_, R>,
        stored: &StoredSecret,
    ) -> Result<Secret, Unopened> {
        let sealed = match stored {
            StoredSecret::Sealed(sealed) => sealed,
            StoredSecret::Plain(secret) => return Ok(secret.clone()),
        };
        let id = envelope::key_of(sealed).ok_or(Unopened::Altered)?;
        let ring = self.ring();
        let placed = ring.iter().find(|p| p.key.id == id);
        let placed = placed.ok_or(Unopened::NoKey(id))?;
        envelope::open(&placed.key, slot, sealed).ok_or(Unopened::Altered)
    }

    /// Whether it stands as it should: sealed, with the newest key.
    pub fn is_current(&self, stored: &StoredSecret) -> bool {
        let StoredSecret::Sealed(sealed) = stored else {
            return false;
        };
        let current = self.ring().first().map(|p| p.key.id);
        current.is_some() && envelope::key_of(sealed) == current
    }

    /// Adds a secret to the count.
    pub fn count<R: Record>(&self, slot: Slot<'_, R>, stored: &StoredSecret, held: &mut Held) {
        match (self.reveal(slot, stored), stored) {
            (Ok(_), StoredSecret::Plain(_)) => held.plain += 1,
            (Ok(_), StoredSecret::Sealed(sealed)) => {
                held.older += u64::from(!self.is_current(stored));
                if let Some(id) = envelope::key_of(sealed) {
                    *held.by_key.entry(id).or_default() += 1;
                }
            }
            (Err(Unopened::NoKey(id)), _) => *held.without_key.entry(id).or_default() += 1,
            (Err(Unopened::Altered), _) => held.altered += 1,
        }
    }

    /// The name of the newest key.
    ///
    /// # Errors
    /// Never, as there is always one; a defect otherwise.
    pub fn current_name(&self) -> Result<KeyId> {
        Ok(self.current()?.key.id)
    }

    fn path_of(&self, place: KeyPlace) -> String {
        let path = match place {
            KeyPlace::File => Some(&self.inner.file),
            KeyPlace::Credential => self.inner.credential.as_ref(),
        };
        path.map_or_else(String::new, |p| p.display().to_string())
    }

    fn current(&self) -> Result<Placed> {
        let first = self.ring().first().cloned();
        first.ok_or_else(|| Error::Internal("there is no key to seal with".into()))
    }

    fn ring(&self) -> Arc<Vec<Placed>> {
        let ring = self.inner.ring.read();
        ring.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// First step of a rotation: a new key, in the file before anything is sealed with it. The ones
    /// before it stay until [`Secrets::retire`].
    ///
    /// # Errors
    /// [`Error::Conflict`] when the key is systemd's; [`Error::Io`].
    fn add_key(&self) -> Result<()> {
        if self.current()?.place == KeyPlace::Credential {
            return Err(Error::conflict(
                Area::Secret,
                "the key is a systemd credential, which only systemd can change",
                "Put a new key in front of the old one in the credential and restart nsboot: it seals \
                 everything anew. docs/operations.md, \"Secrets\", has the commands.",
            ));
        }
        let mut ring = self.ring().to_vec();
        for placed in &mut ring {
            placed.key.retiring = true;
        }
        let key = Key::make()?;
        ring.insert(
            0,
            Placed {
                key,
                place: KeyPlace::File,
            },
        );
        self.keep(ring)
    }

    /// Last step: the keys that were to go leave the file. Call it when no secret is sealed with them.
    ///
    /// # Errors
    /// [`Error::Io`]; they stay then.
    fn retire(&self) -> Result<()> {
        let mut ring = self.ring().to_vec();
        let before = ring.len();
        ring.retain(|p| !p.key.retiring);
        match ring.len() == before {
            true => Ok(()),
            false => self.keep(ring),
        }
    }

    /// Writes the file, and uses the keys once they are durable.
    fn keep(&self, ring: Vec<Placed>) -> Result<()> {
        let in_file = ring.iter().filter(|p| p.place == KeyPlace::File);
        let mut in_file = in_file.map(|p| &p.key).peekable();
        match in_file.peek() {
            Some(_) => write_private(&self.inner.file, key::print(in_file).as_bytes())?,
            // Systemd gives the keys now.
            None => file::remove_private(&self.inner.file)?,
        }
        let mut shared = self
            .inner
            .ring
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *shared = Arc::new(ring);
        Ok(())
    }
}

fn take_in(ring: &mut Vec<Placed>, keys: Vec<Key>, place: KeyPlace) {
    for key in keys {
        if !ring.iter().any(|p| p.key.id == key.id) {
            ring.push(Placed { key, place });
        }
    }
}
