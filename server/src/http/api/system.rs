//! `/api/v1/system`, and the two probes that need no session.

use crate::http::{AppState, auth::As, views};
use axum::{Json, Router, extract::State, routing::get};
use engine::Viewer;
use http::StatusCode;
use types::SystemInfoView;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(info))
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

/// Facts about this server.
#[utoipa::path(get, path = "/system/info", tag = "system",
    responses((status = 200, body = SystemInfoView)), security(("bearer" = ["viewer"])))]
async fn info(State(state): State<AppState>, As(_viewer): As<Viewer>) -> Json<SystemInfoView> {
    Json(views::system(&state))
}
