//! What is shown of the keys that seal secrets. No key and no secret.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// The keys that secrets in the database are sealed with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SecretsView {
    /// The one that seals first; others only open.
    pub keys: Vec<SecretKeyView>,
    /// Secrets that none of them opens. Each is made anew when its computer boots next.
    pub lost: u64,
}

/// A key, by its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SecretKeyView {
    /// 16 hexadecimal digits, out of a hash of it.
    pub id: String,
    pub place: KeyPlace,
    /// The file that holds it.
    pub path: String,
    /// None when who made it did not say.
    pub made_at: Option<Timestamp>,
    /// Whether it is the one that seals.
    pub current: bool,
    /// Secrets that are sealed with it.
    pub secrets: u64,
}

/// Who keeps a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// NSBoot, in the data directory.
    File,
    /// systemd, which gives it at each start.
    Credential,
}
