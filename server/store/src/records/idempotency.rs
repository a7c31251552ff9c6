//! Idempotency keys: which changes were asked for under a key, and what was answered.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{Role, Timestamp};

/// A change that was asked for under a key. Written before the change runs, and once more with its
/// answer before that leaves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// SHA-256 over caller and key; the key itself is not kept.
    pub id: [u8; 32],
    /// Who asked: `user:ID`, `token:ID` or `local`.
    pub caller: String,
    /// What they were allowed to do then.
    pub role: Role,
    /// Keyed SHA-256 over what was asked for.
    pub fingerprint: [u8; 32],
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What was answered. None while it runs, and for ever when the server ended meanwhile.
    pub answer: Option<KeptAnswerRecord>,
}
record!(IdempotencyRecord, kind 16, schema 1, table "idempotency", [u8; 32], |r| r.id);

/// An answer, to be given again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptAnswerRecord {
    /// HTTP status.
    pub status: u16,
    /// Names and values of the headers that belong to the answer.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}
