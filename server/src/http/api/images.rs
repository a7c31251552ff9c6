//! `/api/v1/images`. `{image}` is a name or an id. An upload is a file as the body, and an export one as the answer; they go by
//! piece by piece, so memory does not grow with the image.

use super::jobs::accepted;
use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    page::ListQuery,
    problem::{self, ApiError, ApiResult, Path, Query},
};
use axum::{Json, body::Body, extract::DefaultBodyLimit, response::Response};
use engine::{
    Admin, Operator, Viewer,
    images::{NewImport, parse_sha256},
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use types::{ExportFormat, ImageView, ImportImageParams, JobView, ListView, Problem};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    let whole_disks = OpenApiRouter::new()
        .routes(routes!(list, upload))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(whole_disks)
        .routes(routes!(show, remove))
        .routes(routes!(content))
        .routes(routes!(fetch))
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

/// Make an image of a file that the server fetches itself, as a job: from a URL by http or https, or from the folder `import` of its
/// data folder.
#[utoipa::path(post, path = "/images/actions/import", tag = "images", request_body = ImportImageParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["admin"])))]
async fn fetch(
    As(admin): As<Admin>,
    problem::Body(params): problem::Body<ImportImageParams>,
) -> ApiResult<Response> {
    Ok(accepted(admin.fetch_image(params).await?))
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
struct ExportQuery {
    /// What kind of file; raw when it is left out.
    #[serde(default)]
    format: ExportFormat,
    /// The number of a version; that of channel production when it is left out.
    version: Option<u32>,
}

/// The disk of a version as a file: raw with its zeros, qcow2 with what is allocated, or zst, which is raw compressed by zstd.
#[utoipa::path(get, path = "/images/{image}/content", tag = "images", params(("image" = String, Path), ExportQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")), security(("bearer" = ["operator"])))]
async fn content(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    Query(query): Query<ExportQuery>,
) -> ApiResult<Response> {
    let export = operator
        .export_image(&image, query.version, query.format)
        .await?;
    let named = format!("attachment; filename=\"{}\"", export.file_name);
    let len = export.len;
    let pieces = stream::unfold(Some(export), async |export| {
        let mut export = export?;
        match export.next().await {
            Ok(piece) => Some((Ok(piece?), Some(export))),
            Err(e) => {
                // The caller sees a connection that breaks.
                tracing::error!(file = export.file_name, error = %e, "an export broke off");
                Some((Err(e), None))
            }
        }
    });
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_DISPOSITION, named);
    let answer = match len {
        Some(len) => answer.header(header::CONTENT_LENGTH, len),
        None => answer,
    };
    let answer = answer.body(Body::from_stream(pieces));
    Ok(answer.map_err(|e| engine::Error::Internal(format!("an answer could not be made: {e}")))?)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// Its name: letters, digits, hyphens, dots.
    name: String,
    /// SHA-256 of the file in hex; an upload that differs is refused.
    sha256: Option<String>,
}

/// Upload a disk in one request: raw or ISO, qcow2, VMDK, VHD or VHDX, as it is or compressed by gzip, xz or zstd. It becomes an image
/// once all of it is safe on the disk. `/uploads` does the same over connections that may break.
#[utoipa::path(post, path = "/images", tag = "images", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = ImageView)), security(("bearer" = ["operator"])))]
async fn upload(
    As(operator): As<Operator>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    plain_bytes(&headers)?;
    let sha256 = query.sha256.as_deref().map(parse_sha256).transpose()?;
    let new = NewImport {
        name: query.name,
        file_bytes: announced_length(&headers),
        sha256,
    };
    let mut import = operator.begin_import(new).await?;
    let mut pieces = body.into_data_stream();
    loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            cancelled = import.cancelled() => return Err(cancelled.into()),
        };
        let Some(piece) = piece else { break };
        // Dropping the import removes what came so far.
        let piece =
            piece.map_err(|e| cut_off(&e.to_string(), "Nothing of it was kept. Send it again."))?;
        import.write(piece).await?;
    }
    let image = import.finish().await?;
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
pub(super) fn plain_bytes(headers: &HeaderMap) -> ApiResult<()> {
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
                "Send the file as the body with `Content-Type: application/octet-stream`.",
            )
            .detail(format!("Content-Type is {other}")),
        )),
    }
}

/// A body that broke off, and what to do.
pub(super) fn cut_off(why: &str, hint: &str) -> ApiError {
    ApiError::from(Problem::new(400, "NSB-IMAGE-010", "The upload was cut off", hint).detail(why))
}
