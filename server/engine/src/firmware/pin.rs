//! What administrators say about firmware.

use super::{FirmwareKind, Firmwares, Inner, learn::blank, quirks_of, with_quirks};
use crate::{Area, By, Error, Result, audit::Change, groups};
use std::sync::Arc;
use store::{ClientRecord, FirmwareRecord, Read, Tx};
use types::{
    CreateFirmwareParams, FirmwareId, FirmwareView, OfferForm, PinParams, Quirks, UnknownForm,
};

/// Bytes of a TFTP block that can be asked for: what RFC 1350 has, up to what fits Ethernet.
const BLOCK_SIZE: std::ops::RangeInclusive<u16> = 512..=1468;
/// Firmware waits for an offer four seconds at first, then longer.
const MAX_DELAY_MS: u16 = 10_000;
/// Slower, a boot looks as if it hung.
const MIN_PACE: u32 = 64;

impl Firmwares {
    /// Pins how one computer boots.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what breaks a rule, [`Error::NotFound`] for an unknown computer,
    /// [`Error::Conflict`] when there is such a row for it.
    pub(crate) async fn create(
        &self,
        by: &By,
        params: CreateFirmwareParams,
    ) -> Result<FirmwareView> {
        let client = self.inner.clients.require(&params.client)?;
        let kind = FirmwareKind::Client(client.id);
        let record = pinned(blank(kind.clone()), &params.quirks)?;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            if tx.get::<ClientRecord>(&client.id)?.is_none() {
                return Err(Error::not_found(Area::Client, &client.name));
            }
            let all: Vec<FirmwareRecord> = tx.list_readable(None)?;
            if let Some(other) = all.iter().find(|r| r.kind == kind) {
                return Err(Error::conflict(
                    Area::Firmware,
                    format!("{} has ways of its own already", client.name),
                    format!("Change {} instead.", other.id),
                ));
            }
            save(&inner, tx, &record)?;
            let facts = Some(facts(&record));
            let change = act(&inner, "firmware.create", &record).facts(None, facts);
            inner.audit.record(tx, &by, change)?;
            Ok(record)
        });
        Ok(self.view(&write.await?))
    }

    /// Changes what `params` names, and pins it unless they say otherwise.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Invalid`].
    pub(crate) async fn update(
        &self,
        by: &By,
        id: FirmwareId,
        if_match: Option<u64>,
        params: PinParams,
    ) -> Result<FirmwareView> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let old = require_revision(tx, id, if_match)?;
            let mut record = pinned(old.clone(), &params)?;
            if record != old {
                record.revision += 1;
                save(&inner, tx, &record)?;
                let change = act(&inner, "firmware.update", &record);
                let change = change.facts(Some(facts(&old)), Some(facts(&record)));
                inner.audit.record(tx, &by, change)?;
            }
            Ok::<_, Error>(record)
        });
        Ok(self.view(&write.await?))
    }

    /// Forgets one: its computers boot the usual way again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`].
    pub(crate) async fn remove(
        &self,
        by: &By,
        id: FirmwareId,
        if_match: Option<u64>,
    ) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let record = require_revision(tx, id, if_match)?;
            tx.remove::<FirmwareRecord>(&id);
            let change = act(&inner, "firmware.remove", &record).facts(Some(facts(&record)), None);
            inner.audit.record(tx, &by, change)?;
            tx.on_commit(move || {
                inner.try_no_more(&record.kind);
                inner.forget(id);
            });
            Ok(())
        });
        write.await
    }
}

fn save(inner: &Arc<Inner>, tx: &mut Tx<'_>, record: &FirmwareRecord) -> Result<()> {
    tx.put(record)?;
    let (inner, record) = (inner.clone(), record.clone());
    tx.on_commit(move || {
        inner.try_no_more(&record.kind);
        inner.remember(record);
    });
    Ok(())
}

fn require_revision(tx: &Tx<'_>, id: FirmwareId, if_match: Option<u64>) -> Result<FirmwareRecord> {
    let record: FirmwareRecord = tx
        .get(&id)?
        .ok_or_else(|| Error::not_found(Area::Firmware, id))?;
    match if_match.is_some_and(|r| r != record.revision) {
        false => Ok(record),
        true => Err(Error::PreconditionFailed {
            area: Area::Firmware,
            current: record.revision,
        }),
    }
}

/// The row as the parameters want it.
fn pinned(r: FirmwareRecord, params: &PinParams) -> Result<FirmwareRecord> {
    let old = quirks_of(&r);
    let invalid = |field, why: String| Error::invalid(Area::Firmware, field, why);
    let form = match params.form.as_deref() {
        None => old.form,
        Some("") => None,
        Some(text) => {
            let form = text.parse::<OfferForm>();
            Some(form.map_err(|e: UnknownForm| invalid("form", e.to_string()))?)
        }
    };
    let loader = params
        .loader
        .as_deref()
        .map(|l| groups::loader(Area::Firmware, l));
    let number = |given: Option<u32>, old: Option<u32>| match given {
        None => old,
        Some(0) => None,
        some => some,
    };
    let quirks = Quirks {
        form,
        loader: loader.transpose()?.unwrap_or(old.loader),
        block_size: match params.block_size {
            Some(bytes) if bytes != 0 && !BLOCK_SIZE.contains(&bytes) => {
                let why = "a block of TFTP has 512 to 1468 bytes; 0 leaves it to the firmware";
                return Err(invalid("block_size", why.into()));
            }
            given => number(given.map(u32::from), old.block_size.map(u32::from)).map(|b| b as u16),
        },
        delay_ms: match params.delay_ms {
            Some(ms) if ms > MAX_DELAY_MS => {
                let why = "an OFFER can be held back for up to 10000 ms; 0 sends it at once";
                return Err(invalid("delay_ms", why.into()));
            }
            given => number(given.map(u32::from), old.delay_ms.map(u32::from)).map(|b| b as u16),
        },
        pace: match params.pace {
            Some(kib) if kib != 0 && kib < MIN_PACE => {
                let why = "files leave at 64 KiB/s or more; 0 sets no bound";
                return Err(invalid("pace", why.into()));
            }
            given => number(given, old.pace),
        },
    };
    let pinned = params.pinned.unwrap_or(true);
    if !pinned && matches!(r.kind, FirmwareKind::Client(_)) {
        let why = "what holds for one computer is pinned; remove it instead";
        return Err(invalid("pinned", why.into()));
    }
    Ok(FirmwareRecord {
        pinned,
        ..with_quirks(r, quirks)
    })
}

/// What the audit log says of one.
fn facts(r: &FirmwareRecord) -> serde_json::Value {
    serde_json::json!({ "way": quirks_of(r).to_string(), "pinned": r.pinned })
}

fn act(inner: &Inner, action: &'static str, r: &FirmwareRecord) -> Change {
    let view = inner.view(r);
    let name = view.client_name.unwrap_or_else(|| match view.client_id {
        Some(id) => id.to_string(),
        None => format!("{} {}", view.oui, view.vendor_class),
    });
    Change::act(action, "firmware", r.id, &name)
}
