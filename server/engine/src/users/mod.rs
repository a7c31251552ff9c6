//! Users: accounts, the first one by a one-time code, their sessions and API tokens.

mod accounts;
mod api_tokens;
mod cookie;
mod password;
mod sessions;
mod setup;
#[cfg(test)]
mod tests;
mod throttle;
mod token;

use crate::{
    Actor, Area, Audit, By, Error, Result,
    audit::{Change, target},
    now,
};
use password::Hasher;
use std::{
    collections::HashMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use store::{Read, SessionRecord, Store, TokenRecord, UserRecord};
use throttle::Throttle;
pub(crate) use throttle::network;
pub(crate) use token::load_or_make;
use token::{Claims, Tokens};
use tokio::sync::watch;
use types::{LoginParams, MeView, Role, SessionId, Timestamp, TokenId, TokenView, UserId};
use uuid::Uuid;

/// The account that `NSBOOT_ADMIN_PASSWORD` makes.
const ADMIN: &str = "admin";

/// Who is asking: what a valid token says, of a session or an API token that is still there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Who.
    pub actor: Actor,
    /// The account behind it; None on the local socket.
    pub user_id: Option<UserId>,
    /// What it may do, as of now.
    pub role: Role,
    /// The sign-in; None for API tokens and the local socket.
    pub session_id: Option<SessionId>,
    /// When the sign-in or the token ends.
    pub expires_at: Timestamp,
}

/// Accounts and sessions. Cheap to clone.
#[derive(Clone)]
pub struct Users {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
    audit: Audit,
    hasher: Hasher,
    tokens: Tokens,
    throttle: Mutex<Throttle>,
    setup_code: setup::Code,
    live: RwLock<Live>,
    /// Raised after each change of `live`.
    changes: watch::Sender<u64>,
}

/// What is committed, as each request looks it up.
#[derive(Default)]
struct Live {
    users: HashMap<UserId, UserRecord>,
    sessions: HashMap<SessionId, SessionRecord>,
    tokens: HashMap<TokenId, TokenRecord>,
}

impl Users {
    /// Reads the accounts, makes the key on the first start, and the first admin when a password
    /// for it is given and there is no account yet.
    pub(crate) fn open(
        store: Arc<Store>,
        audit: Audit,
        keys: &Path,
        admin_password: Option<&str>,
    ) -> Result<Self> {
        let mut users: Vec<UserRecord> = store.read(|tx| tx.list())?;
        let sessions: Vec<SessionRecord> = store.read(|tx| tx.list_readable(None))?;
        let api_tokens: Vec<TokenRecord> = store.read(|tx| tx.list_readable(None))?;
        if users.is_empty()
            && let Some(password) = admin_password
        {
            password::check(ADMIN, password).map_err(|e| match e {
                Error::Invalid { area, message, .. } => Error::Invalid {
                    area,
                    field: "NSBOOT_ADMIN_PASSWORD",
                    message,
                },
                e => e,
            })?;
            let admin = new_user(ADMIN, password::hash(password)?, Role::Admin);
            let (record, log) = (admin.clone(), audit.clone());
            store.write_wait(move |tx| {
                tx.put(&record)?;
                let change = Change::act("user.create", "user", record.id, &record.name)
                    .facts(None, Some(accounts::facts(&record)));
                log.record(tx, &By::system("NSBOOT_ADMIN_PASSWORD"), change)
            })?;
            users.push(admin);
        }
        let setup_code = match users.is_empty() {
            true => setup::Code::make()?,
            false => setup::Code::default(),
        };
        Ok(Users {
            inner: Arc::new(Inner {
                store,
                audit,
                hasher: Hasher::new()?,
                tokens: Tokens::open(keys)?,
                throttle: Mutex::default(),
                setup_code,
                live: RwLock::new(Live {
                    users: users.into_iter().map(|u| (u.id, u)).collect(),
                    sessions: sessions.into_iter().map(|s| (s.id, s)).collect(),
                    tokens: api_tokens.into_iter().map(|t| (t.id, t)).collect(),
                }),
                changes: watch::Sender::new(0),
            }),
        })
    }

    /// Signs in. Failed tries are counted by account and by the address that `by` says.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for a wrong name or password, which of them is not said;
    /// [`Error::TooMany`] with the seconds to wait; [`Error::Unavailable`] in a flood.
    pub async fn login(&self, by: By, params: LoginParams) -> Result<TokenView> {
        let name = params.username.clone();
        let signed_in = self.try_login(&by, params).await;
        // What the server itself could not do is no failure of whoever signs in.
        let theirs = |e: &&Error| matches!(e, Error::Unauthorized(_) | Error::TooMany { .. });
        if let Some(e) = signed_in.as_ref().err().filter(theirs) {
            failed(&by, &name, e);
        }
        signed_in
    }

