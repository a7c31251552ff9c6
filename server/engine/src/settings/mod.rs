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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_setting_is_kept_and_a_bad_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&dir.path().join("nsboot.redb")).unwrap());
        let settings = Settings::new(store);
        settings.set("clients.unknown", "adopt").await.unwrap();
        settings.set("clients.unknown", "discover").await.unwrap();
        let long = "x".repeat(MAX_VALUE + 1);
        for (key, value) in [
            ("", "x"),
            ("A", "x"),
            ("a b", "x"),
            ("é", "x"),
            ("a", &long),
        ] {
            let e = settings.set(key, value).await.unwrap_err();
            assert_eq!(e.code(), "NSB-SETTING-001");
            assert_eq!(settings.get(key).unwrap(), None);
        }
        let now = settings.get("clients.unknown").unwrap();
        assert_eq!(now.as_deref(), Some("discover"));
    }
}
