//! Users: accounts, the first one by a one-time code, and their sessions.

mod cookie;
mod password;
mod sessions;
mod setup;
#[cfg(test)]
mod tests;
mod throttle;
mod token;

use crate::{Area, Error, Result, now};
use password::Hasher;
use std::{
    collections::HashMap,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use store::{Read, SessionRecord, Store, UserRecord};
use throttle::Throttle;
use token::{Claims, Tokens};
use tokio::sync::watch;
use types::{LoginParams, MeView, Role, SessionId, Timestamp, TokenView, UserId};
use uuid::Uuid;

/// The account that `NSBOOT_ADMIN_PASSWORD` makes.
const ADMIN: &str = "admin";

/// Who is asking: what a valid access token of a live session says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The account.
    pub user_id: UserId,
    /// Its name.
    pub username: String,
    /// What it may do, as of now.
    pub role: Role,
    /// The sign-in.
    pub session_id: SessionId,
    /// When the sign-in ends.
    pub session_expires_at: Timestamp,
}

/// Accounts and sessions. Cheap to clone.
#[derive(Clone)]
pub struct Users {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<Store>,
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
}

impl Users {
    /// Reads the accounts, makes the key on the first start, and the first admin when a password
    /// for it is given and there is no account yet.
    pub(crate) fn open(
        store: Arc<Store>,
        keys: &Path,
        admin_password: Option<&str>,
    ) -> Result<Self> {
        let (mut users, sessions): (Vec<UserRecord>, Vec<SessionRecord>) =
            store.read(|tx| Ok::<_, Error>((tx.list()?, tx.list_readable(None)?)))?;
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
            let record = admin.clone();
            store.write_wait(move |tx| Ok::<_, Error>(tx.put(&record)?))?;
            users.push(admin);
        }
        let setup_code = match users.is_empty() {
            true => setup::Code::make()?,
            false => setup::Code::default(),
        };
        Ok(Users {
            inner: Arc::new(Inner {
                store,
                hasher: Hasher::new()?,
                tokens: Tokens::open(keys)?,
                throttle: Mutex::default(),
                setup_code,
                live: RwLock::new(Live {
                    users: users.into_iter().map(|u| (u.id, u)).collect(),
                    sessions: sessions.into_iter().map(|s| (s.id, s)).collect(),
                }),
                changes: watch::Sender::new(0),
            }),
        })
    }

    /// Signs in. `from` is the address that asks; failed tries are counted by account and address.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for a wrong name or password, which of them is not said;
    /// [`Error::TooMany`] with the seconds to wait; [`Error::Unavailable`] in a flood.
    pub async fn login(&self, params: LoginParams, from: IpAddr) -> Result<TokenView> {
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
                self.open_session(user.id).await
            }
            _ => {
                tracing::warn!(%from, "a sign-in failed");
                Err(Error::Unauthorized(
                    "the user name or the password is wrong",
                ))
            }
        }
    }

    /// Who holds this access token. Called on every request: no I/O.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] unless the token is valid and its session and user are there.
    pub fn authenticate(&self, access_token: &str) -> Result<Identity> {
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
            username: who.username.clone(),
            role: who.role,
            session_id: who.session_id,
            session_expires_at: who.session_expires_at,
        }
    }
}

impl Identity {
    /// # Errors
    /// [`Error::Forbidden`] when the role is lower than `least`.
    pub fn require(&self, least: Role) -> Result<()> {
        match self.role >= least {
            true => Ok(()),
            false => Err(Error::Forbidden("your role does not allow this")),
        }
    }
}

impl Inner {
    /// Whose live session a good token names, when `holds` agrees, too.
    fn who(&self, claims: &Claims, holds: impl FnOnce(&SessionRecord) -> bool) -> Result<Identity> {
        self.live(|l| {
            let session = l.sessions.get(&claims.sid)?;
            let user = l.users.get(&session.user_id)?;
            let live = session.user_id == claims.sub && session.expires_at > now();
            (live && holds(session)).then(|| Identity {
                user_id: user.id,
                username: user.name.clone(),
                role: user.role,
                session_id: session.id,
                session_expires_at: session.expires_at,
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
