//! `/api/v1/storage` and `/api/v1/overlays`: what takes space, and what computers wrote.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Path, Query},
};
use axum::Json;
use engine::{Operator, Viewer};
use http::StatusCode;
use types::{ListView, OverlayView, StorageView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(overlays))
        .routes(routes!(remove))
}

/// How full the file system of the data folder is, as of a few seconds ago, and when it will be full.
#[utoipa::path(get, path = "/storage", tag = "storage",
    responses((status = 200, body = StorageView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>) -> Json<StorageView> {
    Json(viewer.storage())
}

/// What computers wrote, and what was left by computers that are not there any more (orphans).
#[utoipa::path(get, path = "/overlays", tag = "storage", params(ListQuery),
    responses((status = 200, body = ListView<OverlayView>)), security(("bearer" = ["viewer"])))]
async fn overlays(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<OverlayView>>> {
    let overlays = viewer.overlays().await?;
    page.page(overlays, |o| o.id.to_string()).map(Json)
}

/// Remove what a computer wrote, while it is off, or an orphan. The computer begins with an empty overlay at
/// its next boot. By the computer's name or id it is that of the disk that it starts from; that of a data disk is
/// meant by the overlay's own id.
#[utoipa::path(delete, path = "/overlays/{client}", tag = "storage", params(("client" = String, Path)),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(As(operator): As<Operator>, Path(client): Path<String>) -> ApiResult<StatusCode> {
    operator.remove_overlay(&client).await?;
    Ok(StatusCode::NO_CONTENT)
}
