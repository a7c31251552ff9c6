//! `/api/v1/leases`.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Query},
};
use axum::Json;
use engine::Viewer;
use types::{LeaseView, ListView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Addresses that were handed out.
#[utoipa::path(get, path = "/leases", tag = "leases", params(ListQuery),
    responses((status = 200, body = ListView<LeaseView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<LeaseView>>> {
    page.page(viewer.leases(), |l| {
        format!("{}/{:08x}", l.interface, l.address.to_bits())
    })
    .map(Json)
}
