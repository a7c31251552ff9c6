//! Settings that were made in the page.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::Timestamp;

/// One setting. The value is the text that the config file would hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SettingRecord {
    /// Dotted, as in the config file: `clients.unknown`.
    pub key: String,
    /// Its value as text.
    pub value: String,
    /// When it was last set.
    pub updated_at: Timestamp,
}
record!(SettingRecord, kind 7, schema 1, table "settings", String, |r| r.key.clone());
