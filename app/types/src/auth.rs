//! Signing in.

use crate::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// What a user may do. Ordered: a higher role may do all that a lower one may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Admin,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginParams {
    pub username: String,
    pub password: String,
}

/// The first account, made by whoever holds the one-time code that the server printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetupParams {
    pub code: String,
    pub username: String,
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshParams {
    pub refresh_token: String,
}

/// The answer to login and refresh.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenView {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in_seconds: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MeView {
    pub id: UserId,
    pub username: String,
    pub role: Role,
    pub session_id: SessionId,
    pub session_expires_at: Timestamp,
}

/// The cookie that holds a browser's sign-in: the session's refresh token, which the page's
/// server functions set as `HttpOnly; SameSite=Strict; Path=/` and never rotate.
pub const SESSION_COOKIE: &str = "nsboot_session";
