//! What a change is: rows of the database before and after.

use super::{
    network::{self, BOOT_PREFIX},
    sources::Saved,
};
use crate::{Area, By, Error, Result};
use store::SettingChangeRecord;
use types::{BootNetworkParams, SettingDiffView, SettingValue, UpdateSettingsParams};

/// Longest value, bytes.
const MAX_VALUE: usize = 4096;
/// Longest key, bytes: `boot.` and two names of the kernel's length.
const MAX_KEY: usize = 64;
/// Settings in one change.
const MAX_CHANGES: usize = 64;

/// One row, before and after; none for no row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RowChange {
    pub key: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl RowChange {
    pub fn view(&self) -> SettingDiffView {
        let value = |text: &Option<String>| text.as_ref().map(|t| value_of(&self.key, t));
        SettingDiffView {
            key: self.key.clone(),
            before: value(&self.before),
            after: value(&self.after),
        }
    }

    pub fn record(&self) -> SettingChangeRecord {
        SettingChangeRecord {
            key: self.key.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
        }
    }
}

impl From<&SettingChangeRecord> for RowChange {
    fn from(r: &SettingChangeRecord) -> Self {
        RowChange {
            key: r.key.clone(),
            before: r.before.clone(),
            after: r.after.clone(),
        }
    }
}

/// The rows that a change touches; without those that are so already.
///
/// # Errors
/// [`Error::Invalid`] when a value is not of its key's kind, or too long.
pub(super) fn rows(saved: &Saved, params: &UpdateSettingsParams) -> Result<Vec<RowChange>> {
    if params.values.len() > MAX_CHANGES {
        let rule = format!("at most {MAX_CHANGES} settings at a time");
        return Err(Error::invalid(Area::Setting, "values", rule));
    }
    let mut rows = Vec::new();
    for (key, value) in &params.values {
        if key.len() > MAX_KEY {
            let rule = format!("a key has at most {MAX_KEY} bytes");
            return Err(Error::invalid(Area::Setting, "values", rule));
        }
        let before = saved.get(key).cloned();
        let after = value.as_ref().map(|v| text_of(key, v)).transpose()?;
        if before != after {
            rows.push(RowChange {
                key: key.clone(),
                before,
                after,
            });
        }
    }
    Ok(rows)
}

/// Makes the change in what is saved.
pub(super) fn apply(saved: &mut Saved, rows: &[RowChange]) {
    for row in rows {
        match &row.after {
            Some(text) => drop(saved.insert(row.key.clone(), text.clone())),
            None => drop(saved.remove(&row.key)),
        }
    }
}

fn text_of(key: &str, value: &SettingValue) -> Result<String> {
    let text = match value {
        SettingValue::Boot(params) if key.starts_with(BOOT_PREFIX) => json(key, params)?,
        SettingValue::Text(text) if !key.starts_with(BOOT_PREFIX) => text.trim().to_string(),
        SettingValue::Boot(_) => {
            let rule = format!("`{key}` takes a text");
            return Err(Error::invalid(Area::Setting, "values", rule));
        }
        SettingValue::Text(_) => {
            let rule = format!("`{key}` is a boot network: an object with mode and range");
            return Err(Error::invalid(Area::Setting, "values", rule));
        }
    };
    if text.len() > MAX_VALUE {
        let rule = format!("a value has at most {MAX_VALUE} bytes");
        return Err(Error::invalid(Area::Setting, "values", rule));
    }
    Ok(text)
}

/// A boot network as its row holds it: read and written anew, so that the same means the same text.
fn json(key: &str, params: &BootNetworkParams) -> Result<String> {
    let table = network::table(key, params);
    let read = table.map(|t| network::config(&super::Origin::Database, &t));
    let params = match &read {
        Some(Ok(network)) => &network::params(network),
        // What is wrong with it is said when all is checked.
        _ => params,
    };
    serde_json::to_string(params)
        .map_err(|e| Error::Internal(format!("a boot network can't be written: {e}")))
}

/// A row's text as a value.
pub(super) fn value_of(key: &str, text: &str) -> SettingValue {
    let network = key
        .starts_with(BOOT_PREFIX)
        .then(|| serde_json::from_str(text));
    match network {
        Some(Ok(network)) => SettingValue::Boot(network),
        _ => SettingValue::Text(text.into()),
    }
}

/// Who acts, as the history keeps it.
pub(super) fn actor(by: &By) -> Result<String> {
    serde_json::to_string(&by.actor.view())
        .map_err(|e| Error::Internal(format!("an actor can't be written: {e}")))
}
