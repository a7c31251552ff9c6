//! Idempotency keys: a change that is asked for under a key is made once, however often the caller
//! asks again because it heard no answer (IETF draft-ietf-httpapi-idempotency-key-header).
//!
//! A key is reserved durably before its change runs, and the answer is kept durably before it
//! leaves. What a crash leaves between the two is told as it is: nobody knows whether the change was
//! made, so it is not made again. Which requests take a key is the adapter's to say.

#[cfg(test)]
mod tests;

use crate::{Actor, Error, Identity, Result, make_private_dir, now, users::load_or_make};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    future::Future,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use store::{IdempotencyRecord, KeptAnswerRecord, Read, ReadTx, Store, Tx};
use types::Timestamp;

/// Longest key, characters.
pub const MAX_KEY: usize = 255;
/// How long an answer is kept, seconds.
pub const KEEP_SECONDS: f64 = 86_400.0;
/// Keys of one caller; the oldest that was answered goes first.
const PER_CALLER: usize = 1_000;
/// Keys of all callers.
const IN_ALL: usize = 10_000;
/// Bytes of all kept answers.
const BYTES_IN_ALL: usize = 64 << 20;
/// The largest answer that is kept, bytes. A job that begins with as many items as a job may have
/// takes less; a record of the store may have a little more.
const MAX_ANSWER: usize = 224 << 10;

type Id = [u8; 32];
type Fingerprint = [u8; 32];

/// What is asked for under a key; two that differ in any of it are two requests.
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The revision that it is made on, as sent.
    pub if_match: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// An answer, to be given again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// Names and values of the headers that belong to it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is to be done about a request with a key.
pub enum Begun {
    /// It is new: make the change, then tell the reservation what was answered.
    Run(Reservation),
    /// It was made before, and this was the answer.
    Again(KeptAnswer),
}

/// Why a request with a key is not made.
#[derive(Debug)]
pub enum Refused {
    /// The key belongs to another request.
    Another,
    /// The first one with this key has not ended.
    Running,
    /// The server ended, or failed, before the first one was answered: nobody knows what it did.
    Unknown,
    /// So many changes of this caller are under way at once.
    TooMany,
    /// The change was made, but the role of its caller is lower now.
    Role,
    /// The database failed.
    Failed(Error),
}

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Running,
    Answered,
    Unknown,
}

/// What is in memory of each key.
struct Known {
    caller: Arc<str>,
    fingerprint: Fingerprint,
    created_at: Timestamp,
    /// Of the kept answer.
    bytes: usize,
    state: State,
}

/// The keys of the last day. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    /// Fingerprints cover passwords, too: without this nobody can try some against the database.
    secret: zeroize::Zeroizing<[u8; 32]>,
    known: Mutex<HashMap<Id, Known>>,
}

impl Idempotency {
    /// Reads which keys there are. One without an answer was cut short by the end of the server.
    ///
    /// # Errors
    /// When the database or the key file can't be read.
    pub(crate) fn open(store: Arc<Store>, keys: &Path) -> Result<Idempotency> {
        make_private_dir(keys)?;
        let secret = load_or_make(&keys.join("idempotency.key"))?;
        let records: Vec<IdempotencyRecord> = store.read(|tx| tx.list_readable(None))?;
        let known = records.into_iter().map(|r| {
            let known = Known {
                caller: r.caller.into(),
                fingerprint: r.fingerprint,
                created_at: r.created_at,
                bytes: r.answer.as_ref().map_or(0, |a| a.body.len()),
                state: match r.answer {
                    Some(_) => State::Answered,
                    None => State::Unknown,
                },
            };
            (r.id, known)
        });
        let known = Mutex::new(known.collect());
        Ok(Idempotency {
            inner: Arc::new(Inner {
                store,
                secret,
                known,
            }),
        })
    }

    /// Looks a key up and reserves it when it is new; the reservation is durable when this returns.
    ///
    /// # Errors
    /// [`Refused`] says why the change must not be made.
    pub async fn begin(
        &self,
        who: &Identity,
        key: &str,
        asked: &Asked<'_>,
    ) -> Result<Begun, Refused> {
        self.begin_at(now(), who, key, asked).await
    }

