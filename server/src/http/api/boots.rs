//! `/api/v1/boots`: timelines, the newest first.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Path, Query},
};
use axum::Json;
use engine::Viewer;
use types::{BootView, ListView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(of_client))
}

/// Sorts the newest first: page keys ascend.
fn key(boot: &BootView) -> String {
    format!("{:016x}/{}", i64::MAX - boot.started_at.0, boot.id)
}

/// Every boot that is kept.
#[utoipa::path(get, path = "/boots", tag = "boots", params(ListQuery),
    responses((status = 200, body = ListView<BootView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<BootView>>> {
    page.page(viewer.boots().await?, key).map(Json)
}

/// The boots of a computer.
#[utoipa::path(get, path = "/clients/{client}/boots", tag = "boots", params(("client" = String, Path), ListQuery),
    responses((status = 200, body = ListView<BootView>)), security(("bearer" = ["viewer"])))]
async fn of_client(
    As(viewer): As<Viewer>,
    Path(client): Path<String>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<BootView>>> {
    page.page(viewer.client_boots(&client).await?, key)
        .map(Json)
}

/// One boot, hop by hop.
#[utoipa::path(get, path = "/boots/{boot}", tag = "boots", params(("boot" = String, Path)),
    responses((status = 200, body = BootView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(boot): Path<String>) -> ApiResult<Json<BootView>> {
    Ok(Json(viewer.boot(&boot).await?))
}
