//! The page's sign-in: a browser keeps its session's refresh token in a cookie and shows it with
//! every request. It is not swapped there, since a page sends many requests at once.

use super::{Identity, Users, sessions};
use crate::{Actor, By, Error, Result, now};
use types::{Role, SessionId};

impl Users {
    /// Who holds this refresh token. Called on every request of a page: no I/O.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] unless it is the newest token of a live session.
    pub fn resume(&self, refresh_token: &str) -> Result<Identity> {
        let claims = self.inner.tokens.check_refresh(refresh_token)?;
        self.inner
            .who(&claims, |session| sessions::is_newest(session, &claims))
    }

    /// Whether a session is there and has not expired; its access tokens may have.
    pub fn session_lives(&self, session: SessionId) -> bool {
        self.session_role(session).is_some()
    }

    /// What the user of a session may do as of now; none when the session or the user is gone.
    fn session_role(&self, session: SessionId) -> Option<Role> {
        self.inner.live(|l| {
            let session = l.sessions.get(&session)?;
            let user = l.users.get(&session.user_id)?;
            (session.expires_at > now()).then_some(user.role)
        })
    }

    /// Who somebody is now that was known before, for answers that last: the session or token may
    /// have ended meanwhile, and the role may be another one.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when it has ended.
    pub fn again(&self, who: &Identity) -> Result<Identity> {
        const ENDED: Error = Error::Unauthorized("the session has ended");
        if who.expires_at <= now() && who.actor != Actor::Local {
            return Err(ENDED);
        }
        let role = match (&who.actor, who.session_id) {
            (Actor::User { .. }, Some(session)) => self.session_role(session),
            (Actor::Token { id, .. }, _) => self.inner.live(|l| {
                let token = l.tokens.get(id)?;
                Some(token.role.min(l.users.get(&token.user_id)?.role))
            }),
            (Actor::Local | Actor::System(_), _) => Some(who.role),
            _ => None,
        };
        let role = role.ok_or(ENDED)?;
        Ok(Identity {
            role,
            ..who.clone()
        })
    }

    /// Whether who began some work may still do it.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the account is gone or has a lower role than `least` now.
    pub(crate) fn still_allowed(&self, by: &By, least: Role) -> Result<()> {
        let role = self.inner.live(|l| match &by.actor {
            Actor::User { id, .. } => l.users.get(id).map(|u| u.role),
            Actor::Token { id, .. } => {
                let token = l.tokens.get(id).filter(|t| t.expires_at > now())?;
                Some(token.role.min(l.users.get(&token.user_id)?.role))
            }
            Actor::Local | Actor::System(_) => Some(Role::Admin),
            Actor::Unknown(_) => None,
        });
        match role {
            Some(role) if role >= least => Ok(()),
            _ => Err(Error::Forbidden("who began this may not do it any more")),
        }
    }
}