    async fn begin_at(
        &self,
        now: Timestamp,
        who: &Identity,
        key: &str,
        asked: &Asked<'_>,
    ) -> Result<Begun, Refused> {
        let caller = caller(who);
        let record = IdempotencyRecord {
            id: hash(&[caller.as_bytes(), key.as_bytes()]),
            fingerprint: self.inner.fingerprint(key, asked),
            caller,
            role: who.role,
            created_at: now,
            answer: None,
        };
        let claimed = {
            let mut known = self.inner.known();
            self.inner.forget_old(&mut known, now);
            match known.get(&record.id) {
                Some(old) => old.repeats(&record).map(|()| None),
                // Queued while the list is locked: what goes out of the list goes out of the
                // database before the same key can come into it again.
                None => claim(&mut known, &record).map(|gone| Some(self.reserve(&record, gone))),
            }
        }?;
        let Some(written) = claimed else {
            return self.kept(&record).await.map(Begun::Again);
        };
        let reservation = Reservation {
            inner: self.inner.clone(),
            record: Some(record),
        };
        match written.await {
            Ok(()) => Ok(Begun::Run(reservation)),
            Err(e) => {
                reservation.forget();
                Err(Refused::Failed(e))
            }
        }
    }

    /// Forgets what is older than a day; somebody calls it now and then.
    pub fn forget_old(&self) {
        self.inner.forget_old(&mut self.inner.known(), now());
    }

    /// The answer of a key that was used before.
    async fn kept(&self, new: &IdempotencyRecord) -> Result<KeptAnswer, Refused> {
        let id = new.id;
        let read = move |tx: &ReadTx| tx.get::<IdempotencyRecord>(&id);
        let kept = self.inner.store.read_long(read).await;
        let kept = kept.map_err(|e: store::Error| Refused::Failed(e.into()))?;
        match kept.and_then(|k| Some((k.role, k.answer?))) {
            Some((role, _)) if new.role < role => Err(Refused::Role),
            Some((_, answer)) => Ok(KeptAnswer::from(answer)),
            None => Err(Refused::Unknown),
        }
    }

    fn reserve(
        &self,
        record: &IdempotencyRecord,
        gone: Vec<Id>,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let record = record.clone();
        self.inner.store.write(move |tx: &mut Tx<'_>| {
            gone.iter()
                .for_each(|id| tx.remove::<IdempotencyRecord>(id));
            Ok::<_, Error>(tx.put(&record)?)
        })
    }
}

impl Known {
    /// Whether a request that comes under this key is this one, and answered.
    fn repeats(&self, new: &IdempotencyRecord) -> Result<(), Refused> {
        if self.fingerprint != new.fingerprint {
            return Err(Refused::Another);
        }
        match self.state {
            State::Running => Err(Refused::Running),
            State::Unknown => Err(Refused::Unknown),
            State::Answered => Ok(()),
        }
    }
}

impl Inner {
    /// Takes out what is older than a day. Queued at once; nobody waits.
    fn forget_old(&self, known: &mut HashMap<Id, Known>, now: Timestamp) {
        let gone = expire(known, now);
        if gone.is_empty() {
            return;
        }
        drop(self.store.write(move |tx: &mut Tx<'_>| {
            gone.iter()
                .for_each(|id| tx.remove::<IdempotencyRecord>(id));
            Ok::<_, Error>(())
        }));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Id, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fingerprint(&self, key: &str, asked: &Asked<'_>) -> Fingerprint {
        hash(&[
            &*self.secret,
            key.as_bytes(),
            asked.method.as_bytes(),
            asked.target.as_bytes(),
            asked.if_match,
            asked.body,
        ])
    }
}

/// A key that is reserved for a change that runs now. Dropped without a word, by a panic or by the end
/// of the server, it says to whoever asks again that nobody knows what the change did.
pub struct Reservation {
    inner: Arc<Inner>,
    /// None once it was told how it ended.
    record: Option<IdempotencyRecord>,
}

