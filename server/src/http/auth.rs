//! Who asks: by bearer token, by the page's cookie, or by standing at the local socket.

use super::{AppState, Door, problem::unauthorized};
use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::CookieJar;
use engine::{Identity, now};
use http::{HeaderValue, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use types::{Role, SESSION_COOKIE, SessionId, UserId};
use uuid::Uuid;

/// The caller of a request, in the request's extensions when there is one. Pages find a
/// [`types::MeView`] there as well.
#[derive(Clone, Debug)]
pub struct Caller {
    pub identity: Identity,
    /// Came through the local socket: there is no session behind it.
    is_local: bool,
}

impl Caller {
    /// What the caller may do as of now, none when its session has ended; long answers ask whenever
    /// [`engine::Users::changes`] says so. A short-lived access token may run out meanwhile: what
    /// counts is the session behind it.
    pub fn role_now(&self, state: &AppState) -> Option<Role> {
        match self.is_local {
            true => Some(self.identity.role),
            false => state.engine.users().session_role(self.identity.session_id),
        }
    }

    /// Whether the request came through the local socket: there is no session to end.
    pub fn is_local(&self) -> bool {
        self.is_local
    }
}

/// The peer's address, for those that see only a request's headers. Set by us on every request,
/// whatever the peer wrote there.
pub const PEER_HEADER: &str = "x-nsboot-peer";

/// Finds out who asks and puts it into the request. A wrong proof is as good as none: whether one
/// is needed is decided by [`require`] and by the pages.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if let Some(caller) = caller(&state, &request) {
        // What pages look for.
        let me = state.engine.users().me(&caller.identity);
        request.extensions_mut().insert(me);
        request.extensions_mut().insert(caller);
    }
    if let Ok(peer) = HeaderValue::try_from(peer(request.extensions()).to_string()) {
        request.headers_mut().insert(PEER_HEADER, peer);
    }
    next.run(request).await
}

/// Lets only those pass that [`identify`] knew.
pub async fn require(request: Request, next: Next) -> Response {
    match request.extensions().get::<Caller>() {
        Some(_) => next.run(request).await,
        None => unauthorized().into_response(),
    }
}

fn caller(state: &AppState, request: &Request) -> Option<Caller> {
    if request.extensions().get::<Door>() == Some(&Door::Local) {
        return Some(Caller {
            identity: local_admin(),
            is_local: true,
        });
    }
    let users = state.engine.users();
    // A token that is given counts alone, so that a script never acts as whom a cookie says.
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let identity = users.authenticate(token.trim()).ok()?;
        return Some(Caller {
            identity,
            is_local: false,
        });
    }
    let jar = CookieJar::from_headers(request.headers());
    let token = jar.get(SESSION_COOKIE)?.value().to_string();
    let identity = users.resume(&token).ok()?;
    Some(Caller {
        identity,
        is_local: false,
    })
}

/// Whoever may open the socket in the data directory owns the server anyway.
fn local_admin() -> Identity {
    Identity {
        user_id: UserId(Uuid::nil()),
        username: "local".into(),
        role: Role::Admin,
        session_id: SessionId(Uuid::nil()),
        session_expires_at: now().plus_seconds(3600),
    }
}

/// The address that a request comes from; the local socket counts as loopback.
pub fn peer(request: &http::Extensions) -> IpAddr {
    request
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(a)| a.ip())
}
