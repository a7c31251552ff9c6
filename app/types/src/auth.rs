//! Signing in.

use crate::{SessionId, Timestamp, TokenId, UserId};
use serde::{Deserialize, Serialize};

/// What a user may do. Ordered: a higher role may do all that a lower one may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Looks, and changes computers, images and the lab.
    Operator,
    /// All of it, with users, tokens, settings and the audit log.
    Admin,
}

impl Role {
    /// As it is written: `viewer`.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "viewer" => Ok(Role::Viewer),
            "operator" => Ok(Role::Operator),
            "admin" => Ok(Role::Admin),
            _ => Err("a role is one of viewer, operator, admin".into()),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginParams {
    pub username: String,
    pub password: String,
}

/// The first account, made by whoever holds the one-time code that the server printed.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetupParams {
    pub code: String,
    pub username: String,
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefreshParams {
    pub refresh_token: String,
}

/// A new account.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUserParams {
    pub username: String,
    pub password: String,
    pub role: Role,
}

/// A change to an account; what is absent stays. A new role or password ends its sessions.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateUserParams {
    pub username: Option<String>,
    /// Set by an admin, who need not know the old one.
    pub password: Option<String>,
    pub role: Option<Role>,
}

/// One's own password; the other sessions of the account end.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordParams {
    pub current: String,
    pub new: String,
}

/// An account as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UserView {
    pub id: UserId,
    pub username: String,
    pub role: Role,
    pub created_at: Timestamp,
    /// Sign-ins that live now.
    pub session_count: u32,
    /// Its API tokens that have not expired.
    pub token_count: u32,
    /// Raised by one with each change; the ETag of REST.
    pub revision: u64,
}

/// A sign-in as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionView {
    pub id: SessionId,
    pub user_id: UserId,
    pub username: String,
    pub created_at: Timestamp,
    /// When its token was last swapped for a new one; browsers do not swap.
    pub refreshed_at: Timestamp,
    pub expires_at: Timestamp,
    /// The address that signed in.
    pub address: Option<String>,
    /// What signed in, as it called itself (`User-Agent`).
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// How many sessions were ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EndedView {
    pub ended: u32,
}

/// A new API token. It may do what its role says, and never more than its owner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateTokenParams {
    /// What it is for.
    pub name: String,
    pub role: Role,
    /// Days until it expires: 1 to 3650.
    #[serde(default = "default_days")]
    pub expires_in_days: u32,
}

fn default_days() -> u32 {
    90
}

/// An API token as shown: never its secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ApiTokenView {
    pub id: TokenId,
    pub name: String,
    pub user_id: UserId,
    pub username: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A token that was just made: the only time that its secret is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewTokenView {
    /// Goes into `Authorization: Bearer`.
    pub secret: String,
    pub token: ApiTokenView,
}

/// The answer to login and refresh.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenView {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in_seconds: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeView {
    /// None for commands on the box itself, which use the local socket.
    pub id: Option<UserId>,
    pub username: String,
    pub role: Role,
    /// None for API tokens and the local socket.
    pub session_id: Option<SessionId>,
    /// When the session or the token ends.
    pub expires_at: Timestamp,
}

/// The cookie that holds a browser's sign-in: the session's refresh token, which the page's
/// server functions set as `HttpOnly; SameSite=Strict; Path=/` and never rotate.
pub const SESSION_COOKIE: &str = "nsboot_session";

/// The same where the browser sees us over TLS, behind a proxy: then only this host can have set it, and
/// it is never sent in plain (RFC 6265bis section 4.1.3.2).
pub const SECURE_SESSION_COOKIE: &str = "__Host-nsboot_session";
