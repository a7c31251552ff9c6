//! `/api/v1/system`, and the two probes that need no session.

use crate::http::{
    AppState,
    page::PageQuery,
    problem::{ApiResult, Body, Query},
    views,
};
use axum::{Json, Router, extract::State, routing::get};
use http::StatusCode;
use types::{ListView, LogLevelView, SystemInfoView, TaskView};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/system/info", get(info))
        .route("/system/tasks", get(tasks))
        .route("/system/log-level", get(log_level).put(set_log_level))
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
    match state.engine.settings().get("clients.unknown") {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}

/// The supervised tasks, by name: what runs, what failed and why.
async fn tasks(
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<TaskView>>> {
    page.page(state.tasks.list(), |t| t.name.clone()).map(Json)
}

/// What the log tells now.
async fn log_level(State(state): State<AppState>) -> Json<LogLevelView> {
    let level = state.log_level.get();
    Json(LogLevelView { level })
}

/// Changes what the log tells, until the server ends.
async fn set_log_level(
    State(state): State<AppState>,
    Body(wanted): Body<LogLevelView>,
) -> ApiResult<Json<LogLevelView>> {
    state.log_level.set(&wanted.level)?;
    Ok(log_level(State(state)).await)
}

async fn info(State(state): State<AppState>) -> Json<SystemInfoView> {
    Json(views::system(&state))
}
