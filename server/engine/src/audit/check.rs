//! Reading the log: newest first with filters, in order for export, and the check of its chain.

use super::{Audit, chained};
use crate::{Error, Result};
use store::{AuditHeadRecord, AuditRecord, Read, ReadTx};
use types::{AuditCheckView, AuditView, Timestamp, hex};

/// Entries read from the database at a time.
const CHUNK: usize = 512;

/// Which entries are wanted; what is None does not matter.
#[derive(Clone, Default, Debug)]
pub struct AuditFilter {
    /// The actor's name, whole; case does not matter.
    pub actor: Option<String>,
    /// The action or its noun: `client.update`, `client`.
    pub action: Option<String>,
    /// The target's name or id, whole.
    pub target: Option<String>,
    /// `ok`, a code, or `refused` for any code.
    pub result: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
}

impl AuditFilter {
    fn takes(&self, e: &AuditView) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted
                .as_ref()
                .is_none_or(|w| w.eq_ignore_ascii_case(found))
        };
        let action = self.action.as_ref().is_none_or(|wanted| {
            let rest = e.action.strip_prefix(wanted.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let target = self.target.as_ref().is_none_or(|wanted| {
            e.target.name.eq_ignore_ascii_case(wanted) || e.target.id.as_ref() == Some(wanted)
        });
        let result = match self.result.as_deref() {
            Some("refused") => e.result != super::OK,
            _ => same(&self.result, &e.result),
        };
        action
            && target
            && result
            && same(&self.actor, &e.actor.name)
            && self.since.is_none_or(|t| e.at >= t)
            && self.until.is_none_or(|t| e.at < t)
    }
}

/// A check of the whole log, in steps, so that it can show progress and be cancelled.
pub struct Check {
    audit: Audit,
    head: AuditHeadRecord,
    next: u64,
    hash: [u8; 32],
    fault: Option<String>,
}

impl Audit {
    /// Up to `limit` entries that the filter takes, the newest first; those before the number
    /// `before` when it is given.
    ///
    /// # Errors
    /// When the database can't be read. An entry that can't be is left out with a warning.
    pub(crate) async fn list(
        &self,
        filter: AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditView>> {
        let read = move |tx: &ReadTx| {
            let mut found = Vec::new();
            let mut before = before;
            while found.len() < limit {
                let rows = tx.newest::<AuditRecord>(before.as_ref(), CHUNK)?;
                let Some(last) = rows.last() else { break };
                before = Some(last.seq);
                for entry in rows.iter().filter_map(entry) {
                    if filter.takes(&entry) && found.len() < limit {
                        found.push(entry);
                    }
                }
            }
            Ok(found)
        };
        self.inner.store.read_long(read).await
    }

    /// Entries from the number `from` on that the filter takes, in their order, and the number to
    /// go on from; None at the end. For export: a piece at a time, whatever the length of the log.
    ///
    /// # Errors
    /// As [`Audit::list`].
    pub(crate) async fn export(
        &self,
        filter: AuditFilter,
        from: u64,
    ) -> Result<(Vec<AuditView>, Option<u64>)> {
        let read = move |tx: &ReadTx| {
            let rows = tx.list_from::<AuditRecord>(&from, CHUNK)?;
            let next = rows.last().filter(|_| rows.len() == CHUNK);
            let next = next.map(|r| r.seq + 1);
            let entries = rows.iter().filter_map(entry);
            Ok((entries.filter(|e| filter.takes(e)).collect(), next))
        };
        self.inner.store.read_long(read).await
    }

    /// Begins a check of all that is there now.
    ///
    /// # Errors
    /// When the database can't be read.
    pub(crate) fn check(&self) -> Result<Check> {
        let (head, behind) = self.inner.store.read(|tx| {
            let head: AuditHeadRecord = tx.get(&())?.unwrap_or_default();
            let behind = tx.list_all_from::<AuditRecord>(&(head.seq + 1), 1);
            Ok::<_, Error>((head, behind))
        })?;
        // The end was put back, or was lost.
        let fault = match behind {
            Ok(behind) => behind.first().map(|r| {
                format!(
                    "the log is said to end at {}, and there is {}",
                    head.seq, r.seq
                )
            }),
            Err(e @ store::Error::Record { .. }) => Some(e.to_string()),
            Err(e) => return Err(e.into()),
        };
        Ok(Check {
            audit: self.clone(),
            head,
            next: 1,
            hash: [0; 32],
            fault,
        })
    }
}

impl Check {
    /// Entries that there are to read.
    pub fn total(&self) -> u64 {
        self.head.seq
    }

    /// Reads some more; the number of entries read so far, or None when it is over.
    ///
    /// # Errors
    /// When the database can't be read. An entry that can't be read is a finding, no error.
    pub fn step(&mut self) -> Result<Option<u64>> {
        if self.fault.is_some() || self.next > self.head.seq {
            return Ok(None);
        }
        let read = self
            .audit
            .inner
            .store
            .read(|tx| tx.list_all_from::<AuditRecord>(&self.next, CHUNK));
        let rows = match read {
            Ok(rows) => rows,
            Err(e @ store::Error::Record { .. }) => {
                self.fault = Some(e.to_string());
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        };
        if rows.is_empty() {
            self.missing();
            return Ok(None);
        }
        for row in &rows {
            if self.next > self.head.seq {
                break;
            }
            if row.seq != self.next {
                self.missing();
                return Ok(None);
            }
            self.hash = chained(&self.hash, row.seq, &row.body);
            if self.hash != row.hash {
                self.fault = Some(format!(
                    "entry {} is not as it was written, or those before it are not",
                    row.seq
                ));
                return Ok(None);
            }
            self.next += 1;
        }
        Ok(Some(self.next - 1))
    }

    fn missing(&mut self) {
        self.fault = Some(format!("entry {} is missing", self.next));
    }

    /// What was found, after the last step.
    pub fn found(self) -> AuditCheckView {
        let ended = self.next > self.head.seq;
        let fault = self.fault.or_else(|| {
            (ended && self.hash != self.head.hash)
                .then(|| "the newest entry is not the one that was written last".to_string())
        });
        AuditCheckView {
            intact: fault.is_none() && ended,
            entries: self.next - 1,
            head: hex(&self.head.hash),
            fault,
        }
    }
}

/// None, with a warning, for one whose text can't be read; [`Check`] tells of it, too.
fn entry(record: &AuditRecord) -> Option<AuditView> {
    match serde_json::from_str::<AuditView>(&record.body) {
        Ok(entry) => Some(AuditView {
            hash: hex(&record.hash),
            ..entry
        }),
        Err(error) => {
            tracing::warn!(seq = record.seq, %error, "an audit entry is left out");
            None
        }
    }
}
