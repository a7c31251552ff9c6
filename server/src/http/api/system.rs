//! `/api/v1/system`, and the two probes that need no session.

use crate::http::{AppState, views};
use axum::{Json, Router, extract::State, routing::get};
use http::StatusCode;
use types::SystemInfoView;

pub fn routes() -> Router<AppState> {
    Router::new().route("/system/info", get(info))
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

async fn info(State(state): State<AppState>) -> Json<SystemInfoView> {
    Json(views::system(&state))
}
