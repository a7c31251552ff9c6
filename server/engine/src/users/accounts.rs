//! Accounts: made, changed and removed by admins; a password also by its owner.

use super::{Inner, Users, check_name, new_user, password};
use crate::{
    Area, By, Error, Result,
    audit::{Change, target},
    now,
};
use std::sync::Arc;
use store::{Read, SessionRecord, TokenRecord, Tx, UserRecord};
use types::{
    ChangePasswordParams, CreateUserParams, Role, SessionId, UpdateUserParams, UserId, UserView,
};

/// What the audit log says of an account: never its password.
pub(super) fn facts(u: &UserRecord) -> serde_json::Value {
    serde_json::json!({ "username": u.name, "role": u.role })
}

impl Users {
    /// Every account, in the order of creation.
    pub(crate) fn list(&self) -> Vec<UserView> {
        let mut all: Vec<_> = self
            .inner
            .live(|l| l.users.values().map(|u| view(l, u)).collect());
        all.sort_by_key(|u: &UserView| u.id);
        all
    }

    /// An account by name (case does not matter) or id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn find(&self, text: &str) -> Result<UserView> {
        let id: Option<UserId> = text.parse().ok();
        self.inner
            .live(|l| {
                let same = |u: &&UserRecord| Some(u.id) == id || u.name.eq_ignore_ascii_case(text);
                l.users.values().find(same).map(|u| view(l, u))
            })
            .ok_or_else(|| Error::not_found(Area::User, text))
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name or weak password, [`Error::Conflict`] for a taken name.
    pub(crate) async fn create(&self, by: &By, params: CreateUserParams) -> Result<UserView> {
        check_name(&params.username)?;
        password::check(&params.username, &params.password)?;
        let hash = self.inner.hasher.hash(params.password).await?;
        let user = new_user(&params.username, hash, params.role);
        let id = user.id;
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            require_free(tx, &user.name, user.id)?;
            if user.role != Role::Admin && tx.list_readable::<UserRecord>(None)?.is_empty() {
                // The one-time code ends with the first account: nobody could become one.
                return Err(Error::invalid(
                    Area::User,
                    "role",
                    "the first account has to be an administrator",
                ));
            }
            let change = Change::act("user.create", "user", user.id, &user.name)
                .facts(None, Some(facts(&user)));
            inner.audit.record(tx, &by, change)?;
            inner.save_user(tx, user)
        });
        write.await?;
        self.find(&id.to_string())
    }

    /// Changes what `params` names. A new role or password ends the account's sessions.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] when it is the last
    /// admin that would be none any more; as [`Users::create`].
    pub(crate) async fn update(
        &self,
        by: &By,
        id: UserId,
        if_match: Option<u64>,
        params: UpdateUserParams,
    ) -> Result<UserView> {
        if let Some(name) = &params.username {
            check_name(name)?;
        }
        let hash = match params.password {
            None => None,
            Some(new) => {
                let now = self.find(&id.to_string())?.username;
                password::check(params.username.as_deref().unwrap_or(&now), &new)?;
                Some(self.inner.hasher.hash(new).await?)
            }
        };
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let old = require(tx, id, if_match)?;
            let mut user = old.clone();
            if let Some(name) = params.username {
                require_free(tx, &name, id)?;
                user.name = name;
            }
            user.role = params.role.unwrap_or(old.role);
            if old.role == Role::Admin && user.role != Role::Admin {
                require_another_admin(tx, &old)?;
            }
            let new_password = hash.is_some();
            user.password_hash = hash.unwrap_or(user.password_hash);
            if user == old {
                return Ok(());
            }
            user.revision += 1;
            let mut after = facts(&user);
            if new_password {
                after["password"] = "changed".into();
            }
            let change = Change::act("user.update", "user", id, &user.name)
                .facts(Some(facts(&old)), Some(after));
            inner.audit.record(tx, &by, change)?;
            if new_password || user.role != old.role {
                inner.end_all(tx, id, None)?;
            }
            inner.save_user(tx, user)
        });
        write.await?;
        self.find(&id.to_string())
    }

    /// Removes an account with its sessions and tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] for the last admin.
    pub(crate) async fn remove(&self, by: &By, id: UserId, if_match: Option<u64>) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let user = require(tx, id, if_match)?;
            if user.role == Role::Admin {
                require_another_admin(tx, &user)?;
            }
            let change =
                Change::act("user.remove", "user", id, &user.name).facts(Some(facts(&user)), None);
            inner.audit.record(tx, &by, change)?;
            inner.end_all(tx, id, None)?;
            for token in tx.list_readable::<TokenRecord>(None)? {
                if token.user_id == id {
                    inner.drop_token(tx, token.id);
                }
            }
            tx.remove::<UserRecord>(&id);
            tx.on_commit(move || {
                inner.change_live(|l| {
                    l.users.remove(&id);
                });
            });
            Ok(())
        });
        write.await
    }

    /// Changes one's own password; the account's other sessions end.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the current one is wrong or the new one weak; [`Error::TooMany`].
    pub(crate) async fn change_password(
        &self,
        by: &By,
        id: UserId,
        session: Option<SessionId>,
        params: ChangePasswordParams,
    ) -> Result<()> {
        let user = self.inner.live(|l| l.users.get(&id).cloned());
        let user = user.ok_or_else(|| Error::not_found(Area::User, id))?;
        password::check(&user.name, &params.new)?;
        // Counted as a sign-in: an open page is no way to guess on.
        let from = super::address(by);
        self.inner.try_begin(&user.name, from)?;
        let hasher = &self.inner.hasher;
        let phc = Some(user.password_hash.clone());
        if !hasher.verify(params.current, phc).await? {
            let wrong = Error::invalid(Area::User, "current", "that is not the current password");
            let to = target("user", Some(id.to_string()), &user.name);
            self.inner.audit.refused(by, "user.password", to, &wrong);
            return Err(wrong);
        }
        self.inner.try_done(&user.name, from);
        let hash = hasher.hash(params.new).await?;
        let (inner, by, verified) = (self.inner.clone(), by.clone(), user.password_hash);
        let write = self.inner.store.write(move |tx| {
            let mut user = require(tx, id, None)?;
            // An admin may have set another, or ended this sign-in, while the given one was checked.
            let lives = match session {
                Some(session) => tx.get::<SessionRecord>(&session)?.is_some(),
                None => true,
            };
            if user.password_hash != verified || !lives {
                return Err(Error::Unauthorized("the account was changed meanwhile"));
            }
            user.password_hash = hash;
            user.revision += 1;
            let change = Change::act("user.password", "user", id, &user.name);
            inner.audit.record(tx, &by, change)?;
            inner.end_all(tx, id, session)?;
            inner.save_user(tx, user)
        });
        write.await
    }
}

