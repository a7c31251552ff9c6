//! `/metrics` in the OpenMetrics text format, and the times of requests. What other parts count is
//! read when it is asked for; see `sampled`.

mod sampled;
#[cfg(test)]
mod tests;

use super::{AppState, auth::peer, problem::ApiResult, problem::unauthorized};
use crate::tasks::Tasks;
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use engine::{Caller, Engine, Error};
use http::{Method, header, uri::Authority};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{family::Family, histogram::Histogram},
    registry::Registry,
};
use sampled::Sampled;
use std::{net::IpAddr, sync::Arc, time::Instant};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the times of requests, seconds.
const BOUNDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 10.,
];
/// Headers that a proxy adds: behind one on this box, everybody comes from loopback.
const OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Everything that is measured. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    requests: Family<Answered, Histogram, fn() -> Histogram>,
}

/// A kind of request. The route is as the router knows it, never a path: paths hold names and
/// addresses, and there is no end of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u32,
}

impl Metrics {
    /// Of this engine and these tasks.
    pub fn new(engine: Engine, tasks: Tasks) -> Metrics {
        let requests: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BOUNDS));
        let mut registry = Registry::default();
        registry.register(
            "nsboot_http_request_duration_seconds",
            "From a request's head to its answer's head",
            requests.clone(),
        );
        registry.register_collector(Box::new(Sampled::new(engine, tasks)));
        Metrics {
            inner: Arc::new(Inner { registry, requests }),
        }
    }

    fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        encode(&mut text, &self.inner.registry)
            .map_err(|e| Error::Internal(format!("the metrics could not be written: {e}")))?;
        Ok(text)
    }
}

/// Times a request. A long body and what follows an upgrade are not in it.
pub async fn time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_string();
    let method = name(request.method());
    let began = Instant::now();
    let response = next.run(request).await;
    let answered = Answered {
        route,
        method,
        status: response.status().as_u16().into(),
    };
    let requests = &state.metrics.inner.requests;
    requests
        .get_or_create(&answered)
        .observe(began.elapsed().as_secs_f64());
    response
}

/// A method may be any word: those that we don't serve are one.
fn name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// `GET /metrics`. A scraper on this box, over loopback or the local socket, needs no session;
/// elsewhere, behind a proxy, and by another name of the box, it brings one like every caller of the API. No label names a
/// computer or a user.
pub async fn scrape(State(state): State<AppState>, request: Request) -> ApiResult<Response> {
    if !is_here(&request) && request.extensions().get::<Caller>().is_none() {
        return Err(unauthorized());
    }
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, state.metrics.text()?).into_response())
}

/// Whether it comes from this box, and not through a proxy on it: one that adds no header keeps the
/// name that it was asked by, or puts ours in its place.
fn is_here(request: &Request) -> bool {
    let headers = request.headers();
    let forwarded = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
    let Some(from) = peer(request.extensions()) else {
        return true;
    };
    from.to_canonical().is_loopback() && !forwarded && asks_for_loopback(request)
}

fn asks_for_loopback(request: &Request) -> bool {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|h| h.to_str().ok()?.parse::<Authority>().ok());
    let authority = host.as_ref().or(request.uri().authority());
    authority.is_some_and(|a| {
        let name = a.host().trim_matches(['[', ']']);
        let address = name.parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|a| a.to_canonical().is_loopback())
    })
}
