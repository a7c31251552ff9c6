//! The audit log: who changed what, from where, and how it ended.

use crate::{Role, Timestamp};
use serde::{Deserialize, Serialize};

/// The way by which somebody came in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A server function of the page.
    Page,
    /// REST, by whatever program.
    Rest,
    /// The command line; it says so itself.
    Cli,
    /// NSBoot of its own accord.
    System,
}

/// What kind of caller it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// An account, signed in.
    User,
    /// An API token.
    Token,
    /// A command on the box itself, over the local socket.
    Local,
    /// NSBoot.
    System,
    /// Nobody that we know: a refused sign-in.
    Unknown,
}

/// Who did it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ActorView {
    pub kind: ActorKind,
    /// Id of the account or token, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The account's name as of then, `ada/ci` for a token of Ada's.
    pub name: String,
}

/// What it was done to.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TargetView {
    /// `client`, `image`, `user` ...
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name as of then.
    pub name: String,
}

/// One entry of the audit log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AuditView {
    /// Rises by one with each entry.
    pub seq: u64,
    pub at: Timestamp,
    pub actor: ActorView,
    /// What the caller was allowed then; None for one that we don't know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    pub way: Way,
    /// The address it came from; None for the box itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Noun and verb: `client.update`.
    pub action: String,
    pub target: TargetView,
    /// What differs, as it was before; None for something new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub before: Option<serde_json::Value>,
    /// What differs, as it was after; None for something removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub after: Option<serde_json::Value>,
    /// `ok`, or the code of the problem that it was refused with.
    pub result: String,
    /// SHA-256 over the entry before and this one, hex.
    #[serde(default)]
    pub hash: String,
}

/// What `audit verify` found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AuditCheckView {
    /// Whether every entry is as it was written, and none is missing.
    pub intact: bool,
    /// Entries that were read.
    pub entries: u64,
    /// Hash of the newest entry, hex. Kept elsewhere it shows later whether the whole log was replaced.
    pub head: String,
    /// The first entry that is wrong, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}