impl Reservation {
    /// Keeps the answer; it may leave when this returns. One that is larger than any that there is
    /// today is not kept, and its outcome counts as unknown.
    ///
    /// # Errors
    /// When the database fails; then the outcome counts as unknown.
    pub async fn answered(mut self, answer: &KeptAnswer) -> Result<()> {
        let bytes = answer.body.len();
        if bytes > MAX_ANSWER {
            tracing::warn!(bytes, "an answer is too large to be kept under its key");
            return Ok(());
        }
        let Some(mut record) = self.record.clone() else {
            return Ok(());
        };
        let id = record.id;
        record.answer = Some(KeptAnswerRecord::from(answer));
        let write = move |tx: &mut Tx<'_>| Ok::<_, Error>(tx.put(&record)?);
        self.inner.store.write(write).await?;
        if let Some(known) = self.inner.known().get_mut(&id) {
            known.state = State::Answered;
            known.bytes = bytes;
        }
        self.record = None;
        Ok(())
    }

    /// Frees the key: the change was not made, and may be tried again.
    ///
    /// # Errors
    /// When the database fails; then the outcome counts as unknown.
    pub async fn freed(self) -> Result<()> {
        let Some(id) = self.record.as_ref().map(|r| r.id) else {
            return Ok(());
        };
        let write = move |tx: &mut Tx<'_>| {
            tx.remove::<IdempotencyRecord>(&id);
            Ok::<_, Error>(())
        };
        self.inner.store.write(write).await?;
        self.forget();
        Ok(())
    }

    /// As if the key had never come.
    fn forget(mut self) {
        if let Some(record) = self.record.take() {
            self.inner.known().remove(&record.id);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(record) = &self.record
            && let Some(known) = self.inner.known().get_mut(&record.id)
        {
            known.state = State::Unknown;
        }
    }
}

/// Takes out what is older than a day; what runs stays.
fn expire(known: &mut HashMap<Id, Known>, now: Timestamp) -> Vec<Id> {
    let old = |_: &Id, k: &mut Known| {
        k.state != State::Running && k.created_at.seconds_to(now) > KEEP_SECONDS
    };
    known.extract_if(old).map(|(id, _)| id).collect()
}

/// Puts a new key into the list, and takes out what there is no room for.
///
/// # Errors
/// [`Refused::TooMany`] when all that is there runs.
fn claim(known: &mut HashMap<Id, Known>, new: &IdempotencyRecord) -> Result<Vec<Id>, Refused> {
    let mut gone = Vec::new();
    let own = |k: &Known| *k.caller == *new.caller;
    if known.values().filter(|k| own(k)).count() >= PER_CALLER {
        gone.push(evict(known, own)?);
    }
    let mut bytes: usize = known.values().map(|k| k.bytes).sum();
    while known.len() >= IN_ALL || bytes > BYTES_IN_ALL {
        gone.push(evict(known, |_| true)?);
        bytes = known.values().map(|k| k.bytes).sum();
    }
    let fresh = Known {
        caller: new.caller.as_str().into(),
        fingerprint: new.fingerprint,
        created_at: new.created_at,
        bytes: 0,
        state: State::Running,
    };
    known.insert(new.id, fresh);
    Ok(gone)
}

/// Takes out the oldest of some: one that was answered before one of which nothing is known.
fn evict(known: &mut HashMap<Id, Known>, of: impl Fn(&Known) -> bool) -> Result<Id, Refused> {
    let spare = known
        .iter()
        .filter(|(_, k)| k.state != State::Running && of(k));
    let oldest = spare.min_by_key(|(_, k)| (k.state == State::Unknown, k.created_at));
    let id = *oldest.ok_or(Refused::TooMany)?.0;
    known.remove(&id);
    Ok(id)
}

/// Whose keys are one's own: an account's in all of its sessions, and each token's for itself.
fn caller(who: &Identity) -> String {
    match (&who.actor, who.user_id) {
        (Actor::Token { id, .. }, _) => format!("token:{id}"),
        (_, Some(user)) => format!("user:{user}"),
        _ => "local".into(),
    }
}

/// Over each part with its length, so that none can pass for the beginning of the next.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl From<KeptAnswerRecord> for KeptAnswer {
    fn from(r: KeptAnswerRecord) -> Self {
        KeptAnswer {
            status: r.status,
            headers: r.headers,
            body: r.body,
        }
    }
}

impl From<&KeptAnswer> for KeptAnswerRecord {
    fn from(a: &KeptAnswer) -> Self {
        KeptAnswerRecord {
            status: a.status,
            headers: a.headers.clone(),
            body: a.body.clone(),
        }
    }
}
