//! `/api/v1/firmware`: how each kind of firmware boots. `{firmware}` is an id, or the computer that it
//! holds for.

use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    page::ListQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Json, response::Response};
use engine::{Operator, Viewer};
use http::StatusCode;
use types::{CreateFirmwareParams, FirmwareView, ListView, PinParams};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
}

/// Every kind of firmware that booted here or was pinned: single computers first.
#[utoipa::path(get, path = "/firmware", tag = "firmware", params(ListQuery),
    responses((status = 200, body = ListView<FirmwareView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<FirmwareView>>> {
    page.page(viewer.firmware(), |f| f.id.to_string()).map(Json)
}

/// Pin how one computer boots.
#[utoipa::path(post, path = "/firmware", tag = "firmware", request_body = CreateFirmwareParams,
    responses((status = 201, body = FirmwareView)), security(("bearer" = ["operator"])))]
async fn create(
    As(operator): As<Operator>,
    Body(params): Body<CreateFirmwareParams>,
) -> ApiResult<Response> {
    let firmware = operator.create_firmware(params).await?;
    let place = format!("/api/v1/firmware/{}", firmware.id);
    Ok(Tagged(StatusCode::CREATED, firmware.revision, firmware).at(&place))
}

/// One kind of firmware.
#[utoipa::path(get, path = "/firmware/{firmware}", tag = "firmware", params(("firmware" = String, Path)),
    responses((status = 200, body = FirmwareView)), security(("bearer" = ["viewer"])))]
async fn show(
    As(viewer): As<Viewer>,
    Path(firmware): Path<String>,
) -> ApiResult<Tagged<FirmwareView>> {
    let view = viewer.firmware_of(&firmware)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Pin how it boots, or let other ways be tried again; what is absent stays.
#[utoipa::path(patch, path = "/firmware/{firmware}", tag = "firmware", params(("firmware" = String, Path), IfMatch),
    request_body = PinParams,
    responses((status = 200, body = FirmwareView)), security(("bearer" = ["operator"])))]
async fn update(
    As(operator): As<Operator>,
    Path(firmware): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<PinParams>,
) -> ApiResult<Tagged<FirmwareView>> {
    let view = operator
        .update_firmware(&firmware, revision, params)
        .await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Forget it: its computers boot the usual way again.
#[utoipa::path(delete, path = "/firmware/{firmware}", tag = "firmware", params(("firmware" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path(firmware): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    operator.remove_firmware(&firmware, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