impl Inner {
    fn save_user(self: &Arc<Self>, tx: &mut Tx<'_>, user: UserRecord) -> Result<()> {
        tx.put(&user)?;
        let inner = self.clone();
        tx.on_commit(move || {
            inner.change_live(|l| {
                l.users.insert(user.id, user);
            });
        });
        Ok(())
    }
}

fn view(live: &super::Live, u: &UserRecord) -> UserView {
    let at = now();
    let sessions = live.sessions.values();
    let tokens = live.tokens.values();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    UserView {
        id: u.id,
        username: u.name.clone(),
        role: u.role,
        created_at: u.created_at,
        session_count: count(
            sessions
                .filter(|s| s.user_id == u.id && s.expires_at > at)
                .count(),
        ),
        token_count: count(
            tokens
                .filter(|t| t.user_id == u.id && t.expires_at > at)
                .count(),
        ),
        revision: u.revision,
    }
}

fn require(tx: &Tx<'_>, id: UserId, if_match: Option<u64>) -> Result<UserRecord> {
    let user: UserRecord = tx
        .get(&id)?
        .ok_or_else(|| Error::not_found(Area::User, id))?;
    match if_match {
        Some(revision) if revision != user.revision => Err(Error::PreconditionFailed {
            area: Area::User,
            current: user.revision,
        }),
        _ => Ok(user),
    }
}

fn require_free(tx: &Tx<'_>, name: &str, id: UserId) -> Result<()> {
    let all: Vec<UserRecord> = tx.list()?;
    let taken = |u: &UserRecord| u.id != id && u.name.eq_ignore_ascii_case(name);
    match all.iter().any(taken) {
        false => Ok(()),
        true => Err(Error::conflict(
            Area::User,
            format!("there is a user {name:?} already"),
            "Choose another name.",
        )),
    }
}

/// Without an admin nobody could ever make one again.
fn require_another_admin(tx: &Tx<'_>, user: &UserRecord) -> Result<()> {
    let all: Vec<UserRecord> = tx.list()?;
    let other = |u: &UserRecord| u.id != user.id && u.role == Role::Admin;
    match all.iter().any(other) {
        true => Ok(()),
        false => Err(Error::conflict(
            Area::User,
            format!("{:?} is the last administrator", user.name),
            "Make another account an administrator first.",
        )),
    }
}
