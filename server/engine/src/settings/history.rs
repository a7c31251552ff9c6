//! What was changed: one record a change, kept beside the settings and written with them in one
//! transaction.

use super::{change::RowChange, sources::Saved};
use crate::{
    Area, Audit, By, Error, Result,
    audit::{Change, target},
    now,
};
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Read, ReadTx, SettingRecord, SettingsRevisionRecord, Store, Tx};
use types::{ActorKind, ActorView, RevisionState, SettingsRevisionView};

/// Changes that are kept; the oldest go first.
const KEEP: u64 = 500;

/// Saves a change with its entry.
///
/// # Errors
/// When the database fails; then nothing is changed.
pub(super) async fn save(
    store: &Arc<Store>,
    audit: &Audit,
    by: &By,
    record: &SettingsRevisionRecord,
) -> Result<()> {
    let action = match record.undoes {
        Some(_) => "setting.undo",
        None => "setting.update",
    };
    let change = entry(action, record);
    let (audit, by, record) = (audit.clone(), by.clone(), record.clone());
    let write = move |tx: &mut Tx<'_>| {
        put_rows(tx, &record, |c| c.after.clone())?;
        tx.put(&record)?;
        // One on trial may go back, and then what it undoes holds again.
        if record.state != RevisionState::OnTrial {
            mark_undone(tx, &record)?;
        }
        if let Some(old) = record.number.checked_sub(KEEP) {
            tx.remove::<SettingsRevisionRecord>(&old);
        }
        audit.record(tx, &by, change)
    };
    store.write(write).await
}

/// Puts the rows of a change back as they were, and says why.
///
/// # Errors
/// When the database fails.
pub(super) async fn revert(
    store: &Arc<Store>,
    audit: &Audit,
    by: &By,
    record: SettingsRevisionRecord,
    why: &str,
) -> Result<()> {
    let (audit, by, why) = (audit.clone(), by.clone(), why.to_string());
    let write = move |tx: &mut Tx<'_>| put_back(tx, &audit, &by, record, why);
    store.write(write).await
}

/// Marks a change on trial as confirmed.
///
/// # Errors
/// When the database fails.
pub(super) async fn confirm(
    store: &Arc<Store>,
    audit: &Audit,
    by: &By,
    record: SettingsRevisionRecord,
) -> Result<()> {
    let (audit, by) = (audit.clone(), by.clone());
    let write = move |tx: &mut Tx<'_>| {
        let number = record.number;
        mark_undone(tx, &record)?;
        tx.put(&SettingsRevisionRecord {
            state: RevisionState::Confirmed,
            ..record
        })?;
        let change = Change::act("setting.confirm", "setting", number, &title(number));
        audit.record(tx, &by, change)
    };
    store.write(write).await
}

/// Marks the change that this one undoes, if any.
fn mark_undone(tx: &mut Tx<'_>, by: &SettingsRevisionRecord) -> Result<()> {
    let Some(number) = by.undoes else {
        return Ok(());
    };
    if let Some(old) = tx.get::<SettingsRevisionRecord>(&number)? {
        tx.put(&SettingsRevisionRecord {
            state: RevisionState::Undone,
            note: Some(format!("undone by change {}", by.number)),
            ..old
        })?;
    }
    Ok(())
}

/// Nobody can say any more whether the server could be reached: the change goes back.
///
/// # Errors
/// When the database fails.
pub(super) fn end_trial_of_earlier_run(store: &Arc<Store>, audit: &Audit) -> Result<()> {
    let all: Vec<SettingsRevisionRecord> = store.read(|tx| tx.list_readable(None))?;
    // The newest first. There are several only when the database could not be written in between.
    let waiting = all.into_iter().rev();
    for record in waiting.filter(|r| r.state == RevisionState::OnTrial) {
        tracing::warn!(
            change = record.number,
            "settings go back: nobody confirmed the network change before the server ended"
        );
        let audit = audit.clone();
        store.write_wait(move |tx| {
            let why = "the server ended before anybody confirmed it".into();
            put_back(tx, &audit, &By::system("settings"), record, why)
        })?;
    }
    Ok(())
}

fn put_back(
    tx: &mut Tx<'_>,
    audit: &Audit,
    by: &By,
    record: SettingsRevisionRecord,
    why: String,
) -> Result<()> {
    put_rows(tx, &record, |c| c.before.clone())?;
    let Change { before, after, .. } = entry("", &record);
    let change = Change::act(
        "setting.revert",
        "setting",
        record.number,
        &title(record.number),
    );
    audit.record(tx, by, change.facts(after, before))?;
    tx.put(&SettingsRevisionRecord {
        state: RevisionState::Reverted,
        note: Some(why),
        ..record
    })?;
    Ok(())
}

fn put_rows(
    tx: &mut Tx<'_>,
    record: &SettingsRevisionRecord,
    pick: impl Fn(&store::SettingChangeRecord) -> Option<String>,
) -> Result<()> {
    for change in &record.changes {
        match pick(change) {
            Some(value) => tx.put(&SettingRecord {
                key: change.key.clone(),
                value,
                updated_at: now(),
            })?,
            None => tx.remove::<SettingRecord>(&change.key),
        }
    }
    Ok(())
}

