//! `/api/v1/boots`: timelines, the newest first.

use crate::http::{
    AppState,
    page::PageQuery,
    problem::{ApiResult, Path, Query},
};
use axum::{Json, Router, extract::State, routing::get};
use engine::{Area, Error};
use types::{BootView, ListView};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/boots", get(list))
        .route("/boots/{boot}", get(show))
        .route("/clients/{client}/boots", get(of_client))
}

/// Sorts the newest first: page keys ascend.
fn key(boot: &BootView) -> String {
    format!("{:016x}/{}", i64::MAX - boot.started_at.0, boot.id)
}

async fn list(
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<BootView>>> {
    page.page(state.engine.boots().list()?, key).map(Json)
}

async fn of_client(
    State(state): State<AppState>,
    Path(client): Path<String>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<BootView>>> {
    let mac = state.engine.clients().require(&client)?.mac;
    page.page(state.engine.boots().history(mac)?, key).map(Json)
}

async fn show(
    State(state): State<AppState>,
    Path(boot): Path<String>,
) -> ApiResult<Json<BootView>> {
    let found = match boot.parse() {
        Ok(id) => state.engine.boots().get(id)?,
        Err(_) => None,
    };
    Ok(Json(
        found.ok_or_else(|| Error::not_found(Area::Boot, boot))?,
    ))
}
