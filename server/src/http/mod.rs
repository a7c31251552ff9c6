//! HTTP: page, REST and WebSocket on one listener. The boot plane's HTTP is apart, in `boot`.

pub mod api;
pub mod auth;
mod body;
pub mod boot;
mod cors;
mod etag;
mod events;
mod files;
pub mod front;
mod guard;
mod help;
mod host;
mod idempotency;
pub mod limit;
pub mod listener;
pub mod metrics;
mod page;
mod problem;
pub mod request_id;
mod seats;
mod site;
pub mod views;

use crate::{
    log::LogLevel,
    planes::Planes,
    tasks::{Tasks, panic_text},
};
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use engine::Engine;
use limit::Limits;
use metrics::Metrics;
use request_id::REQUEST_ID;
use std::{any::Any, time::Duration};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, DefaultPredicate, Predicate, predicate::NotForContentType},
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::RequestBodyTimeoutLayer,
    trace::TraceLayer,
};
use types::Timestamp;

/// The most that a JSON or form body may have, bytes.
const BODY_LIMIT: usize = 64 << 10;

/// What handlers work with.
#[derive(Clone)]
pub struct AppState {
    pub engine: Engine,
    pub started_at: Timestamp,
    /// Ends when the server stops; long answers watch it.
    pub stopping: CancellationToken,
    pub planes: Planes,
    pub tasks: Tasks,
    pub metrics: Metrics,
    pub log_level: LogLevel,
    pub limits: Limits,
}

/// How requests of a listener prove who they come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// By token or cookie.
    Network,
    /// By being able to open the local socket.
    Local,
}

/// Everything that a listener serves.
pub fn router(state: AppState, door: Door) -> Router {
    let v1 = Router::from(api::routes())
        .route("/ws", get(events::upgrade))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), idempotency::once));
    Router::new()
        .nest("/api/v1", v1)
        .route("/api/{*rest}", axum::routing::any(problem::not_found))
        .merge(api::system::probes())
        .merge(api::viewer())
        .merge(help::routes())
        .route("/metrics", get(metrics::scrape))
        .merge(site::routes())
        .layer(from_fn_with_state(state.clone(), limit::hold))
        .layer(from_fn_with_state(state.clone(), auth::identify))
        .layer(Extension(door))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(RequestBodyTimeoutLayer::new(body::IDLE))
        .layer(from_fn_with_state(state.clone(), guard::same_origin))
        .layer(cors::layer(&state))
        .layer(from_fn_with_state(state.clone(), guard::headers))
        .layer(CatchPanicLayer::custom(panicked))
        // Outside of all that refuses without reading.
        .layer(from_fn(body::in_time))
        .layer(from_fn(problem::named))
        // Answers that are small or packed already stay as they are.
        .layer(CompressionLayer::new().compress_when(packable()))
        .layer(from_fn_with_state(state.clone(), metrics::time))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(TraceLayer::new_for_http().make_span_with(request_id::span))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(from_fn(request_id::only_tokens))
        .with_state(state)
}

/// What is worth packing: no disk, whose length is known and which is long.
fn packable() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"))
}

/// How long open requests may take to end when the server stops.
pub const DRAIN: Duration = Duration::from_secs(4);

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(panic = panic_text(&*panic), "a request handler panicked");
    problem::panicked()
}
