//! `/api/v1/clients`. `{client}` is a name, an id or a MAC address.

use super::jobs::accepted;
use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    page::ListQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Json, response::Response};
use engine::{Operator, Viewer};
use http::StatusCode;
use types::{
    BootChoiceView, ClientView, CreateClientParams, JobView, ListView, RemoveClientsParams,
    UpdateClientParams, UpdateClientsParams,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(through_loader))
        .routes(routes!(discard))
        .routes(routes!(boot_choice))
        .routes(routes!(update_many))
        .routes(routes!(remove_many))
}

/// At its next boot this computer fetches our loader by TFTP, once, though its ROM is iPXE: the way
/// past an iPXE in the ROM that is too old.
#[utoipa::path(post, path = "/clients/{client}/actions/through-loader", tag = "clients", params(("client" = String, Path)),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn through_loader(
    As(operator): As<Operator>,
    Path(client): Path<String>,
) -> ApiResult<StatusCode> {
    operator.force_loader_once(&client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begin a computer's disk anew while it is off: what it wrote since its version is gone.
#[utoipa::path(post, path = "/clients/{client}/actions/discard", tag = "clients", params(("client" = String, Path)),
    responses((status = 200, body = ClientView)), security(("bearer" = ["operator"])))]
async fn discard(
    As(operator): As<Operator>,
    Path(client): Path<String>,
) -> ApiResult<Tagged<ClientView>> {
    let view = operator.discard_changes(&client).await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// What a computer boots next, and every rule that was considered for it.
#[utoipa::path(get, path = "/clients/{client}/boot-choice", tag = "clients", params(("client" = String, Path)),
    responses((status = 200, body = BootChoiceView)), security(("bearer" = ["viewer"])))]
async fn boot_choice(
    As(viewer): As<Viewer>,
    Path(client): Path<String>,
) -> ApiResult<Json<BootChoiceView>> {
    Ok(Json(viewer.boot_choice(&client).await?))
}

/// The same change to several computers, as a job with a result for each.
///
/// `expected_count` is how many you mean; with another number nothing is begun.
#[utoipa::path(post, path = "/clients/actions/update", tag = "clients", request_body = UpdateClientsParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn update_many(
    As(operator): As<Operator>,
    Body(params): Body<UpdateClientsParams>,
) -> ApiResult<Response> {
    let expected = params.expected_count as usize;
    let job = operator
        .update_clients(&params.ids, expected, params.change)
        .await?;
    Ok(accepted(job))
}

/// Remove several computers with their changes, as a job with a result for each.
#[utoipa::path(post, path = "/clients/actions/remove", tag = "clients", request_body = RemoveClientsParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn remove_many(
    As(operator): As<Operator>,
    Body(params): Body<RemoveClientsParams>,
) -> ApiResult<Response> {
    let expected = params.expected_count as usize;
    let job = operator.remove_clients(&params.ids, expected).await?;
    Ok(accepted(job))
}

/// Every computer, in the order of creation.
#[utoipa::path(get, path = "/clients", tag = "clients", params(ListQuery),
    responses((status = 200, body = ListView<ClientView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<ClientView>>> {
    page.page(viewer.clients(), |c| c.id.to_string()).map(Json)
}

/// Register a computer; a discovered one with that address is adopted.
#[utoipa::path(post, path = "/clients", tag = "clients", request_body = CreateClientParams,
    responses((status = 201, body = ClientView)), security(("bearer" = ["operator"])))]
async fn create(
    As(operator): As<Operator>,
    Body(params): Body<CreateClientParams>,
) -> ApiResult<Response> {
    let client = operator.create_client(params).await?;
    let place = format!("/api/v1/clients/{}", client.id);
    Ok(Tagged(StatusCode::CREATED, client.revision, client).at(&place))
}

/// One computer.
#[utoipa::path(get, path = "/clients/{client}", tag = "clients", params(("client" = String, Path)),
    responses((status = 200, body = ClientView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(client): Path<String>) -> ApiResult<Tagged<ClientView>> {
    let view = viewer.client(&client)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Change a computer; what is absent stays.
#[utoipa::path(patch, path = "/clients/{client}", tag = "clients", params(("client" = String, Path), IfMatch),
    request_body = UpdateClientParams,
    responses((status = 200, body = ClientView)), security(("bearer" = ["operator"])))]
async fn update(
    As(operator): As<Operator>,
    Path(client): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateClientParams>,
) -> ApiResult<Tagged<ClientView>> {
    let view = operator.update_client(&client, revision, params).await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Remove a computer and its changes; its boots stay in the history.
#[utoipa::path(delete, path = "/clients/{client}", tag = "clients", params(("client" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path(client): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    operator.remove_client(&client, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
