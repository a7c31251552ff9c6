//! What is remembered of how boots went.

use super::{FirmwareKind, Firmwares, Inner, quirks_of, with_quirks};
use crate::{Error, Result};
use std::{collections::HashMap, sync::Arc};
use store::{FirmwareRecord, Read, Tx};
use types::{FirmwareId, Quirks, Timestamp};
use uuid::Uuid;

/// Kinds of firmware that are remembered. Beyond, the one that was not seen the longest goes, unless it
/// is pinned: made-up vendor classes must not fill the database.
const MAX: usize = 1000;
/// Failures in a row after which a way that worked once counts as not working: one may be a cable.
const DOUBTED: u32 = 2;

/// How the firmware's part of a boot ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Whose it was.
    pub kind: FirmwareKind,
    /// The way that it went.
    pub tried: Quirks,
    pub at: Timestamp,
    /// It came to its script; else it stopped before.
    pub worked: bool,
}

impl Firmwares {
    /// Remembers how boots went: the way that worked becomes that of its kind, when nothing else worked
    /// there before or that failed repeatedly.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) async fn learn(&self, outcomes: Vec<Outcome>) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            // Computers of a kind that is new begin together: they are one row.
            let mut fresh: HashMap<FirmwareKind, FirmwareId> = HashMap::new();
            for outcome in outcomes {
                let id = fresh.get(&outcome.kind).copied();
                let id = id.or_else(|| inner.id_of(&outcome.kind));
                let old = id.map(|id| tx.get(&id)).transpose()?.flatten();
                let old = match (old, &outcome.kind) {
                    (Some(old), _) => old,
                    // Its pin was taken away meanwhile.
                    (None, FirmwareKind::Client(_)) => continue,
                    (None, kind) => {
                        make_room(&inner, tx)?;
                        blank(kind.clone())
                    }
                };
                fresh.insert(outcome.kind.clone(), old.id);
                let record = after(old, &outcome);
                tx.put(&record)?;
                let inner = inner.clone();
                tx.on_commit(move || inner.remember(record));
            }
            Ok::<_, Error>(())
        });
        write.await
    }
}

/// A kind that nothing is known of.
pub(super) fn blank(kind: FirmwareKind) -> FirmwareRecord {
    FirmwareRecord {
        id: FirmwareId(Uuid::now_v7()),
        kind,
        form: None,
        loader: None,
        block_size: None,
        delay_ms: None,
        pace: None,
        pinned: false,
        worked: 0,
        failed: 0,
        failed_since: 0,
        last_worked_at: None,
        last_failed_at: None,
        revision: 1,
    }
}

/// The row after a boot that went so.
fn after(r: FirmwareRecord, outcome: &Outcome) -> FirmwareRecord {
    let tried = outcome.tried;
    let is_known = r.pinned || quirks_of(&r) == tried;
    match (outcome.worked, is_known) {
        (true, true) => worked(r, outcome.at),
        (true, false) if r.worked == 0 || r.failed_since >= DOUBTED => {
            worked(with_quirks(r, tried), outcome.at)
        }
        // One computer's own: it keeps it as long as it is remembered in memory.
        (true, false) => r,
        (false, true) => FirmwareRecord {
            failed: r.failed.saturating_add(1),
            failed_since: r.failed_since.saturating_add(1),
            last_failed_at: Some(outcome.at),
            ..r
        },
        // What was only tried is not worth remembering.
        (false, false) => r,
    }
}

fn worked(r: FirmwareRecord, at: Timestamp) -> FirmwareRecord {
    FirmwareRecord {
        worked: r.worked.saturating_add(1),
        failed_since: 0,
        last_worked_at: Some(at),
        ..r
    }
}

/// Takes the kind away that was not seen the longest, when a new one would be too many.
fn make_room(inner: &Arc<Inner>, tx: &mut Tx<'_>) -> Result<()> {
    let all: Vec<FirmwareRecord> = tx.list_readable(None)?;
    if all.len() < MAX {
        return Ok(());
    }
    let seen = |r: &&FirmwareRecord| r.last_worked_at.max(r.last_failed_at);
    if let Some(oldest) = all.iter().filter(|r| !r.pinned).min_by_key(seen) {
        let (id, inner) = (oldest.id, inner.clone());
        tx.remove::<FirmwareRecord>(&id);
        tx.on_commit(move || inner.forget(id));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::LoaderKind;

    const AT: Timestamp = Timestamp(1_800_000_000_000_000);
    const OTHER: Quirks = Quirks {
        form: None,
        loader: Some(LoaderKind::Ipxe),
        block_size: None,
        delay_ms: None,
        pace: None,
    };

    fn row(worked: u32, failed_since: u32) -> FirmwareRecord {
        let kind = FirmwareKind::Model {
            oui: [2, 0, 0],
            vendor_class: "PXEClient".into(),
        };
        FirmwareRecord {
            worked,
            failed_since,
            ..blank(kind)
        }
    }

    fn outcome(tried: Quirks, worked: bool) -> Outcome {
        Outcome {
            kind: row(0, 0).kind,
            tried,
            at: AT,
            worked,
        }
    }

    #[test]
    fn what_worked_first_is_remembered() {
        let r = after(row(0, 1), &outcome(OTHER, true));
        assert_eq!((quirks_of(&r), r.worked, r.failed_since), (OTHER, 1, 0));
    }

    #[test]
    fn one_failure_of_what_works_changes_nothing_and_a_second_does() {
        let r = after(row(29, 1), &outcome(OTHER, true));
        assert_eq!((quirks_of(&r), r.worked), (Quirks::default(), 29));
        let r = after(row(29, 2), &outcome(OTHER, true));
        assert_eq!((quirks_of(&r), r.worked), (OTHER, 1));
    }

    #[test]
    fn only_the_known_way_is_counted_as_failed() {
        let r = after(row(3, 0), &outcome(Quirks::default(), false));
        assert_eq!(
            (r.failed, r.failed_since, r.last_failed_at),
            (1, 1, Some(AT))
        );
        assert_eq!(after(row(3, 0), &outcome(OTHER, false)).failed, 0);
        let r = after(r, &outcome(Quirks::default(), true));
        assert_eq!((r.worked, r.failed, r.failed_since), (4, 1, 0));
    }

    #[test]
    fn a_pin_stays_whatever_works() {
        let pinned = FirmwareRecord {
            pinned: true,
            ..row(0, 5)
        };
        let r = after(pinned, &outcome(OTHER, true));
        assert_eq!((quirks_of(&r), r.worked), (Quirks::default(), 1));
    }
}
