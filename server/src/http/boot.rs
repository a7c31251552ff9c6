//! The boot plane's HTTP: scripts, files and the ready report. Firmware has no login: where we hand
//! out the addresses, the address tells who asks, and each computer gets its own script only. Every body has its exact length: EDK2 and old
//! iPXE understand no chunks.

use super::{
    body, files,
    problem::{ApiError, ApiResult, Body as JsonBody},
    request_id::{self, REQUEST_ID},
};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine::{
    Engine,
    boot::{Plane, Signal, Who},
    loaders::LoaderFile,
};
use http::{HeaderMap, Method, StatusCode, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tower_http::{
    request_id::{MakeRequestUuid, SetRequestIdLayer},
    timeout::RequestBodyTimeoutLayer,
    trace::TraceLayer,
};
use tracing::{Span, field::display};
use types::{MacAddr, Problem, ReadyFacts, Timestamp};

/// The most that a ready report may have, bytes.
const REPORT_LIMIT: usize = 16 << 10;
/// The most of one text in a report, characters.
const TEXT_LIMIT: usize = 200;

#[derive(Clone)]
struct Boot {
    engine: Engine,
    plane: Plane,
}

/// What this plane serves. Needs the peer's address as [`ConnectInfo`].
pub fn router(engine: Engine, plane: Plane) -> Router {
    let boot = Boot { engine, plane };
    Router::new()
        .route("/b/ready", post(ready))
        .route("/b/{script}", get(script))
        .route("/f/{*path}", get(file))
        .layer(DefaultBodyLimit::max(REPORT_LIMIT))
        .layer(RequestBodyTimeoutLayer::new(body::IDLE))
        .layer(from_fn(body::in_time))
        .layer(from_fn_with_state(boot.clone(), name_boot))
        .layer(TraceLayer::new_for_http().make_span_with(request_id::span))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(from_fn(request_id::only_tokens))
        .with_state(boot)
}

/// Puts the boot that a request belongs to on all its log lines, when its address tells which.
async fn name_boot(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if let IpAddr::V4(address) = peer.ip().to_canonical()
        && let Some(id) = boot.engine.boots().id_of(Who::Address(address))
    {
        Span::current().record("boot_id", display(id));
    }
    next.run(request).await
}

async fn script(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    method: Method,
) -> ApiResult<Response> {
    let at = engine::now();
    let peer = ipv4(peer)?;
    let mac: MacAddr = name
        .strip_suffix(".ipxe")
        .and_then(|n| n.parse().ok())
        .filter(MacAddr::is_unicast)
        .ok_or_else(|| {
            Problem::new(
                404,
                "NSB-BOOT-004",
                "There is no such boot script",
                "Ask for /b/52-54-00-12-34-56.ipxe, with the address of the network card.",
            )
        })?;
    // Only a GET begins a boot: a HEAD must not throw a disk's changes away. So the length is not
    // known then, and a body of unknown length says none, instead of a wrong one.
    let text = if method == Method::HEAD {
        Body::from_stream(futures_util::stream::empty::<std::io::Result<bytes::Bytes>>())
    } else {
        Body::from(
            boot.engine
                .boots()
                .script(mac, peer, &boot.plane, at)
                .await?,
        )
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

async fn ready(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    JsonBody(facts): JsonBody<ReadyFacts>,
) -> ApiResult<StatusCode> {
    let at = engine::now();
    boot.engine.boots().ready(ipv4(peer)?, bounded(facts), at)?;
    Ok(StatusCode::NO_CONTENT)
}

fn ipv4(peer: SocketAddr) -> ApiResult<Ipv4Addr> {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(ApiError::from(Problem::new(
            403,
            "NSB-BOOT-011",
            "Only IPv4 computers boot from here",
            "Ask from the address that the computer booted with.",
        ))),
    }
}

/// The report comes from whatever runs on the machine: its texts are cut, its controls dropped.
fn bounded(mut facts: ReadyFacts) -> ReadyFacts {
    for text in [&mut facts.hostname, &mut facts.kernel, &mut facts.root]
        .into_iter()
        .flatten()
    {
        *text = text
            .chars()
            .filter(|c| !c.is_control())
            .take(TEXT_LIMIT)
            .collect();
    }
    facts.uptime_seconds = facts.uptime_seconds.filter(|s| s.is_finite() && *s >= 0.0);
    facts
}

async fn file(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(path): Path<String>,
    headers: HeaderMap,
    method: Method,
) -> ApiResult<Response> {
    let at = engine::now();
    let loaders = boot.engine.loaders().clone();
    let engine = boot.engine.clone();
    // Found and, when it is small, read in one go: each change of threads costs more than a small file.
    let (name, is_get) = (path.clone(), method == Method::GET);
    let find = move || {
        let found = loaders.find(name.as_bytes())?;
        let begun = |file: &LoaderFile| fetched(engine, peer, file, at);
        Some(files::answer(found, &headers, &method, begun))
    };
    let found = tokio::task::spawn_blocking(find).await.ok().flatten();
    // As the script: only a GET begins a boot.
    if found.is_none() && is_get {
        let (peer, plane) = (ipv4(peer)?, &boot.plane);
        let boots = boot.engine.boots();
        if let Some(config) = boots.grub_config(path.as_bytes(), peer, plane, at).await? {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            return Ok((headers, config).into_response());
        }
    }
    found.ok_or_else(|| {
        Problem::new(
            404,
            "NSB-LOADER-004",
            "There is no such file",
            "Put it into the folder `loaders` of the data directory.",
        )
    })?
}

/// Tells the boots that this computer fetches a file, as UEFI HTTP Boot fetches its loader, and later
/// that it has all of it.
fn fetched(engine: Engine, peer: SocketAddr, file: &LoaderFile, at: Timestamp) -> files::Done {
    let IpAddr::V4(address) = peer.ip().to_canonical() else {
        return Box::new(|| {});
    };
    let (who, file, bytes) = (Who::Address(address), file.name.clone(), file.len);
    let asked = Signal::LoaderAsked { file: file.clone() };
    engine.boots().signal(who, at, asked);
    Box::new(move || {
        let done = Signal::LoaderDone { file, bytes };
        engine.boots().signal(who, engine::now(), done);
    })
}

#[cfg(test)]
#[path = "boot_tests.rs"]
mod tests;
