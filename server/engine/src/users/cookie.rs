//! The page's sign-in: a browser keeps its session's refresh token in a cookie and shows it with
//! every request. It is not swapped there, since a page sends many requests at once.

use super::{Identity, Users, sessions};
use crate::{Result, now};
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
    pub fn session_role(&self, session: SessionId) -> Option<Role> {
        self.inner.live(|l| {
            let session = l.sessions.get(&session)?;
            let user = l.users.get(&session.user_id)?;
            (session.expires_at > now()).then_some(user.role)
        })
    }
}
