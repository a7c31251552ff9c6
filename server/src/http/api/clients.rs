//! `/api/v1/clients`.

use crate::http::{
    AppState,
    etag::{Tagged, if_match},
    page::PageQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use types::{ClientView, CreateClientParams, ListView, UpdateClientParams};

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/clients", get(list).post(create))
        .route("/clients/{client}", get(show).patch(update).delete(remove))
        .route(
            "/clients/{client}/actions/through-loader",
            post(through_loader),
        )
}

/// At its next boot this computer fetches our loader by TFTP, once, though its ROM is iPXE: the way
/// past an iPXE in the ROM that is too old.
async fn through_loader(
    State(state): State<AppState>,
    Path(client): Path<String>,
) -> ApiResult<StatusCode> {
    let mac = state.engine.clients().require(&client)?.mac;
    state.engine.boots().force_loader_once(mac);
    Ok(StatusCode::NO_CONTENT)
}

async fn list(
    State(state): State<AppState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<ClientView>>> {
    page.page(state.engine.clients().list(), |c| c.id.to_string())
        .map(Json)
}

async fn create(
    State(state): State<AppState>,
    Body(params): Body<CreateClientParams>,
) -> ApiResult<Response> {
    let client = state.engine.clients().create(params).await?;
    let place = format!("/api/v1/clients/{}", client.id);
    let mut response = Tagged(StatusCode::CREATED, client.revision, client).into_response();
    if let Ok(place) = HeaderValue::try_from(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `{client}` is an id, a name or a MAC address.
async fn show(
    State(state): State<AppState>,
    Path(client): Path<String>,
) -> ApiResult<Tagged<ClientView>> {
    let clients = state.engine.clients();
    let view = clients.view(&*clients.require(&client)?);
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

async fn update(
    State(state): State<AppState>,
    Path(client): Path<String>,
    headers: HeaderMap,
    Body(params): Body<UpdateClientParams>,
) -> ApiResult<Tagged<ClientView>> {
    let clients = state.engine.clients();
    let id = clients.require(&client)?.id;
    let view = clients.update(id, if_match(&headers)?, params).await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

async fn remove(
    State(state): State<AppState>,
    Path(client): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let clients = state.engine.clients();
    let id = clients.require(&client)?.id;
    clients.remove(id, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
