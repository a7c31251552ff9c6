//! `/api/v1/leases`.

use crate::http::{
    AppState,
    page::PageQuery,
    problem::{ApiResult, Query},
};
use axum::{Json, Router, extract::State, routing::get};
use types::{LeaseView, ListView};

pub fn routes() -> Router<AppState> {
    Router::new().route("/leases", get(list))
}

async fn list(
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<LeaseView>>> {
    let leases = state.engine.leases().list();
    page.page(leases, |l| {
        format!("{}/{:08x}", l.interface, l.address.to_bits())
    })
    .map(Json)
}
