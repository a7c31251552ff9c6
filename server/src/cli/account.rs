//! `nsboot login`, `logout`, `whoami`: who one is at a server.

use super::{
    CliError,
    connect::Change,
    console::Console,
    credentials::{Credentials, SignIn},
    error::exit,
    question, render,
};
use types::{LoginParams, MeView, TokenView};

/// Asks for name and password, and keeps what the server gives for them.
///
/// # Errors
/// As the server says; when there is no place to keep it.
pub fn login(user: Option<String>, console: &Console) -> Result<(), CliError> {
    let mut params = LoginParams {
        username: user.clone().unwrap_or_default(),
        password: String::new(),
    };
    let change = |params: &LoginParams| Change::new("POST", "/api/v1/auth/login").body(params);
    if console.is_dry() {
        return console.tell(&change(&params)?);
    }
    let kept = Credentials::open().ok_or_else(|| CliError::Usage {
        what: "there is no folder to keep the sign-in in".into(),
        code: "NSB-CLI-013",
        hint: "Set HOME or XDG_CONFIG_HOME, or use an API token with --token.".into(),
    })?;
    if user.is_none() {
        params.username = question::line("Name: ")?;
    }
    params.password = question::secret("Password: ")?;
    let base = console.server.base();
    let tokens: TokenView = console.server.knock(change(&params)?)?;
    let _lock = kept.lock()?;
    kept.put(base, SignIn::new(params.username.clone(), tokens))?;
    console.say(&format!("Signed in at {base} as {}.", params.username));
    Ok(())
}

/// Ends the sign-in here and at the server.
///
/// # Errors
/// When there is none; when the server can't be told.
pub fn logout(console: &Console) -> Result<(), CliError> {
    let base = console.server.base();
    let change = Change::new("POST", "/api/v1/auth/logout");
    if console.is_dry() {
        return console.tell(&change);
    }
    if console.server.bearer()?.is_none() {
        return Err(CliError::SignedOut { at: base.into() });
    }
    match console.server.act(&change) {
        // It has ended there already.
        Err(e) if e.exit() == exit::AUTH => {}
        other => other?,
    }
    if let Some(kept) = console.server.kept() {
        let _lock = kept.lock()?;
        kept.forget(base)?;
    }
    console.say(&format!("Signed out at {base}."));
    Ok(())
}

/// As whom the server sees the caller.
///
/// # Errors
/// As the server says.
pub fn whoami(console: &Console) -> Result<(), CliError> {
    let me: MeView = console.server.get("/api/v1/auth/me")?;
    console.print(&me, || render::me(&me))
}
