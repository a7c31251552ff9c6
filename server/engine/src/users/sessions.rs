//! Sessions: opened by a login, carried on by refresh tokens, ended by a logout or a theft.

use super::{
    Inner, Users,
    token::{ACCESS_SECONDS, Claims},
};
use crate::{Actor, Area, By, Error, Result, audit::Change, now, random_bytes};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Read, SessionRecord, Tx, UserRecord};
use subtle::ConstantTimeEq;
use types::{SessionId, SessionView, Timestamp, TokenView, UserId};
use uuid::Uuid;

/// How long a sign-in lasts at most, seconds: 30 days.
const SESSION_SECONDS: i64 = 30 * 86_400;

/// Sessions that one user may have; the oldest ends when there is one more.
const MAX_PER_USER: usize = 50;

const ENDED: Error = Error::Unauthorized("the session has ended");

enum Refreshed {
    To(SessionRecord),
    Stolen,
    Ended,
}

impl Users {
    pub(super) async fn open_session(&self, by: &By, user: &UserRecord) -> Result<TokenView> {
        let (start, user_id) = (now(), user.id);
        let (secret, refresh_hash) = fresh_secret()?;
        let session = SessionRecord {
            id: SessionId(Uuid::now_v7()),
            user_id,
            created_at: start,
            expires_at: start.plus_seconds(SESSION_SECONDS),
            generation: 0,
            refresh_hash,
            refreshed_at: start,
            address: by.address.map(|a| a.to_canonical().to_string()),
            agent: by
                .agent
                .as_ref()
                .map(|a| a.chars().filter(|c| !c.is_control()).take(200).collect()),
        };
        let by = By {
            actor: Actor::User {
                id: user.id,
                name: user.name.clone(),
            },
            role: Some(user.role),
            ..by.clone()
        };
        let change = Change::act("auth.login", "user", user.id, &user.name);
        let view = self.inner.tokens_of(&session, secret, start)?;
        let (inner, hash) = (self.inner.clone(), user.password_hash.clone());
        let write = self.inner.store.write(move |tx| {
            // It may have been removed, or got another password, while the given one was checked.
            let user: Option<UserRecord> = tx.get(&user_id)?;
            if user.is_none_or(|u| u.password_hash != hash) {
                return Err(Error::Unauthorized("the account was changed meanwhile"));
            }
            inner.sweep(tx, user_id, start)?;
            inner.audit.record(tx, &by, change)?;
            inner.save(tx, &session)
        });
        write.await?;
        Ok(view)
    }

    /// Swaps a refresh token for a new pair. One that was used before ends its session: either
    /// its owner or a thief has the newer one, and we can't tell which.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] unless it is the newest token of a live session.
    pub async fn refresh(&self, refresh_token: &str) -> Result<TokenView> {
        let claims = self.inner.tokens.check_refresh(refresh_token)?;
        let (secret, new_hash) = fresh_secret()?;
        let (inner, at) = (self.inner.clone(), now());
        let id = claims.sid;
        let write = self.inner.store.write(move |tx| {
            let Some(mut session) = tx.get::<SessionRecord>(&claims.sid)? else {
                return Ok(Refreshed::Ended);
            };
            if session.expires_at <= at || session.user_id != claims.sub {
                return Ok(Refreshed::Ended);
            }
            if !is_newest(&session, &claims) {
                inner.end(tx, session.id);
                let of = session.user_id;
                let change = Change::act("session.stolen", "session", session.id, &of.to_string());
                inner.audit.record(tx, &By::system("sessions"), change)?;
                return Ok(Refreshed::Stolen);
            }
            session.generation += 1;
            session.refresh_hash = new_hash;
            session.refreshed_at = at;
            inner.save(tx, &session)?;
            Ok::<_, Error>(Refreshed::To(session))
        });
        match write.await? {
            Refreshed::To(session) => self.inner.tokens_of(&session, secret, at),
            Refreshed::Ended => Err(ENDED),
            Refreshed::Stolen => {
                tracing::warn!(session = %id, "a used refresh token was shown again: session ended");
                Err(Error::Unauthorized(
                    "this session was ended, because its token was used twice",
                ))
            }
        }
    }

