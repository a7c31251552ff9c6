//! Who asks: by bearer token, by the page's cookie, or by standing at the local socket; and the
//! handle on the engine that they get for it.

use super::{
    AppState, Door,
    problem::{ApiError, unauthorized},
};
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use axum_extra::extract::cookie::CookieJar;
use engine::{Admin, By, Caller, Engine, Identity, Operator, Viewer};
use http::{HeaderMap, header, request::Parts};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};
use types::{SECURE_SESSION_COOKIE, SESSION_COOKIE, Way};

/// What the command line calls itself (`User-Agent`); the audit log believes it.
pub const CLI_AGENT: &str = concat!("nsboot/", env!("CARGO_PKG_VERSION"));

/// A handle as an argument of a handler: the handler's signature says who may call it, and without
/// the role there is no handle to call anything with.
pub struct As<H>(pub H);

/// A handle on the engine.
pub trait Handle: Sized {
    /// The handle, for a caller with its role.
    ///
    /// # Errors
    /// [`engine::Error::Forbidden`].
    fn open(engine: &Engine, caller: &Caller) -> engine::Result<Self>;
}

impl Handle for Viewer {
    fn open(engine: &Engine, caller: &Caller) -> engine::Result<Self> {
        engine.as_viewer(caller)
    }
}

impl Handle for Operator {
    fn open(engine: &Engine, caller: &Caller) -> engine::Result<Self> {
        engine.as_operator(caller)
    }
}

impl Handle for Admin {
    fn open(engine: &Engine, caller: &Caller) -> engine::Result<Self> {
        engine.as_admin(caller)
    }
}

impl<H: Handle> FromRequestParts<AppState> for As<H> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Caller>().ok_or_else(unauthorized)?;
        Ok(As(H::open(&state.engine, caller)?))
    }
}

/// Whoever sent the request, for sign-in and first account. The request's extensions hold the [`By`].
pub struct Visitor(pub By);

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let by = parts.extensions.get::<By>().cloned();
        Ok(Visitor(
            by.unwrap_or_else(|| By::unknown("", None, Way::Rest)),
        ))
    }
}

/// Finds out who asks and puts it into the request. A wrong proof is as good as none: whether one
/// is needed is decided by the handler and by the pages.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let proof = proof(&state, &request);
    let by = visitor(&request, proof.as_ref().is_some_and(|(_, page)| *page));
    if let Some((identity, _)) = proof {
        // What pages look for.
        let me = state.engine.users().me(&identity);
        let by = By {
            actor: identity.actor.clone(),
            role: Some(identity.role),
            ..by.clone()
        };
        request.extensions_mut().insert(me);
        request.extensions_mut().insert(Caller { identity, by });
    }
    request.extensions_mut().insert(by);
    next.run(request).await
}

/// Who proved what, and whether it was a browser's cookie that did.
fn proof(state: &AppState, request: &Request) -> Option<(Identity, bool)> {
    if request.extensions().get::<Door>() == Some(&Door::Local) {
        return Some((Identity::local(), false));
    }
    let users = state.engine.users();
    // A token that is given counts alone, so that a script never acts as whom a cookie says.
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let identity = users.authenticate(token.trim()).ok()?;
        return Some((identity, false));
    }
    let jar = CookieJar::from_headers(request.headers());
    let cookie = jar.get(SECURE_SESSION_COOKIE).or(jar.get(SESSION_COOKIE))?;
    Some((users.resume(cookie.value()).ok()?, true))
}

/// What there is to say of a request whoever sent it.
fn visitor(request: &Request, by_cookie: bool) -> By {
    let headers = request.headers();
    let agent = text(headers, header::USER_AGENT.as_str());
    let way = if by_cookie || request.uri().path().starts_with("/fn/") {
        Way::Page
    } else if agent.as_deref() == Some(CLI_AGENT) {
        Way::Cli
    } else {
        Way::Rest
    };
    By {
        request_id: text(headers, super::REQUEST_ID.as_str()),
        agent,
        ..By::unknown("", peer(request.extensions()), way)
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    // Kept with jobs and sessions: no more of it than says something.
    Some(
        headers
            .get(name)?
            .to_str()
            .ok()?
            .chars()
            .take(200)
            .collect(),
    )
}

/// The address that a request comes from; None on the local socket.
pub fn peer(request: &http::Extensions) -> Option<IpAddr> {
    request
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(a)| a.ip())
}
