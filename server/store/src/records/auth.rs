//! Users, their sessions and their API tokens.

use crate::{
    Record,
    codec::{CodecError, decode_payload},
    record::record,
};
use serde::{Deserialize, Serialize};
use types::{Role, SessionId, Timestamp, TokenId, UserId};

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
    /// When the valid refresh token was given.
    pub refreshed_at: Timestamp,
    /// The address that signed in.
    pub address: Option<String>,
    /// What signed in, as it called itself.
    pub agent: Option<String>,
}

impl Record for SessionRecord {
    const KIND: u8 = 6;
    const SCHEMA: u16 = 2;
    const TABLE: &'static str = "sessions";
    type Key = SessionId;

    fn key(&self) -> SessionId {
        self.id
    }

    fn upgrade(schema: u16, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            1 => decode_payload::<Session1>(payload).map(Self::from),
            found => Err(CodecError::Schema {
                found,
                newest: Self::SCHEMA,
            }),
        }
    }
}

/// Schema 1 of [`SessionRecord`].
#[derive(Deserialize)]
struct Session1 {
    id: SessionId,
    user_id: UserId,
    created_at: Timestamp,
    expires_at: Timestamp,
    generation: u64,
    refresh_hash: [u8; 32],
}

impl From<Session1> for SessionRecord {
    fn from(old: Session1) -> Self {
        SessionRecord {
            id: old.id,
            user_id: old.user_id,
            created_at: old.created_at,
            expires_at: old.expires_at,
            generation: old.generation,
            refresh_hash: old.refresh_hash,
            refreshed_at: old.created_at,
            address: None,
            agent: None,
        }
    }
}

/// An API token: a name for a program that acts with its owner's leave.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its id, which its text begins with.
    pub id: TokenId,
    /// Whose it is; it goes with them.
    pub user_id: UserId,
    /// What it is for.
    pub name: String,
    /// What it may do, at most what its owner may.
    pub role: Role,
    /// SHA-256 of the secret part of its text.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
record!(TokenRecord, kind 8, schema 1, table "tokens", TokenId, |r| r.id);
