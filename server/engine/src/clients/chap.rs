//! The secrets of clients' disks: made here, sealed in their rows, opened for a boot. One that can't be
//! opened is no reason not to boot: it is ours alone, and the next boot script hands out another.

use super::{Clients, Inner};
use crate::{
    Area, By, Error, Result,
    audit::Change,
    random_text,
    secrets::{Held, Secret, Slot, Unopened},
};
use std::sync::{Arc, PoisonError};
use store::{ClientRecord, Read, StoredSecret, Tx};
use types::ClientId;

/// 16 letters and digits, 95 bits: within the 12 to 16 bytes that initiators take.
const LEN: usize = 16;

fn slot(id: &ClientId) -> Slot<'_, ClientRecord> {
    Slot {
        row: id,
        field: "chap_secret",
    }
}

impl Clients {
    /// The secret of a client's disk, as far as it can be opened. No I/O.
    pub(crate) fn disk_secret(&self, client: &ClientRecord) -> Result<Secret, Unopened> {
        let secrets = &self.inner.secrets;
        secrets.reveal(slot(&client.id), &client.chap_secret)
    }

    /// The same for a boot: a new one when it can't be opened, which the log and the audit log say.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the client was removed meanwhile; when the database fails.
    pub(crate) async fn disk_secret_or_new(&self, client: &ClientRecord) -> Result<Secret> {
        if let Ok(secret) = self.disk_secret(client) {
            return Ok(secret);
        }
        let (inner, id) = (self.inner.clone(), client.id);
        let write = self.inner.store.write(move |tx| {
            let found: Option<ClientRecord> = tx.get(&id)?;
            let mut record = found.ok_or_else(|| Error::not_found(Area::Client, id))?;
            // A rotation may have been faster: then it only looked lost.
            let why = match inner.secrets.reveal(slot(&id), &record.chap_secret) {
                Ok(secret) => return Ok(secret),
                Err(why) => why,
            };
            tracing::warn!(client = %record.name, %why, "its disk gets a new secret: the old one can't be opened");
            let secret = Secret::from(random_text(LEN)?);
            record.chap_secret = inner.secrets.seal(tx, slot(&id), &secret)?;
            inner.put(tx, record.clone())?;
            let change = Change::act("client.new_secret", "client", id, &record.name);
            inner.audit.record(tx, &By::system("secrets"), change)?;
            Ok(secret)
        });
        write.await
    }

    /// How the secrets of all clients are. No I/O.
    pub(crate) fn held_secrets(&self) -> Held {
        let mut held = Held::default();
        let records: Vec<_> = self.inner.cached(|c| c.by_id.values().cloned().collect());
        for record in &records {
            let secrets = &self.inner.secrets;
            secrets.count(slot(&record.id), &record.chap_secret, &mut held);
        }
        held
    }

    /// Seals every secret that is not sealed with the newest key and that can be opened, in one
    /// transaction with its audit entry. Blocks until it is durable.
    ///
    /// # Errors
    /// When the database fails; then nothing has changed.
    pub(crate) fn seal_anew(&self, by: &By, action: &'static str) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        self.inner.store.write_wait(move |tx| {
            let mut sealed = 0;
            for mut record in tx.list_readable::<ClientRecord>(None)? {
                if inner.secrets.is_current(&record.chap_secret) {
                    continue;
                }
                let id = record.id;
                if let Ok(secret) = inner.secrets.reveal(slot(&id), &record.chap_secret) {
                    record.chap_secret = inner.secrets.seal(tx, slot(&id), &secret)?;
                    inner.put(tx, record)?;
                    sealed += 1;
                }
            }
            let key = inner.secrets.current_name()?.to_string();
            let facts = serde_json::json!({ "key": key, "secrets": sealed });
            let change = Change::act(action, "secrets", key, "secrets").facts(None, Some(facts));
            inner.audit.record(tx, &by, change)
        })
    }
}

impl Inner {
    /// A new secret for the row of this client that `tx` writes.
    pub(super) fn new_secret(&self, tx: &Tx<'_>, id: ClientId) -> Result<StoredSecret> {
        let secret = Secret::from(random_text(LEN)?);
        self.secrets.seal(tx, slot(&id), &secret)
    }

    /// Stores a row of which no view shows what changed, so that its revision stays, too.
    pub(super) fn put(self: &Arc<Self>, tx: &mut Tx<'_>, record: ClientRecord) -> Result<()> {
        tx.put(&record)?;
        let inner = self.clone();
        tx.on_commit(move || {
            let cache = inner.cache.write();
            cache.unwrap_or_else(PoisonError::into_inner).put(record);
        });
        Ok(())
    }
}
