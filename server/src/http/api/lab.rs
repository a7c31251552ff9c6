//! `/api/v1/lab/actions`: the virtual computers on this box.

use crate::http::{
    AppState,
    auth::As,
    etag::Tagged,
    problem::{ApiResult, Body, Query},
    views,
};
use axum::{Json, extract::State};
use engine::Operator;
use http::StatusCode;
use serde::Deserialize;
use types::{ClientView, LabBootParams, LabView};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(up))
        .routes(routes!(boot))
        .routes(routes!(down))
}

/// Make the lab's network and serve it.
#[utoipa::path(post, path = "/lab/actions/up", tag = "lab",
    responses((status = 200, body = LabView)), security(("bearer" = ["operator"])))]
async fn up(State(state): State<AppState>, As(operator): As<Operator>) -> ApiResult<Json<LabView>> {
    views::lab_up(&state, &operator).await?;
    Ok(Json(operator.lab()))
}

/// Power a virtual computer on. It is no job: how its boot goes is told by its timeline.
#[utoipa::path(post, path = "/lab/actions/boot", tag = "lab", request_body = LabBootParams,
    responses((status = 200, body = ClientView)), security(("bearer" = ["operator"])))]
async fn boot(
    State(state): State<AppState>,
    As(operator): As<Operator>,
    Body(params): Body<LabBootParams>,
) -> ApiResult<Tagged<ClientView>> {
    let client = views::boot_virtual(&state, &operator, params).await?;
    Ok(Tagged(StatusCode::OK, client.revision, client))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DownQuery {
    /// Only this computer; None is all of them and the network.
    name: Option<String>,
}

/// Power virtual computers off.
#[utoipa::path(post, path = "/lab/actions/down", tag = "lab", params(DownQuery),
    responses((status = 200, body = LabView)), security(("bearer" = ["operator"])))]
async fn down(
    State(state): State<AppState>,
    As(operator): As<Operator>,
    Query(query): Query<DownQuery>,
) -> ApiResult<Json<LabView>> {
    match query.name {
        Some(name) => operator.lab_power_off(&name).await?,
        None => views::lab_down(&state, &operator).await?,
    }
    Ok(Json(operator.lab()))
}