    /// Ends one's own session at once; one that has ended is no error.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self, by: &By, session: SessionId) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            if tx.get::<SessionRecord>(&session)?.is_some() {
                let name = by.actor.view().name;
                let change = Change::act("auth.logout", "session", session, &name);
                inner.audit.record(tx, &by, change)?;
                inner.end(tx, session);
            }
            Ok(())
        });
        write.await
    }

    /// Live sessions, the newest first: of one account, or of all.
    pub(crate) fn sessions(
        &self,
        of: Option<UserId>,
        asking: Option<SessionId>,
    ) -> Vec<SessionView> {
        let at = now();
        let mut all = self.inner.live(|l| {
            let wanted =
                |s: &&SessionRecord| s.expires_at > at && of.is_none_or(|user| s.user_id == user);
            let view = |s: &SessionRecord| {
                Some(SessionView {
                    id: s.id,
                    user_id: s.user_id,
                    username: l.users.get(&s.user_id)?.name.clone(),
                    created_at: s.created_at,
                    refreshed_at: s.refreshed_at,
                    expires_at: s.expires_at,
                    address: s.address.clone(),
                    agent: s.agent.clone(),
                    is_current: asking == Some(s.id),
                })
            };
            let found = l.sessions.values().filter(wanted).filter_map(view);
            found.collect::<Vec<_>>()
        });
        all.sort_by_key(|s| std::cmp::Reverse(s.id));
        all
    }

    /// Ends a session: one of `of` only, or anybody's when that is None.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none such.
    pub(crate) async fn end_session(
        &self,
        by: &By,
        id: SessionId,
        of: Option<UserId>,
    ) -> Result<()> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let found: Option<SessionRecord> = tx.get(&id)?;
            let session = found
                .filter(|s| of.is_none_or(|user| s.user_id == user))
                .ok_or_else(|| Error::not_found(Area::Session, id))?;
            let user: Option<UserRecord> = tx.get(&session.user_id)?;
            let name = user.map_or_else(String::new, |u| u.name);
            inner
                .audit
                .record(tx, &by, Change::act("session.end", "session", id, &name))?;
            inner.end(tx, id);
            Ok(())
        });
        write.await
    }

    /// Ends all sessions of an account but `except`; how many there were.
    ///
    /// # Errors
    /// [`Error::NotFound`] for no such account.
    pub(crate) async fn end_sessions(
        &self,
        by: &By,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<u32> {
        let (inner, by) = (self.inner.clone(), by.clone());
        let write = self.inner.store.write(move |tx| {
            let owner: UserRecord = tx
                .get(&user)?
                .ok_or_else(|| Error::not_found(Area::User, user))?;
            let ended = inner.end_all(tx, user, except)?;
            let change = Change::act("session.end_all", "user", user, &owner.name);
            inner.audit.record(tx, &by, change)?;
            Ok(ended)
        });
        write.await
    }
}

impl Inner {
    fn tokens_of(&self, s: &SessionRecord, secret: String, at: Timestamp) -> Result<TokenView> {
        Ok(TokenView {
            access_token: self.tokens.access(s.user_id, s.id, at)?,
            refresh_token: self.tokens.refresh(
                s.user_id,
                s.id,
                (s.generation, secret),
                (at, s.expires_at),
            )?,
            expires_in_seconds: ACCESS_SECONDS,
        })
    }

    fn save(self: &Arc<Self>, tx: &mut Tx<'_>, session: &SessionRecord) -> Result<()> {
        tx.put(session)?;
        let (inner, session) = (self.clone(), session.clone());
        tx.on_commit(move || {
            inner.change_live(|l| {
                l.sessions.insert(session.id, session);
            });
        });
        Ok(())
    }

    fn end(self: &Arc<Self>, tx: &mut Tx<'_>, id: SessionId) {
        tx.remove::<SessionRecord>(&id);
        let inner = self.clone();
        tx.on_commit(move || {
            inner.change_live(|l| {
                l.sessions.remove(&id);
            });
        });
    }

    /// Ends the sessions of an account but one; how many there were.
    pub(super) fn end_all(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<u32> {
        let all: Vec<SessionRecord> = tx.list_readable(None)?;
        let own = all
            .iter()
            .filter(|s| s.user_id == user && Some(s.id) != except);
        let mut ended = 0;
        for session in own {
            self.end(tx, session.id);
            ended += 1;
        }
        Ok(ended)
    }

    /// Takes away what has expired, and the user's oldest when there would be too many.
    fn sweep(self: &Arc<Self>, tx: &mut Tx<'_>, user: UserId, at: Timestamp) -> Result<()> {
        // One that can't be read lets nobody in; it must not keep others out.
        let all: Vec<SessionRecord> = tx.list_readable(None)?;
        let (live, expired): (Vec<_>, Vec<_>) = all.iter().partition(|s| s.expires_at > at);
        // Ids are in the order of time, so that the first are the oldest.
        let own: Vec<_> = live.iter().filter(|s| s.user_id == user).collect();
        let spare = (own.len() + 1).saturating_sub(MAX_PER_USER);
        let ended: Vec<SessionId> = expired
            .iter()
            .map(|s| s.id)
            .chain(own.iter().take(spare).map(|s| s.id))
            .collect();
        ended.into_iter().for_each(|id| self.end(tx, id));
        Ok(())
    }
}

pub(super) fn is_newest(session: &SessionRecord, claims: &Claims) -> bool {
    let secret = claims.secret.as_deref().unwrap_or_default();
    let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    claims.generation == Some(session.generation) && bool::from(hash.ct_eq(&session.refresh_hash))
}

/// 32 random bytes in hex, and the hash that is kept of them.
fn fresh_secret() -> Result<(String, [u8; 32])> {
    let mut bytes = [0u8; 32];
    random_bytes(&mut bytes)?;
    let secret = types::hex(&bytes);
    let hash = Sha256::digest(secret.as_bytes()).into();
    Ok((secret, hash))
}
