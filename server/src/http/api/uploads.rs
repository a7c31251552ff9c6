//! `/api/v1/uploads`: a file that becomes an image, sent in pieces over as many connections as it takes.

use super::images::{cut_off, plain_bytes};
use crate::http::{
    AppState,
    auth::As,
    problem::{ApiResult, Body, Path, bad_query},
};
use axum::{
    Json, body::Body as Bytes, extract::DefaultBodyLimit, http::HeaderMap, response::IntoResponse,
};
use engine::Operator;
use futures_util::StreamExt;
use http::{HeaderName, StatusCode, header};
use types::{CreateUploadParams, UploadView};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Where the bytes of a piece go.
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

pub fn routes() -> OpenApiRouter<AppState> {
    let pieces = OpenApiRouter::new()
        .routes(routes!(show, send, remove))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new().merge(pieces).routes(routes!(create))
}

/// Begin an upload of an image. Its bytes follow with `PATCH`; it waits an hour for each of them, and a restart of the
/// server ends it.
#[utoipa::path(post, path = "/uploads", tag = "images", request_body = CreateUploadParams,
    responses((status = 201, body = UploadView)), security(("bearer" = ["operator"])))]
async fn create(
    As(operator): As<Operator>,
    Body(params): Body<CreateUploadParams>,
) -> ApiResult<impl IntoResponse> {
    let upload = operator.begin_upload(params).await?;
    let place = format!("/api/v1/uploads/{}", upload.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, place)],
        Json(upload),
    ))
}

/// How far an upload is: `offset_bytes` is where the next piece begins.
#[utoipa::path(get, path = "/uploads/{upload}", tag = "images", params(("upload" = String, Path)),
    responses((status = 200, body = UploadView)), security(("bearer" = ["operator"])))]
async fn show(
    As(operator): As<Operator>,
    Path(upload): Path<String>,
) -> ApiResult<Json<UploadView>> {
    Ok(Json(operator.upload(&upload)?))
}

/// Send the file's bytes from `Upload-Offset` on, all that are left or some of them. What arrived is kept when the
/// connection breaks. After the last byte the answer waits until the image is ready.
#[utoipa::path(patch, path = "/uploads/{upload}", tag = "images",
    params(("upload" = String, Path), ("Upload-Offset" = u64, Header, description = "Where these bytes begin in the file: \
        `offset_bytes` of the upload.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = UploadView)), security(("bearer" = ["operator"])))]
async fn send(
    As(operator): As<Operator>,
    Path(upload): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult<Json<UploadView>> {
    plain_bytes(&headers)?;
    let mut sending = operator.send_upload(&upload, offset(&headers)?)?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|e| cut_off(&e.to_string(), "What arrived was kept. Go on with it."))?;
        sending.write(piece).await?;
    }
    let upload = sending.end().await?;
    match upload.problem {
        Some(problem) => Err(problem.into()),
        None => Ok(Json(upload)),
    }
}

/// Cancel an upload, or forget one that is over; an image that is ready stays.
#[utoipa::path(delete, path = "/uploads/{upload}", tag = "images", params(("upload" = String, Path)),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(As(operator): As<Operator>, Path(upload): Path<String>) -> ApiResult<StatusCode> {
    operator.remove_upload(&upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn offset(headers: &HeaderMap) -> ApiResult<u64> {
    let value = headers.get(OFFSET).and_then(|v| v.to_str().ok());
    let number = value.and_then(|v| v.parse().ok());
    number.ok_or_else(|| bad_query("Upload-Offset: say where in the file these bytes begin"))
}
