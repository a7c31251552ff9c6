//! Who may ask at all: requests that another site's page sends in a visitor's name are refused,
//! and answers carry the headers that keep other sites out of our pages.

use super::{
    AppState, cors,
    listener::ConnectedAt,
    problem::{ApiError, ApiResult},
};
use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, header};
use types::Problem;

/// Refuses what a foreign page may have caused. Requests without `Origin` and `Sec-Fetch-Site` do
/// not come from a browser and pass: they bring a token, not a cookie that sends itself.
pub async fn same_origin(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if is_allowed_elsewhere(&state, &request) {
        // It comes with a token or not at all: what a browser sends by itself proves nothing there.
        request.headers_mut().remove(header::COOKIE);
        return next.run(request).await;
    }
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if (!safe || upgrade)
        && let Err(e) = check(request.headers(), request.uri().host())
    {
        return e.into_response();
    }
    next.run(request).await
}

/// Whether a page of a site on the list asks for the REST API.
fn is_allowed_elsewhere(state: &AppState, request: &Request) -> bool {
    let headers = request.headers();
    let rest = request.uri().path().starts_with("/api/") && !headers.contains_key(header::UPGRADE);
    let settings = state.engine.settings();
    let listed = |o| settings.with(|v| cors::is_allowed(&v.allowed_origins, o));
    let foreign = || check(headers, request.uri().host()).is_err();
    rest && headers.get(header::ORIGIN).is_some_and(listed) && foreign()
}

fn check(headers: &HeaderMap, uri_host: Option<&str>) -> ApiResult<()> {
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return Err(foreign(format!("Sec-Fetch-Site is {site}")));
    }
    if let Some(origin) = text("origin") {
        let host = text("host").or(uri_host).unwrap_or("");
        let named = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if host.is_empty() || !named.is_some_and(|n| n.eq_ignore_ascii_case(host)) {
            return Err(foreign(format!("Origin is {origin}, this host is {host}")));
        }
    }
    Ok(())
}

fn foreign(detail: String) -> ApiError {
    ApiError::from(
        Problem::new(
            403,
            "NSB-HTTP-403",
            "This request came from another site's page",
            "Open NSBoot's own page, or send the request from a program without an Origin header.",
        )
        .detail(detail),
    )
}

/// What the viewer of the API's description and the help pages need: our own files, and styles that
/// the viewer sets itself.
const VIEWER_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the headers that hold for every answer. Pages set their own Content-Security-Policy.
pub async fn headers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let path = request.uri().path();
    let docs = path.starts_with("/api/docs/") || path.starts_with("/help/");
    let had_body = !request.body().is_end_stream();
    let connected = request.extensions().get::<ConnectedAt>().copied();
    let mut response = next.run(request).await;
    let settings = state.engine.settings();
    let outdated = connected.is_some_and(|c| settings.is_older_than_trial(c.0));
    let refused = response.status().is_client_error() || response.status().is_server_error();
    let headers = response.headers_mut();
    // What is left of a refused body is not read, so no other request can follow it: say so.
    // And who may have to confirm a network change needs another connection for it.
    if (refused && had_body) || outdated {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not `no-referrer`: with it browsers send `Origin: null` with forms, and forms work without scripts here.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(match docs {
            true => VIEWER_POLICY,
            false => "default-src 'none'; frame-ancestors 'none'",
        }));
    if api {
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_programs_pass() {
        for (headers, pass) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (
                vec![("host", "box:3000"), ("origin", "http://box:3000")],
                true,
            ),
            (
                vec![("host", "Box:3000"), ("origin", "https://box:3000")],
                true,
            ),
            (
                vec![("host", "box:3000"), ("origin", "http://box:3001")],
                false,
            ),
            (
                vec![("host", "box:3000"), ("origin", "http://box:3000.evil.org")],
                false,
            ),
            (vec![("host", "box:3000"), ("origin", "null")], false),
            (vec![("origin", "http://box")], false),
            (vec![("host", ""), ("origin", "http://")], false),
            (
                vec![
                    ("host", "b"),
                    ("origin", "http://b"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
        ] {
            let mut map = HeaderMap::new();
            for (k, v) in &headers {
                map.insert(*k, HeaderValue::from_static(v));
            }
            assert_eq!(check(&map, None).is_ok(), pass, "{headers:?}");
        }
    }
}
