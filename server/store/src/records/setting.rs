//! Settings that were made in the page.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{RevisionState, Timestamp};

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

/// One change of settings, as the history keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SettingsRevisionRecord {
    /// Rises by one with each change, from 1.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it, as JSON.
    pub actor: String,
    /// What differs.
    pub changes: Vec<SettingChangeRecord>,
    /// What became of it.
    pub state: RevisionState,
    /// Why it went back.
    pub note: Option<String>,
    /// The change that this one undid.
    pub undoes: Option<u64>,
}
record!(SettingsRevisionRecord, kind 15, schema 1, table "settings_revisions", u64, |r| r.number);

/// One setting that a change touched; the values as [`SettingRecord`] has them, none for no row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SettingChangeRecord {
    /// Dotted.
    pub key: String,
    /// Before.
    pub before: Option<String>,
    /// After.
    pub after: Option<String>,
}
