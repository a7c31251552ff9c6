//! `/api/v1/images`. `{image}` is a name or an id. An upload is the raw disk as the body; it goes to the disk piece by piece, so
//! memory does not grow with the image.

use super::jobs::accepted;
use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    page::ListQuery,
    problem::{ApiError, ApiResult, Path, Query},
};
use axum::{Json, body::Body, extract::DefaultBodyLimit, response::Response};
use engine::{Operator, Viewer, images::parse_sha256};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use types::{ImageView, JobView, ListView, Problem};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    let whole_disks = OpenApiRouter::new()
        .routes(routes!(list, upload))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(whole_disks)
        .routes(routes!(show, remove))
        .routes(routes!(verify))
}

/// Every image, in the order of creation.
#[utoipa::path(get, path = "/images", tag = "images", params(ListQuery),
    responses((status = 200, body = ListView<ImageView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<ImageView>>> {
    page.page(viewer.images(), |i| i.id.to_string()).map(Json)
}

/// One image.
#[utoipa::path(get, path = "/images/{image}", tag = "images", params(("image" = String, Path)),
    responses((status = 200, body = ImageView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(image): Path<String>) -> ApiResult<Tagged<ImageView>> {
    let view = viewer.image(&image)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Remove an image that no computer uses.
#[utoipa::path(delete, path = "/images/{image}", tag = "images", params(("image" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    operator.remove_image(&image, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Read the files of the image's versions again and compare them with their checksums, as a job.
#[utoipa::path(post, path = "/images/{image}/actions/verify", tag = "images", params(("image" = String, Path)),
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn verify(As(operator): As<Operator>, Path(image): Path<String>) -> ApiResult<Response> {
    Ok(accepted(operator.verify_image(&image).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// Its name: letters, digits, hyphens, dots.
    name: String,
    /// SHA-256 of the whole disk in hex; an upload that differs is refused.
    sha256: Option<String>,
}

/// Upload a raw disk; it becomes an image once all of it is safe on the disk.
#[utoipa::path(post, path = "/images", tag = "images", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = ImageView)), security(("bearer" = ["operator"])))]
async fn upload(
    As(operator): As<Operator>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    raw_disk(&headers)?;
    let sha256 = query.sha256.as_deref().map(parse_sha256).transpose()?;
    let expected = announced_length(&headers);
    let mut import = operator.begin_import(&query.name, expected).await?;
    let mut pieces = body.into_data_stream();
    loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            cancelled = import.cancelled() => return Err(cancelled.into()),
        };
        let Some(piece) = piece else { break };
        // Dropping the import removes what came so far.
        let piece = piece.map_err(|e| cut_off(&e.to_string()))?;
        import.write(piece).await?;
    }
    let image = import.finish(sha256).await?;
    let place = format!("/api/v1/images/{}", image.id);
    Ok(Tagged(StatusCode::CREATED, image.revision, image).at(&place))
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// A form or JSON by mistake would otherwise become a disk.
fn raw_disk(headers: &HeaderMap) -> ApiResult<()> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(|v| v.to_str().unwrap_or("?"));
    match kind {
        None | Some("application/octet-stream") => Ok(()),
        Some(other) => Err(ApiError::from(
            Problem::new(
                415,
                "NSB-HTTP-415",
                "An image is uploaded as it is",
                "Send the raw disk as the body with `Content-Type: application/octet-stream`.",
            )
            .detail(format!("Content-Type is {other}")),
        )),
    }
}

fn cut_off(why: &str) -> ApiError {
    ApiError::from(
        Problem::new(
            400,
            "NSB-IMAGE-010",
            "The upload was cut off",
            "Nothing of it was kept. Send it again.",
        )
        .detail(why),
    )
}