/// The entry of the audit log, with the rows before and after.
fn entry(action: &'static str, record: &SettingsRevisionRecord) -> Change {
    let facts = |pick: fn(&store::SettingChangeRecord) -> &Option<String>| {
        let row = |c: &store::SettingChangeRecord| {
            (
                c.key.clone(),
                pick(c).clone().map_or(Value::Null, Value::String),
            )
        };
        Some(Value::Object(
            record.changes.iter().map(row).collect::<Map<_, _>>(),
        ))
    };
    Change {
        action,
        target: target("setting", Some(record.number.to_string()), &named(record)),
        before: facts(|c| &c.before),
        after: facts(|c| &c.after),
    }
}

/// The change with what it is about.
fn named(record: &SettingsRevisionRecord) -> String {
    let keys: Vec<_> = record.changes.iter().map(|c| c.key.as_str()).collect();
    format!("change {} ({})", record.number, keys.join(", "))
}

fn title(number: u64) -> String {
    format!("change {number}")
}

/// A change by its number.
///
/// # Errors
/// [`Error::NotFound`], or when the database can't be read.
pub(super) fn find(store: &Store, number: u64) -> Result<SettingsRevisionRecord> {
    let found = store.read::<_, Error>(|tx| Ok(tx.get(&number)?))?;
    found.ok_or_else(|| Error::not_found(Area::Setting, format!("change {number}")))
}

/// The changes that are kept, the newest first.
///
/// # Errors
/// When the database can't be read.
pub(super) async fn list(store: &Arc<Store>) -> Result<Vec<SettingsRevisionView>> {
    let read = |tx: &ReadTx| {
        let records: Vec<SettingsRevisionRecord> = tx.list_readable(None)?;
        Ok(records.iter().rev().map(view).collect())
    };
    store.read_long(read).await
}

/// A change as shown.
pub(super) fn view(record: &SettingsRevisionRecord) -> SettingsRevisionView {
    let nobody = || ActorView {
        kind: ActorKind::Unknown,
        id: None,
        name: "unknown".into(),
    };
    SettingsRevisionView {
        number: record.number,
        at: record.at,
        actor: serde_json::from_str(&record.actor).unwrap_or_else(|_| nobody()),
        changes: record
            .changes
            .iter()
            .map(|c| RowChange::from(c).view())
            .collect(),
        state: record.state,
        note: record.note.clone(),
        undoes: record.undoes,
    }
}

/// Looks for later changes of the same settings. One that was taken back is none, and neither is the one
/// that took it back. What is over already is for [`inverse`] to say.
///
/// # Errors
/// [`Error::Conflict`] when there is one, even where it left the same value; or when the database fails.
pub(super) fn no_later(store: &Arc<Store>, record: &SettingsRevisionRecord) -> Result<()> {
    let all: Vec<SettingsRevisionRecord> = store.read(|tx| tx.list_readable(None))?;
    let holds = |r: &&SettingsRevisionRecord| {
        let cancelled = matches!(r.state, RevisionState::Undone | RevisionState::Reverted);
        let cancels = r.undoes.is_some_and(|undone| undone > record.number);
        r.number > record.number && !cancelled && !cancels
    };
    let is_over = matches!(
        record.state,
        RevisionState::Undone | RevisionState::Reverted
    );
    for later in all.iter().filter(holds).filter(|_| !is_over) {
        let mut keys = later.changes.iter().map(|c| &c.key);
        let same = |key: &&String| record.changes.iter().any(|c| c.key == **key);
        if let Some(key) = keys.find(same) {
            return Err(Error::conflict(
                Area::Setting,
                format!("`{key}` was changed again by change {}", later.number),
                "Undo the later change first, or set the value that you want.",
            ));
        }
    }
    Ok(())
}

/// The rows that undo a change.
///
/// # Errors
/// [`Error::Conflict`] when it does not hold any more.
pub(super) fn inverse(record: &SettingsRevisionRecord, saved: &Saved) -> Result<Vec<RowChange>> {
    let over = |message: String, hint: &str| Err(Error::conflict(Area::Setting, message, hint));
    match record.state {
        RevisionState::Undone => {
            return over(
                format!("change {} is undone already", record.number),
                "Nothing is left to do.",
            );
        }
        RevisionState::Reverted => {
            return over(
                format!("change {} went back already", record.number),
                "Nothing is left to do.",
            );
        }
        RevisionState::Applied | RevisionState::Confirmed | RevisionState::OnTrial => {}
    }
    let mut rows = Vec::new();
    for change in &record.changes {
        if saved.get(&change.key) != change.after.as_ref() {
            return over(
                format!(
                    "`{}` was changed again after change {}",
                    change.key, record.number
                ),
                "Undo the later change first, or set the value that you want.",
            );
        }
        rows.push(RowChange {
            key: change.key.clone(),
            before: change.after.clone(),
            after: change.before.clone(),
        });
    }
    Ok(rows)
}
