//! Settings made in the page: texts by dotted name, as the config file would hold them.

use crate::{Area, Error, Result, now};
use std::sync::Arc;
use store::{Read, SettingRecord, Store};

/// Longest value, bytes.
const MAX_VALUE: usize = 4096;

/// The settings kept in the database.
#[derive(Clone)]
pub struct Settings {
    store: Arc<Store>,
}

impl Settings {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Settings { store }
    }

    /// A setting's text, if it was ever set.
    ///
    /// # Errors
    /// When the database can't be read.
    pub fn get(&self, key: &str) -> Result<Option<String>> {
        let found: Option<SettingRecord> = self.store.read(|tx| tx.get(&key.to_string()))?;
        Ok(found.map(|s| s.value))
    }

    /// Sets it; durable when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is not dotted lower case, or a value over 4 KiB.
    pub async fn set(&self, key: &str, value: &str) -> Result<()> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if key.is_empty() || key.len() > 128 || !key.chars().all(fits) {
            return Err(Error::invalid(
                Area::Setting,
                "key",
                "a setting's name is dotted lower case, like clients.unknown",
            ));
        }
        if value.len() > MAX_VALUE {
            return Err(Error::invalid(
                Area::Setting,
                "value",
                format!("a setting's value has at most {MAX_VALUE} bytes"),
            ));
        }
        let record = SettingRecord {
            key: key.into(),
            value: value.into(),
            updated_at: now(),
        };
        self.store.write(move |tx| Ok(tx.put(&record)?)).await
    }
}
