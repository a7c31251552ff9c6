//! `/api/v1/system`, and the two probes that need no session.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Body, Query},
    views,
};
use axum::{Json, Router, extract::State, routing::get};
use engine::{Admin, Viewer};
use http::StatusCode;
use types::{ListView, LogLevelView, SystemInfoView, TaskView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(info))
        .routes(routes!(tasks))
        .routes(routes!(log_level, set_log_level))
}

/// `/healthz`, `/readyz`.
pub fn probes() -> Router<AppState> {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

async fn healthy() -> &'static str {
    "ok\n"
}

/// Ready while the database answers; a boot plane that failed does not take the page away.
async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    match state.engine.is_readable() {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}

/// The supervised tasks, by name: what runs, what failed and why.
#[utoipa::path(get, path = "/system/tasks", tag = "system", params(ListQuery),
    responses((status = 200, body = ListView<TaskView>)), security(("bearer" = ["viewer"])))]
async fn tasks(
    State(state): State<AppState>,
    As(_viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<TaskView>>> {
    page.page(state.tasks.list(), |t| t.name.clone()).map(Json)
}

/// What the log tells now.
#[utoipa::path(get, path = "/system/log-level", tag = "system",
    responses((status = 200, body = LogLevelView)), security(("bearer" = ["viewer"])))]
async fn log_level(State(state): State<AppState>, As(_viewer): As<Viewer>) -> Json<LogLevelView> {
    let level = state.log_level.get();
    Json(LogLevelView { level })
}

/// Change what the log tells, until the server ends. Several who do so at once go one by one.
#[utoipa::path(put, path = "/system/log-level", tag = "system", request_body = LogLevelView,
    responses((status = 200, body = LogLevelView)), security(("bearer" = ["admin"])))]
async fn set_log_level(
    State(state): State<AppState>,
    As(admin): As<Admin>,
    Body(wanted): Body<LogLevelView>,
) -> ApiResult<Json<LogLevelView>> {
    let prepared = state.log_level.prepare(&wanted.level).await;
    let prepared = prepared.map(|change| (change.before().into(), move || change.make()));
    let level = wanted.level.trim();
    admin.set_log_level(level, prepared).await?;
    // What holds, whatever was asked for.
    let level = state.log_level.get();
    Ok(Json(LogLevelView { level }))
}

/// Facts about this server.
#[utoipa::path(get, path = "/system/info", tag = "system",
    responses((status = 200, body = SystemInfoView)), security(("bearer" = ["viewer"])))]
async fn info(State(state): State<AppState>, As(_viewer): As<Viewer>) -> Json<SystemInfoView> {
    Json(views::system(&state))
}
