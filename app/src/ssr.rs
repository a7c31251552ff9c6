//! The server's side of the pages: what the HTTP layer hands in, and what server functions take
//! from there.
//!
//! The HTTP layer does three things:
//! 1. A middleware over pages and `/fn` checks the session cookie and, when it is good, inserts
//!    [`types::MeView`] into the request's extensions.
//! 2. `render_app_async_with_context(app::ssr::context(engine, host), shell)` for pages and, for
//!    `/fn/{*name}`, `handle_server_fns_with_context` with the same context.
//! 3. It implements [`Host`]: sign-in and the joined views, which REST and the WebSocket use too.

#![expect(
    clippy::result_large_err,
    reason = "a fault ends its request: boxing it would cost more than moving it once"
)]

use crate::{Fault, start::Start};
use axum::http::{HeaderMap, HeaderValue, header, request::Parts};
use engine::{Admin, By, Caller, Engine, Operator, Viewer};
use leptos::{nonce::use_nonce, prelude::*};
use leptos_axum::ResponseOptions;
use std::{future::Future, pin::Pin, sync::Arc, time::Instant};
use types::{
    LabFirmware, LoginParams, MeView, Problem, SetupParams, Snapshot, SystemInfoView, Way,
};

/// The answer of a [`Host`] method that waits.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>>;

/// `Set-Cookie` values.
pub type Cookies = Vec<HeaderValue>;

/// What pages need of the HTTP layer.
pub trait Host: Send + Sync + 'static {
    /// No account exists yet: the first visitor makes one with the one-time code.
    fn needs_setup(&self) -> bool;
    /// Makes the first account and signs it in.
    fn setup(&self, by: By, params: SetupParams, over_tls: bool) -> Answer<Cookies>;
    /// Signs in.
    fn login(&self, by: By, params: LoginParams, over_tls: bool) -> Answer<Cookies>;
    /// Ends the session of this request, if it has one; the cookies clear it in the browser.
    fn logout(&self, viewer: Option<Viewer>) -> Answer<Cookies>;
    /// The same snapshot that the WebSocket begins with for this role.
    fn snapshot(&self, viewer: &Viewer) -> Snapshot;
    /// Facts about this server, with the state of the virtual lab.
    fn system(&self) -> SystemInfoView;
    /// Starts a new virtual computer in the lab, and the lab first when it is not up.
    fn boot_virtual(&self, operator: Operator, firmware: LabFirmware) -> Answer<()>;
}

/// When the connection of a request was made; the HTTP layer puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct ConnectedAt(pub Instant);

/// When the connection of this request was made.
///
/// # Errors
/// 500 when the HTTP layer handed nothing in.
pub fn connected_at() -> Result<Instant, Fault> {
    let parts = use_context::<Parts>().ok_or_else(no_context)?;
    let connected = parts.extensions.get::<ConnectedAt>();
    connected.map(|c| c.0).ok_or_else(no_context)
}

/// Gives each page and server function the engine and the host.
pub fn context(engine: Engine, host: Arc<dyn Host>) -> impl Fn() + Clone + Send + Sync + 'static {
    // Reactive tasks run on tokio; only the first call of the process takes effect.
    let _ = any_spawner::Executor::init_tokio();
    move || {
        provide_context(engine.clone());
        provide_context(host.clone());
    }
}

/// The handle of whoever sent this request: the first line of a server function that looks.
///
/// # Errors
/// 401 when nobody is signed in, 500 when the HTTP layer handed nothing in.
pub fn viewer() -> Result<Viewer, Fault> {
    let caller = caller()?;
    Ok(engine()?.as_viewer(&caller)?)
}

/// The handle of an operator: the first line of a server function that changes something.
///
/// # Errors
/// As [`viewer`]; 403 for a lower role.
pub fn operator() -> Result<Operator, Fault> {
    let caller = caller()?;
    Ok(engine()?.as_operator(&caller)?)
}

/// The handle of an admin.
///
/// # Errors
/// As [`operator`].
pub fn admin() -> Result<Admin, Fault> {
    let caller = caller()?;
    Ok(engine()?.as_admin(&caller)?)
}

fn engine() -> Result<Engine, Fault> {
    use_context::<Engine>().ok_or_else(no_context)
}

fn caller() -> Result<Caller, Fault> {
    let parts = use_context::<Parts>().ok_or_else(Fault::signed_out)?;
    let caller = parts.extensions.get::<Caller>().cloned();
    caller.ok_or_else(Fault::signed_out)
}

/// Whoever sent this request, signed in or not.
pub fn visitor() -> By {
    let found = use_context::<Parts>().and_then(|p| p.extensions.get::<By>().cloned());
    found.unwrap_or_else(|| By::unknown("", None, Way::Page))
}

/// The host, for the functions that need no session: sign-in and first account.
///
/// # Errors
/// 500 when the HTTP layer handed nothing in.
pub fn host() -> Result<Arc<dyn Host>, Fault> {
    use_context::<Arc<dyn Host>>().ok_or_else(no_context)
}

fn no_context() -> Fault {
    Fault(Problem::new(
        500,
        "NSB-PAGE-002",
        "The page was served without its engine",
        "This is a fault of NSBoot; please report it.",
    ))
}

