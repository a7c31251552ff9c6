//! The audit log: each change and its entry stand in one transaction, and each entry is chained to
//! the one before by a hash. It does not decide who may do what: that is the door's.

mod by;
mod check;
mod refusals;
#[cfg(test)]
mod tests;

pub use by::{Actor, By};
pub use check::{AuditFilter, Check};

use crate::{Area, Error, EventBus, Result, now};
use refusals::Refusals;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use store::{AuditHeadRecord, AuditRecord, Read, Store, Tx};
use types::{AuditView, Event, TargetView, hex};

/// `result` of what was done.
const OK: &str = "ok";

/// What a change did, for its entry.
pub(crate) struct Change {
    /// Noun and verb: `client.update`.
    pub action: &'static str,
    /// What it was done to.
    pub target: TargetView,
    /// The facts before; None for something new. Never a secret.
    pub before: Option<Value>,
    /// The facts after; None for something removed. Never a secret.
    pub after: Option<Value>,
}

impl Change {
    /// A change without facts: an action.
    pub fn act(action: &'static str, kind: &str, id: impl ToString, name: &str) -> Self {
        Change {
            action,
            target: target(kind, Some(id.to_string()), name),
            before: None,
            after: None,
        }
    }

    /// With what it was before and after.
    pub fn facts(mut self, before: Option<Value>, after: Option<Value>) -> Self {
        self.before = before;
        self.after = after;
        self
    }
}

/// What something was done to.
pub(crate) fn target(kind: &str, id: Option<String>, name: &str) -> TargetView {
    TargetView {
        kind: kind.into(),
        id,
        name: name.into(),
    }
}

/// Writes the log and reads it. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    events: EventBus,
    /// Of strangers, and of those who are signed in: a stranger's noise hides nobody's.
    refusals: Mutex<[Refusals; 2]>,
}

impl Audit {
    pub(crate) fn new(store: Arc<Store>, events: EventBus) -> Self {
        Audit {
            inner: Arc::new(Inner {
                store,
                events,
                refusals: Mutex::default(),
            }),
        }
    }

    /// Says in the server's log where the audit log ends, as [`Check`] does. Whoever can write the database
    /// can cut both log and end off; what stands elsewhere tells.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn tell_end(&self) -> Result<()> {
        let head: Option<AuditHeadRecord> = self.inner.store.read(|tx| tx.get(&()))?;
        let head = head.unwrap_or_default();
        tracing::info!(
            entries = head.seq,
            head = hex(&head.hash),
            "the audit log ends here"
        );
        Ok(())
    }

    /// Adds the entry of a change to the transaction that makes the change: both are durable
    /// together, or neither is. What did not differ is left out of the facts.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn record(&self, tx: &mut Tx<'_>, by: &By, change: Change) -> Result<()> {
        let (before, after) = differing(change.before, change.after);
        let entry = by.entry(change.action, change.target, OK.into());
        self.append(
            tx,
            AuditView {
                before,
                after,
                ..entry
            },
        )
    }

    /// An entry of its own, for what changes nothing in the database. Durable when this returns.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn act(&self, by: &By, change: Change) -> Result<()> {
        let (audit, by) = (self.clone(), by.clone());
        let write = move |tx: &mut Tx<'_>| audit.record(tx, &by, change);
        self.inner.store.write(write).await
    }

    /// Writes down that something was refused, and with which code. Queued at once; nobody waits.
    pub(crate) fn refused(&self, by: &By, action: &str, target: TargetView, error: &Error) {
        if !self.room_for_refusal(by) {
            let who = by.actor.view().name;
            tracing::warn!(action, who, address = ?by.address, "refused, and too many such to write each down");
            return;
        }
        let entry = by.entry(action, target, error.code());
        let audit = self.clone();
        let write = move |tx: &mut Tx<'_>| audit.append(tx, entry);
        drop(self.inner.store.write::<_, Error, _>(write));
    }

    fn room_for_refusal(&self, by: &By) -> bool {
        let mut both = self
            .inner
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        both[usize::from(by.role.is_some())].count(by, now())
    }

    fn append(&self, tx: &mut Tx<'_>, mut entry: AuditView) -> Result<()> {
        let head: AuditHeadRecord = tx.get(&())?.unwrap_or_default();
        entry.seq = head.seq + 1;
        if tx.get::<AuditRecord>(&entry.seq)?.is_some() {
            // Somebody changed the database by hand: nothing that was written is written over.
            return Err(Error::conflict(
                Area::Audit,
                "the audit log has entries behind its end",
                "Run `nsboot audit verify`, and bring the data folder's last backup back.",
            ));
        }
        let body = serde_json::to_string(&entry)
            .map_err(|e| Error::Internal(format!("an audit entry can't be written: {e}")))?;
        let record = AuditRecord {
            seq: entry.seq,
            hash: chained(&head.hash, entry.seq, &body),
            body,
        };
        tx.put(&record)?;
        tx.put(&AuditHeadRecord {
            seq: record.seq,
            hash: record.hash,
        })?;
        entry.hash = hex(&record.hash);
        let events = self.inner.events.clone();
        tx.on_commit(move || {
            events.publish(Event::AuditAdded { entry });
        });
        Ok(())
    }
}

/// The hash of an entry: over that of the one before, its number and its text.
fn chained(before: &[u8; 32], seq: u64, body: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(seq.to_be_bytes());
    hash.update(body.as_bytes());
    hash.finalize().into()
}

/// Of two sets of facts, those that differ.
fn differing(before: Option<Value>, after: Option<Value>) -> (Option<Value>, Option<Value>) {
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (&before, &after) else {
        return (before, after);
    };
    let pick = |from: &Map<String, Value>, other: &Map<String, Value>| {
        let differs = from.iter().filter(|(k, v)| other.get(*k) != Some(v));
        Value::Object(differs.map(|(k, v)| (k.clone(), v.clone())).collect())
    };
    (Some(pick(old, new)), Some(pick(new, old)))
}
