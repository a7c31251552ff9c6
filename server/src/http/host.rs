//! What the pages need of the HTTP layer: sign-in by cookie, joined views, the lab.

use super::{AppState, auth::PEER_HEADER, views};
use app::ssr::{Answer, Cookies, Host};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use http::{HeaderMap, HeaderValue};
use std::net::{IpAddr, Ipv4Addr};
use types::{
    BootView, ClientId, LoginParams, SESSION_COOKIE, SetupParams, Snapshot, SystemInfoView,
    TokenView, Topics,
};

/// The pages' view of the server.
pub struct PageHost(pub AppState);

impl Host for PageHost {
    fn needs_setup(&self) -> bool {
        self.0.engine.users().needs_setup()
    }

    fn setup(&self, _: HeaderMap, params: SetupParams) -> Answer<Cookies> {
        let users = self.0.engine.users().clone();
        Box::pin(async move {
            let tokens = users.setup(params).await;
            Ok(signed_in(&tokens.map_err(|e| e.problem())?))
        })
    }

    fn login(&self, headers: HeaderMap, params: LoginParams) -> Answer<Cookies> {
        let users = self.0.engine.users().clone();
        Box::pin(async move {
            let tokens = users.login(params, peer(&headers)).await;
            Ok(signed_in(&tokens.map_err(|e| e.problem())?))
        })
    }

    fn logout(&self, headers: HeaderMap) -> Answer<Cookies> {
        let users = self.0.engine.users().clone();
        Box::pin(async move {
            let jar = CookieJar::from_headers(&headers);
            let session = jar
                .get(SESSION_COOKIE)
                .and_then(|c| users.resume(c.value()).ok());
            if let Some(identity) = session {
                users
                    .logout(identity.session_id)
                    .await
                    .map_err(|e| e.problem())?;
            }
            Ok(cookies(cookie("", 0)))
        })
    }

    fn snapshot(&self) -> Snapshot {
        views::snapshot(&self.0, Topics::default())
    }

    fn system(&self) -> SystemInfoView {
        views::system(&self.0)
    }

    fn boots(&self, client: ClientId) -> Vec<BootView> {
        views::boots(&self.0, client)
    }

    fn boot_virtual(&self) -> Answer<()> {
        let state = self.0.clone();
        Box::pin(async move {
            views::boot_virtual(&state, None)
                .await
                .map(drop)
                .map_err(|e| e.problem())
        })
    }
}

/// The address that the listener saw; see [`PEER_HEADER`].
fn peer(headers: &HeaderMap) -> IpAddr {
    let text = headers.get(PEER_HEADER).and_then(|v| v.to_str().ok());
    text.and_then(|t| t.parse().ok())
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

fn signed_in(tokens: &TokenView) -> Cookies {
    cookies(cookie(&tokens.refresh_token, SESSION_SECONDS))
}

/// As long as a session lasts at most; the server ends it by its own clock.
const SESSION_SECONDS: i64 = 30 * 86_400;

/// Scripts can't read it and other sites' pages don't send it.
fn cookie(value: &str, seconds: i64) -> String {
    let base = Cookie::build((SESSION_COOKIE, value.to_string()))
        .http_only(true)
        .same_site(SameSite::Strict)
        .path("/")
        .build();
    format!("{base}; Max-Age={seconds}")
}

fn cookies(cookie: String) -> Cookies {
    HeaderValue::try_from(cookie).into_iter().collect()
}
