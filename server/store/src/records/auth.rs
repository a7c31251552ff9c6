//! Users and their sessions.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{Role, SessionId, Timestamp, UserId};

/// Someone who signs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// Their id.
    pub id: UserId,
    /// Unique without regard to case.
    pub name: String,
    /// argon2id, as a PHC string.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Raised by one with each change.
    pub revision: u64,
}
record!(UserRecord, kind 5, schema 1, table "users", UserId, |r| r.id);

/// One sign-in: a family of refresh tokens, of which one is valid at a time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
    /// Raised by one with each refresh; an older one that is shown again was stolen.
    pub generation: u64,
    /// SHA-256 of the secret part of the valid refresh token.
    pub refresh_hash: [u8; 32],
}
record!(SessionRecord, kind 6, schema 1, table "sessions", SessionId, |r| r.id);
