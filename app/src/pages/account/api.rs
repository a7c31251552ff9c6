//! What the account page reads and does. Ending a sign-in and removing a token serve the users page,
//! too: one's own needs no role, anybody else's an administrator.

use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{ApiTokenView, NewTokenView, Role, SessionId, SessionView, TokenId};

/// One's own sign-ins and API tokens.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Own {
    pub sessions: Vec<SessionView>,
    pub tokens: Vec<ApiTokenView>,
}

/// Reads them.
#[server(prefix = "/fn", endpoint = "account/read")]
pub async fn read_own() -> Result<Own, Fault> {
    let viewer = crate::ssr::viewer()?;
    Ok(Own {
        sessions: viewer.own_sessions()?,
        tokens: viewer.own_tokens()?,
    })
}

/// Changes one's own password; the other sign-ins of the account end.
#[server(prefix = "/fn", endpoint = "account/password")]
pub async fn change_password(current: String, new: String) -> Result<(), Fault> {
    let viewer = crate::ssr::viewer()?;
    let params = types::ChangePasswordParams { current, new };
    viewer.change_password(params).await?;
    Ok(())
}

/// Ends a sign-in.
#[server(prefix = "/fn", endpoint = "sessions/end")]
pub async fn end_session(id: SessionId) -> Result<(), Fault> {
    let viewer = crate::ssr::viewer()?;
    if viewer.own_sessions()?.iter().any(|s| s.id == id) {
        viewer.end_own_session(id).await?;
    } else {
        crate::ssr::admin()?.end_session(id).await?;
    }
    Ok(())
}

/// Ends all of one's own sign-ins but this one.
#[server(prefix = "/fn", endpoint = "sessions/end-others")]
pub async fn end_others() -> Result<(), Fault> {
    let viewer = crate::ssr::viewer()?;
    viewer.end_other_sessions().await?;
    Ok(())
}

/// Makes an API token of one's own. Its secret is in this answer and nowhere else.
#[server(prefix = "/fn", endpoint = "tokens/create")]
pub async fn create_token(name: String, role: Role, days: u32) -> Result<NewTokenView, Fault> {
    let viewer = crate::ssr::viewer()?;
    let params = types::CreateTokenParams {
        name,
        role,
        expires_in_days: days,
    };
    Ok(viewer.create_token(params).await?)
}

/// Removes an API token.
#[server(prefix = "/fn", endpoint = "tokens/remove")]
pub async fn remove_token(id: TokenId) -> Result<(), Fault> {
    let viewer = crate::ssr::viewer()?;
    if viewer.own_tokens()?.iter().any(|t| t.id == id) {
        viewer.remove_own_token(id).await?;
    } else {
        crate::ssr::admin()?.remove_token(id).await?;
    }
    Ok(())
}
