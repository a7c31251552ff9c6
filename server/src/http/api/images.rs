//! `/api/v1/images`. An upload is the raw disk as the body; it goes to the disk piece by piece, so
//! memory does not grow with the image.

use crate::http::{
    AppState,
    etag::{Tagged, if_match},
    page::PageQuery,
    problem::{ApiError, ApiResult, Path, Query},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::get,
};
use engine::images::parse_sha256;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use types::{ImageView, ListView, Problem};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route(
            "/images",
            get(list).post(upload).layer(DefaultBodyLimit::disable()),
        )
        .route("/images/{image}", get(show).delete(remove))
}

async fn list(
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<ImageView>>> {
    page.page(state.engine.images().list(), |i| i.id.to_string())
        .map(Json)
}

/// `{image}` is an id or a name.
async fn show(
    State(state): State<AppState>,
    Path(image): Path<String>,
) -> ApiResult<Tagged<ImageView>> {
    let images = state.engine.images();
    let view = images.view(&*images.require(&image)?);
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

async fn remove(
    State(state): State<AppState>,
    Path(image): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let images = state.engine.images();
    let id = images.require(&image)?.id;
    images.remove(id, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadQuery {
    name: String,
    /// SHA-256 of the whole disk in hex; an upload that differs is refused.
    sha256: Option<String>,
}

async fn upload(
    State(state): State<AppState>,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    raw_disk(&headers)?;
    let sha256 = query.sha256.as_deref().map(parse_sha256).transpose()?;
    let expected = announced_length(&headers);
    let mut import = state
        .engine
        .images()
        .begin_import(&query.name, expected)
        .await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        // Dropping the import removes what came so far.
        let piece = piece.map_err(|e| cut_off(&e.to_string()))?;
        import.write(piece).await?;
    }
    let image = import.finish(sha256).await?;
    let place = format!("/api/v1/images/{}", image.id);
    let mut response = Tagged(StatusCode::CREATED, image.revision, image).into_response();
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
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
