//! `/api/v1/networks`: the boot networks and how they are.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Query},
};
use axum::Json;
use engine::Viewer;
use types::{BootNetworkView, InterfaceView, ListView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(interfaces))
}

/// The boot networks and how they are.
#[utoipa::path(get, path = "/networks", tag = "networks", params(ListQuery),
    responses((status = 200, body = ListView<BootNetworkView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<BootNetworkView>>> {
    let name =
        |n: &BootNetworkView| engine::network::scope_name(n.namespace.as_deref(), &n.interface);
    page.page(viewer.networks(), name).map(Json)
}

/// The box's network interfaces, those that computers do not boot over among them.
#[utoipa::path(get, path = "/interfaces", tag = "networks", params(ListQuery),
    responses((status = 200, body = ListView<InterfaceView>)), security(("bearer" = ["viewer"])))]
async fn interfaces(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<InterfaceView>>> {
    page.page(viewer.interfaces()?, |i| i.name.clone())
        .map(Json)
}
