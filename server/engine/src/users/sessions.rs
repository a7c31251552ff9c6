//! Sessions: opened by a login, carried on by refresh tokens, ended by a logout or a theft.

use super::{
    Inner, Users,
    token::{ACCESS_SECONDS, Claims},
};
use crate::{Error, Result, now, random_bytes};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Read, SessionRecord, Tx};
use subtle::ConstantTimeEq;
use types::{SessionId, Timestamp, TokenView, UserId};
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
    pub(super) async fn open_session(&self, user_id: UserId) -> Result<TokenView> {
        let start = now();
        let (secret, refresh_hash) = fresh_secret()?;
        let session = SessionRecord {
            id: SessionId(Uuid::now_v7()),
            user_id,
            created_at: start,
            expires_at: start.plus_seconds(SESSION_SECONDS),
            generation: 0,
            refresh_hash,
        };
        let view = self.inner.tokens_of(&session, secret, start)?;
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            inner.sweep(tx, user_id, start)?;
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
                return Ok(Refreshed::Stolen);
            }
            session.generation += 1;
            session.refresh_hash = new_hash;
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

    /// Ends a session at once; one that has ended is no error.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self, session: SessionId) -> Result<()> {
        let inner = self.inner.clone();
        let write = self.inner.store.write(move |tx| {
            inner.end(tx, session);
            Ok(())
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
    let secret: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let hash = Sha256::digest(secret.as_bytes()).into();
    Ok((secret, hash))
}
