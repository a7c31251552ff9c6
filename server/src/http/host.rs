//! What the pages need of the HTTP layer: sign-in by cookie, joined views, the lab.

use super::{AppState, views};
use app::ssr::{Answer, Cookies, Host};
use axum_extra::extract::cookie::{Cookie, SameSite};
use engine::{By, Operator, Viewer};
use http::HeaderValue;
use types::{
    LabBootParams, LabFirmware, LoginParams, SECURE_SESSION_COOKIE, SESSION_COOKIE, SetupParams,
    Snapshot, SystemInfoView, TokenView, Topics,
};

/// The pages' view of the server.
pub struct PageHost(pub AppState);

impl Host for PageHost {
    fn needs_setup(&self) -> bool {
        self.0.engine.users().needs_setup()
    }

    fn setup(&self, by: By, params: SetupParams, over_tls: bool) -> Answer<Cookies> {
        let users = self.0.engine.users().clone();
        Box::pin(async move {
            let tokens = users.setup(by, params).await;
            Ok(signed_in(&tokens.map_err(|e| e.problem())?, over_tls))
        })
    }

    fn login(&self, by: By, params: LoginParams, over_tls: bool) -> Answer<Cookies> {
        let users = self.0.engine.users().clone();
        Box::pin(async move {
            let tokens = users.login(by, params).await;
            Ok(signed_in(&tokens.map_err(|e| e.problem())?, over_tls))
        })
    }

    fn logout(&self, viewer: Option<Viewer>) -> Answer<Cookies> {
        Box::pin(async move {
            if let Some(viewer) = viewer {
                viewer.logout().await.map_err(|e| e.problem())?;
            }
            // Whichever it was: a browser may have come both ways.
            Ok([cookies(cookie("", 0, false)), cookies(cookie("", 0, true))].concat())
        })
    }

    fn snapshot(&self, viewer: &Viewer) -> Snapshot {
        views::snapshot(viewer, Topics::default())
    }

    fn system(&self) -> SystemInfoView {
        views::system(&self.0)
    }

    fn boot_virtual(&self, operator: Operator, firmware: LabFirmware) -> Answer<()> {
        let state = self.0.clone();
        Box::pin(async move {
            let params = LabBootParams {
                name: None,
                firmware,
            };
            views::boot_virtual(&state, &operator, params)
                .await
                .map(drop)
                .map_err(|e| e.problem())
        })
    }
}

fn signed_in(tokens: &TokenView, over_tls: bool) -> Cookies {
    cookies(cookie(&tokens.refresh_token, SESSION_SECONDS, over_tls))
}

/// As long as a session lasts at most; the server ends it by its own clock.
const SESSION_SECONDS: i64 = 30 * 86_400;

/// Scripts can't read it and other sites' pages don't send it.
fn cookie(value: &str, seconds: i64, over_tls: bool) -> String {
    let name = match over_tls {
        true => SECURE_SESSION_COOKIE,
        false => SESSION_COOKIE,
    };
    let base = Cookie::build((name, value.to_string()))
        .secure(over_tls)
        .http_only(true)
        .same_site(SameSite::Strict)
        .path("/")
        .build();
    format!("{base}; Max-Age={seconds}")
}

fn cookies(cookie: String) -> Cookies {
    HeaderValue::try_from(cookie).into_iter().collect()
}
