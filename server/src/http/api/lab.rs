//! `/api/v1/lab/actions`: the virtual computers on this box.

use crate::http::{
    AppState,
    etag::Tagged,
    problem::{ApiResult, Body, Query},
    views,
};
use axum::{Json, Router, extract::State, routing::post};
use http::StatusCode;
use serde::Deserialize;
use types::{ClientView, LabBootParams, LabView};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/lab/actions/up", post(up))
        .route("/lab/actions/boot", post(boot))
        .route("/lab/actions/down", post(down))
}

async fn up(State(state): State<AppState>) -> ApiResult<Json<LabView>> {
    views::lab_up(&state).await?;
    Ok(Json(state.engine.lab().view()))
}

/// The computer has power when this answers; how its boot goes is told by its timeline.
async fn boot(
    State(state): State<AppState>,
    Body(params): Body<LabBootParams>,
) -> ApiResult<Tagged<ClientView>> {
    let client = views::boot_virtual(&state, params.name.as_deref()).await?;
    Ok(Tagged(StatusCode::ACCEPTED, client.revision, client))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DownQuery {
    /// Only this computer; None is all of them and the network.
    name: Option<String>,
}

async fn down(
    State(state): State<AppState>,
    Query(query): Query<DownQuery>,
) -> ApiResult<Json<LabView>> {
    let lab = state.engine.lab();
    match query.name {
        Some(name) => lab.power_off(&name).await?,
        None => views::lab_down(&state).await?,
    }
    Ok(Json(lab.view()))
}
