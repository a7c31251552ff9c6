//! What is remembered of how boots went.

use super::{FirmwareKind, Firmwares, Inner, lock, quirks_of, with_quirks};
use crate::{Error, Result};
use std::sync::Arc;
use store::{FirmwareRecord, Read, Tx};
use types::{FirmwareId, MacAddr, Quirks, Timestamp};
use uuid::Uuid;

/// Kinds of firmware that are remembered. Beyond, the one that was not seen the longest goes, unless it
/// is pinned: made-up vendor classes must not fill the database.
const MAX: usize = 1000;
/// Failures in a row after which a way that worked once counts as not working: one may be a cable.
const DOUBTED: u32 = 2;

/// How the firmware's part of a boot ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub mac: MacAddr,
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
        let seen: Vec<_> = outcomes.into_iter().filter_map(|o| self.seen(o)).collect();
        if seen.is_empty() {
            return Ok(());
        }
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            for (kind, tried, outcome) in seen {
                let old = inner.id_of(&kind);
                let old = old
                    .map(|id| tx.get::<FirmwareRecord>(&id))
                    .transpose()?
                    .flatten();
                let old = match old {
                    Some(old) => old,
                    None => {
                        make_room(&inner, tx)?;
                        blank(kind)
                    }
                };
                let record = after(old, tried, outcome);
                tx.put(&record)?;
                let inner = inner.clone();
                tx.on_commit(move || inner.remember(record));
            }
            Ok::<_, Error>(())
        });
        write.await
    }

    /// Whose row an outcome goes to: the computer's own where it has one.
    fn seen(&self, outcome: Outcome) -> Option<(FirmwareKind, Quirks, Outcome)> {
        let trials = lock(&self.inner.trials);
        let model = trials.kind(outcome.mac)?.clone();
        let tried = trials.given(outcome.mac)?;
        let client = self.inner.clients.find_mac(outcome.mac)?;
        let own = FirmwareKind::Client(client.id);
        let kind = match self.inner.id_of(&own) {
            Some(_) => own,
            None => model,
        };
        Some((kind, tried, outcome))
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

/// The row after a boot that went so, in the way that was tried.
fn after(r: FirmwareRecord, tried: Quirks, outcome: Outcome) -> FirmwareRecord {
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

    fn outcome(worked: bool) -> Outcome {
        Outcome {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            at: AT,
            worked,
        }
    }

    #[test]
    fn what_worked_first_is_remembered() {
        let r = after(row(0, 1), OTHER, outcome(true));
        assert_eq!((quirks_of(&r), r.worked, r.failed_since), (OTHER, 1, 0));
    }

    #[test]
    fn one_failure_of_what_works_changes_nothing_and_a_second_does() {
        let r = after(row(29, 1), OTHER, outcome(true));
        assert_eq!((quirks_of(&r), r.worked), (Quirks::default(), 29));
        let r = after(row(29, 2), OTHER, outcome(true));
        assert_eq!((quirks_of(&r), r.worked), (OTHER, 1));
    }

    #[test]
    fn only_the_known_way_is_counted_as_failed() {
        let r = after(row(3, 0), Quirks::default(), outcome(false));
        assert_eq!(
            (r.failed, r.failed_since, r.last_failed_at),
            (1, 1, Some(AT))
        );
        assert_eq!(after(row(3, 0), OTHER, outcome(false)).failed, 0);
        let r = after(r, Quirks::default(), outcome(true));
        assert_eq!((r.worked, r.failed, r.failed_since), (4, 1, 0));
    }

    #[test]
    fn a_pin_stays_whatever_works() {
        let pinned = FirmwareRecord {
            pinned: true,
            ..row(0, 5)
        };
        let r = after(pinned, OTHER, outcome(true));
        assert_eq!((quirks_of(&r), r.worked), (Quirks::default(), 1));
    }
}
