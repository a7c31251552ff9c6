//! `/api/v1/images`.

use crate::http::{
    AppState,
    etag::{Tagged, if_match},
    page::PageQuery,
    problem::{ApiResult, Path, Query},
};
use axum::{Json, Router, extract::State, routing::get};
use http::{HeaderMap, StatusCode};
use types::{ImageView, ListView};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/images", get(list))
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
