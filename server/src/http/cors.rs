//! Which other sites' pages may use the REST API: those of the setting `http.allowed_origins`, and with
//! a token only. Cookies of theirs do not count.

use super::{AppState, idempotency};
use http::{HeaderName, HeaderValue, Method, header, request::Parts};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it was allowed.
const REMEMBERED: Duration = Duration::from_secs(300);

/// Answers preflights, and tells browsers which answers their pages may read.
pub fn layer(state: &AppState) -> CorsLayer {
    let settings = state.engine.settings().clone();
    let allowed = move |origin: &HeaderValue, parts: &Parts| {
        parts.uri.path().starts_with("/api/")
            && settings.with(|v| is_allowed(&v.allowed_origins, origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            idempotency::KEY,
            super::REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            super::REQUEST_ID,
            idempotency::REPLAYED,
            HeaderName::from_static("ratelimit-limit"),
            HeaderName::from_static("ratelimit-remaining"),
            HeaderName::from_static("ratelimit-reset"),
        ])
        .max_age(REMEMBERED)
}

/// Whether a page of this origin may use the API.
pub fn is_allowed(allowed: &[String], origin: &HeaderValue) -> bool {
    let origin = origin.to_str().unwrap_or("");
    allowed.iter().any(|a| a.eq_ignore_ascii_case(origin))
}
