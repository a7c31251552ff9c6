//! `/api/v1/networks`: the boot networks and how they are.

use crate::http::{
    AppState,
    page::PageQuery,
    problem::{ApiResult, Query},
};
use axum::{Json, Router, extract::State, routing::get};
use types::{BootNetworkView, ListView};

pub fn routes() -> Router<AppState> {
    Router::new().route("/networks", get(list))
}

async fn list(
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<BootNetworkView>>> {
    let name =
        |n: &BootNetworkView| engine::network::scope_name(n.namespace.as_deref(), &n.interface);
    page.page(state.engine.networks().list(), name).map(Json)
}
