//! What the users page reads and does; all of it is for administrators.

use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{ApiTokenView, Role, SessionView, UserId, UserView};

/// An account with what belongs to it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Person {
    pub user: UserView,
    pub sessions: Vec<SessionView>,
    pub tokens: Vec<ApiTokenView>,
}

/// Every account.
#[server(prefix = "/fn", endpoint = "users/list")]
pub async fn people() -> Result<Vec<Person>, Fault> {
    let admin = crate::ssr::admin()?;
    let (sessions, tokens) = (admin.sessions(None)?, admin.tokens(None)?);
    let person = |user: UserView| Person {
        sessions: of(&sessions, |s| s.user_id == user.id),
        tokens: of(&tokens, |t| t.user_id == user.id),
        user,
    };
    Ok(admin.users().into_iter().map(person).collect())
}

#[cfg(feature = "ssr")]
fn of<T: Clone>(all: &[T], whose: impl Fn(&T) -> bool) -> Vec<T> {
    all.iter().filter(|t| whose(t)).cloned().collect()
}

/// Makes an account.
#[server(prefix = "/fn", endpoint = "users/create")]
pub async fn create_user(username: String, password: String, role: Role) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let params = types::CreateUserParams {
        username,
        password,
        role,
    };
    admin.create_user(params).await?;
    Ok(())
}

/// Changes name and role.
#[server(prefix = "/fn", endpoint = "users/update")]
pub async fn update_user(
    id: UserId,
    revision: u64,
    username: String,
    role: Role,
) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let params = types::UpdateUserParams {
        username: Some(username),
        role: Some(role),
        password: None,
    };
    let id = id.to_string();
    admin.update_user(&id, Some(revision), params).await?;
    Ok(())
}

/// Sets a password; the sign-ins of the account end.
#[server(prefix = "/fn", endpoint = "users/password")]
pub async fn set_password(id: UserId, password: String) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let params = types::UpdateUserParams {
        password: Some(password),
        ..Default::default()
    };
    admin.update_user(&id.to_string(), None, params).await?;
    Ok(())
}

/// Ends all sign-ins of an account.
#[server(prefix = "/fn", endpoint = "users/end-sessions")]
pub async fn end_sessions(id: UserId) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    admin.end_sessions(&id.to_string()).await?;
    Ok(())
}

/// Removes an account with its sign-ins and tokens. `revision` is what the page showed.
#[server(prefix = "/fn", endpoint = "users/remove")]
pub async fn remove_user(id: UserId, revision: u64) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    admin.remove_user(&id.to_string(), Some(revision)).await?;
    Ok(())
}
