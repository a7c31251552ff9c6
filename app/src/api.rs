//! Server functions that belong to no page: signing in and out, the theme, who am I.

use crate::Fault;
use leptos::prelude::*;

/// Signs in and goes to the floor.
#[server(prefix = "/fn", endpoint = "login")]
pub async fn login(username: String, password: String) -> Result<(), Fault> {
    let host = crate::ssr::host()?;
    let params = types::LoginParams { username, password };
    let cookies = host
        .login(crate::ssr::visitor(), params, crate::ssr::over_tls())
        .await?;
    crate::ssr::set_cookies(cookies);
    leptos_axum::redirect("/floor");
    Ok(())
}

/// Makes the first account, signs it in and goes to the floor.
#[server(prefix = "/fn", endpoint = "setup")]
pub async fn setup(code: String, username: String, password: String) -> Result<(), Fault> {
    let host = crate::ssr::host()?;
    let params = types::SetupParams {
        code: code.trim().into(),
        username,
        password,
    };
    let cookies = host
        .setup(crate::ssr::visitor(), params, crate::ssr::over_tls())
        .await?;
    crate::ssr::set_cookies(cookies);
    leptos_axum::redirect("/floor");
    Ok(())
}

/// Signs out. Needs no valid session: one that ran out is to be forgotten as well.
#[server(prefix = "/fn", endpoint = "logout")]
pub async fn logout() -> Result<(), Fault> {
    let viewer = crate::ssr::viewer().ok();
    let cookies = crate::ssr::host()?.logout(viewer).await?;
    crate::ssr::set_cookies(cookies);
    leptos_axum::redirect("/login");
    Ok(())
}

/// Keeps the theme in a cookie; anything but `light` and `dark` follows the system again.
#[server(prefix = "/fn", endpoint = "theme")]
pub async fn set_theme(theme: String) -> Result<(), Fault> {
    let cookie = match theme.as_str() {
        "light" => "theme=light; Path=/; Max-Age=31536000; SameSite=Lax",
        "dark" => "theme=dark; Path=/; Max-Age=31536000; SameSite=Lax",
        _ => "theme=; Path=/; Max-Age=0; SameSite=Lax",
    };
    crate::ssr::set_cookies(vec![axum::http::HeaderValue::from_static(cookie)]);
    Ok(())
}

/// Whether this browser is still signed in: the socket can't tell a refusal from a lost network.
#[server(prefix = "/fn", endpoint = "session")]
pub async fn session_alive() -> Result<bool, Fault> {
    Ok(crate::ssr::me().is_some())
}
