//! `/api/v1/loaders`: sets of the first programs that firmware runs. `{set}` is a name. An upload is a tar
//! archive, plain or gzipped, as the body; it is unpacked as it arrives.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiError, ApiResult, Path, Query},
};
use axum::{Json, body::Body, extract::DefaultBodyLimit, response::IntoResponse};
use engine::{Admin, Viewer};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use types::{ListView, LoaderSetView, Problem};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What an archive may call itself.
const ARCHIVES: [&str; 4] = [
    "application/octet-stream",
    "application/x-tar",
    "application/gzip",
    "application/x-gzip",
];

pub fn routes() -> OpenApiRouter<AppState> {
    let archives = OpenApiRouter::new()
        .routes(routes!(list, upload))
        .layer(DefaultBodyLimit::disable());
    OpenApiRouter::new()
        .merge(archives)
        .routes(routes!(show, remove))
}

/// Every loader set, by name; without its files.
#[utoipa::path(get, path = "/loaders", tag = "loaders", params(ListQuery),
    responses((status = 200, body = ListView<LoaderSetView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<LoaderSetView>>> {
    let sets = viewer.loader_sets().await?;
    page.page(sets, |s| s.name.clone()).map(Json)
}

/// One loader set, with its files.
#[utoipa::path(get, path = "/loaders/{set}", tag = "loaders", params(("set" = String, Path)),
    responses((status = 200, body = LoaderSetView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(set): Path<String>) -> ApiResult<Json<LoaderSetView>> {
    Ok(Json(viewer.loader_set(&set).await?))
}

/// Remove an uploaded loader set that nothing uses.
#[utoipa::path(delete, path = "/loaders/{set}", tag = "loaders", params(("set" = String, Path)),
    responses((status = 204)), security(("bearer" = ["admin"])))]
async fn remove(As(admin): As<Admin>, Path(set): Path<String>) -> ApiResult<StatusCode> {
    admin.remove_loader_set(&set).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadQuery {
    /// Its name with its version, e.g. `ipxe-2.0.0`: letters, digits, hyphens, dots.
    name: String,
}

/// Upload a new loader set: a tar archive, plain or gzipped. A set never changes.
#[utoipa::path(post, path = "/loaders", tag = "loaders", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = LoaderSetView)), security(("bearer" = ["admin"])))]
async fn upload(
    As(admin): As<Admin>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<impl IntoResponse> {
    check_type(&headers)?;
    let mut upload = admin.begin_loader_set(&query.name).await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        // Dropping the upload removes what came so far.
        upload
            .write(piece.map_err(|e| cut_off(&e.to_string()))?)
            .await?;
    }
    let set = upload.finish().await?;
    let place = format!("/api/v1/loaders/{}", set.name);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(set)))
}

/// A form or JSON by mistake is told as such.
fn check_type(headers: &HeaderMap) -> ApiResult<()> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(|v| v.to_str().unwrap_or("?"));
    match kind {
        Some(other) if !ARCHIVES.contains(&other) => Err(ApiError::from(
            Problem::new(
                415,
                "NSB-HTTP-415",
                "A loader set is uploaded as a tar archive",
                "Send the .tar or .tar.gz as the body with `Content-Type: application/octet-stream`.",
            )
            .detail(format!("Content-Type is {other}")),
        )),
        _ => Ok(()),
    }
}

fn cut_off(why: &str) -> ApiError {
    ApiError::from(
        Problem::new(
            400,
            "NSB-LOADER-010",
            "The upload was cut off",
            "Nothing of it was kept. Send it again.",
        )
        .detail(why),
    )
}