/// Who is signed in with this request.
pub fn me() -> Option<MeView> {
    use_context::<Parts>()?.extensions.get::<MeView>().cloned()
}

/// Whether the browser sees us over TLS, which a proxy may end. Its own word counts: `Origin`, whose
/// host was compared with ours before, and nobody but the sender is the worse for a lie.
pub fn over_tls() -> bool {
    let origin = headers().get(header::ORIGIN).cloned();
    origin.is_some_and(|o| o.as_bytes().starts_with(b"https://"))
}

/// The headers of this request.
pub fn headers() -> HeaderMap {
    use_context::<Parts>()
        .map(|p| p.headers)
        .unwrap_or_default()
}

/// Adds cookies to the answer.
pub fn set_cookies(cookies: Cookies) {
    if let Some(response) = use_context::<ResponseOptions>() {
        for cookie in cookies {
            response.append_header(header::SET_COOKIE, cookie);
        }
    }
}

/// Gives a server function's answer the problem's status. Not that of a form posted without
/// scripts, which is led back to its page, and not that of a page, which shows the problem.
pub(crate) fn refuse(status: u16) {
    let accept = headers().get(header::ACCEPT).cloned();
    let for_a_person = accept.is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("text/html")));
    if !for_a_person {
        set_status(status);
    }
}

/// Sets the status of the answer.
pub fn set_status(status: u16) {
    if let (Some(response), Ok(status)) = (
        use_context::<ResponseOptions>(),
        axum::http::StatusCode::from_u16(status),
    ) {
        response.set_status(status);
    }
}

/// The theme cookie; anything but the two known words follows the system.
pub fn theme() -> Option<String> {
    let headers = headers();
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix("theme="))
        .find(|v| matches!(*v, "light" | "dark"))
        .map(Into::into)
}

/// Everything a page begins with. Sends visitors without a session to the page that they need
/// first; what must be secret is left out here, whatever page they asked for.
pub(crate) fn start() -> Start {
    let me = me();
    // There is no host while the list of routes is made.
    let Ok(host) = host() else {
        return Start::default();
    };
    let needs_setup = host.needs_setup();
    if let Some(parts) = use_context::<Parts>() {
        let path = parts.uri.path();
        let wanted = match (&me, needs_setup) {
            (Some(_), _) => matches!(path, "/" | "/login" | "/setup").then_some("/floor"),
            (None, true) => (path != "/setup").then_some("/setup"),
            (None, false) => (path != "/login").then_some("/login"),
        };
        if let Some(wanted) = wanted {
            leptos_axum::redirect(wanted);
        }
    }
    Start {
        needs_setup,
        now: engine::now(),
        theme: theme(),
        // Only then: asking for the handle of nobody makes this answer a 401.
        snapshot: (me.as_ref())
            .and_then(|_| viewer().ok())
            .map(|viewer| host.snapshot(&viewer)),
        system: me.is_some().then(|| host.system()),
        me,
    }
}

/// Forbids the browser everything but our own files and the scripts that carry this answer's
/// nonce. `style-src-attr` is for the rail's fill, a CSS variable.
pub(crate) fn content_security_policy() {
    let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), use_nonce()) else {
        return;
    };
    // `make dev` reloads the page over a socket of cargo-leptos's own.
    let reload = match std::env::var_os("LEPTOS_WATCH") {
        Some(_) => " ws://*:3001",
        None => "",
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; \
         style-src 'self'; style-src-attr 'unsafe-inline'; font-src 'self'; img-src 'self' data:; \
         connect-src 'self'{reload}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(value) = HeaderValue::from_str(&policy) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, value);
    }
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};

    /// The status that `refuses` gives the answer of a request with this `Accept`.
    fn status(accept: &'static str, refuses: impl FnOnce()) -> Option<u16> {
        let request = axum::http::Request::builder().header(header::ACCEPT, accept);
        let (parts, ()) = request.body(()).expect("request").into_parts();
        Owner::new().with(|| {
            let response = ResponseOptions::default();
            provide_context(parts);
            provide_context(response.clone());
            refuses();
            let set = response.0.read().expect("no thread died with it").status;
            set.map(|s| s.as_u16())
        })
    }

    #[test]
    fn a_refusal_has_its_status_except_for_a_form_that_is_led_back() {
        let signed_out = || {
            let asked = viewer();
            assert!(asked.is_err_and(|f| f.is_signed_out()));
        };
        let unreadable = || {
            Fault::from_server_fn_error(ServerFnErrorErr::Args("id".into()));
        };
        let broken = || {
            Fault::from_server_fn_error(ServerFnErrorErr::ServerError("lost".into()));
        };
        assert_eq!(status("application/json", signed_out), Some(401));
        assert_eq!(status("application/json", unreadable), Some(400));
        // What is not the sender's mistake keeps the 500 that server functions answer with.
        assert_eq!(status("application/json", broken), None);
        // A status of its own would take the redirect's place.
        let person = "text/html,application/xhtml+xml";
        assert_eq!(status(person, signed_out), None);
        assert_eq!(status(person, unreadable), None);
    }
}