    async fn try_login(&self, by: &By, params: LoginParams) -> Result<TokenView> {
        let from = address(by);
        let user_name = target(
            "user",
            None,
            &params.username.chars().take(32).collect::<String>(),
        );
        // Not in the audit log: the tries before it were, and who waits may ask as often as they like.
        self.inner.try_begin(&params.username, from)?;
        let user = self.inner.live(|l| {
            let same = |u: &&UserRecord| u.name.eq_ignore_ascii_case(&params.username);
            l.users.values().find(same).cloned()
        });
        let phc = user.as_ref().map(|u| u.password_hash.clone());
        let right = self.inner.hasher.verify(params.password, phc).await?;
        match user {
            Some(user) if right => {
                self.inner.try_done(&params.username, from);
                self.open_session(by, &user).await
            }
            _ => {
                let wrong = Error::Unauthorized("the user name or the password is wrong");
                self.inner
                    .audit
                    .refused(by, "auth.login", user_name, &wrong);
                Err(wrong)
            }
        }
    }

    /// Who holds this access token or API token. Called on every request: no I/O.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] unless the token is valid and its session and user are there.
    pub fn authenticate(&self, access_token: &str) -> Result<Identity> {
        if let Some(text) = access_token.strip_prefix(api_tokens::PREFIX) {
            return self.inner.who_by_token(text);
        }
        let claims = self.inner.tokens.check_access(access_token)?;
        self.inner.who(&claims, |_| true)
    }

    /// Wakes whenever an account or a session changed: a long answer then looks again whether its
    /// caller may still have it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// What `/auth/me` answers.
    pub fn me(&self, who: &Identity) -> MeView {
        MeView {
            id: who.user_id,
            username: who.actor.view().name,
            role: who.role,
            session_id: who.session_id,
            expires_at: who.expires_at,
        }
    }
}

impl Identity {
    /// Whoever may open the socket in the data directory: they own the server anyway.
    pub fn local() -> Identity {
        Identity {
            actor: Actor::Local,
            user_id: None,
            role: Role::Admin,
            session_id: None,
            expires_at: now().plus_seconds(3600),
        }
    }
}

/// Tells the log of a sign-in that failed, in words that programs look for. Names come from anyone: no
/// more of them than an account may have.
fn failed(by: &By, name: &str, error: &Error) {
    tracing::warn!(
        event = "auth.failed",
        user = name.chars().take(32).collect::<String>(),
        address = %address(by).to_canonical(),
        code = error.code(),
        "a sign-in failed"
    );
}

/// What tries are counted under; the box itself is one address.
fn address(by: &By) -> IpAddr {
    by.address
        .unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
}

impl Inner {
    /// Whose live session a good token names, when `holds` agrees, too.
    fn who(&self, claims: &Claims, holds: impl FnOnce(&SessionRecord) -> bool) -> Result<Identity> {
        self.live(|l| {
            let session = l.sessions.get(&claims.sid)?;
            let user = l.users.get(&session.user_id)?;
            let live = session.user_id == claims.sub && session.expires_at > now();
            (live && holds(session)).then(|| Identity {
                actor: Actor::User {
                    id: user.id,
                    name: user.name.clone(),
                },
                user_id: Some(user.id),
                role: user.role,
                session_id: Some(session.id),
                expires_at: session.expires_at,
            })
        })
        .ok_or(Error::Unauthorized("the session has ended"))
    }

    fn live<T>(&self, read: impl FnOnce(&Live) -> T) -> T {
        read(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_live(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.live.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|n| *n += 1);
    }

    fn try_begin(&self, account: &str, from: IpAddr) -> Result<()> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle
            .begin(account, from, now())
            .map_err(|retry_after_seconds| Error::TooMany {
                area: Area::Auth,
                retry_after_seconds,
            })
    }

    fn try_done(&self, account: &str, from: IpAddr) {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.clear(account, from);
    }
}

fn new_user(name: &str, password_hash: String, role: Role) -> UserRecord {
    UserRecord {
        id: UserId(Uuid::now_v7()),
        name: name.into(),
        password_hash,
        role,
        created_at: now(),
        revision: 1,
    }
}

/// What an account may be called.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let message = if name.is_empty() || name.len() > 32 {
        "a user name has 1 to 32 characters"
    } else if !name.chars().all(fits) {
        "a user name has letters a-z, digits, dots, hyphens and underscores only"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "a user name begins with a letter or a digit"
    } else {
        return Ok(());
    };
    Err(Error::invalid(Area::User, "username", message))
}
