//! `/api/v1/scopes`: what is handed out on each subnet. `{scope}` is its name, a slash in it as `%2F`.

use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    page::ListQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Json, response::Response};
use engine::{Admin, Viewer};
use http::StatusCode;
use types::{CreateScopeParams, ListView, ScopeView, UpdateScopeParams};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
}

/// Every scope: those of boot networks in mode full that run, and those of subnets behind relays.
#[utoipa::path(get, path = "/scopes", tag = "scopes", params(ListQuery),
    responses((status = 200, body = ListView<ScopeView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<ScopeView>>> {
    page.page(viewer.scopes(), |s| s.name.clone()).map(Json)
}

/// Make the scope of a subnet behind relays. Any boot network in mode full serves it at once.
#[utoipa::path(post, path = "/scopes", tag = "scopes", request_body = CreateScopeParams,
    responses((status = 201, body = ScopeView)), security(("bearer" = ["admin"])))]
async fn create(
    As(admin): As<Admin>,
    Body(params): Body<CreateScopeParams>,
) -> ApiResult<Response> {
    let scope = admin.create_scope(params).await?;
    let place = format!("/api/v1/scopes/{}", scope.name);
    Ok(Tagged(StatusCode::CREATED, scope.revision, scope).at(&place))
}

/// One scope.
#[utoipa::path(get, path = "/scopes/{scope}", tag = "scopes", params(("scope" = String, Path)),
    responses((status = 200, body = ScopeView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(scope): Path<String>) -> ApiResult<Tagged<ScopeView>> {
    let view = viewer.scope(&scope)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Change a scope; what is absent stays. It holds from the next packet on, and no lease is dropped: one
/// that is not in the ranges any more lives until it ends, and its computer gets another address when it
/// asks to renew it.
#[utoipa::path(patch, path = "/scopes/{scope}", tag = "scopes", params(("scope" = String, Path), IfMatch),
    request_body = UpdateScopeParams,
    responses((status = 200, body = ScopeView)), security(("bearer" = ["admin"])))]
async fn update(
    As(admin): As<Admin>,
    Path(scope): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateScopeParams>,
) -> ApiResult<Tagged<ScopeView>> {
    let view = admin.update_scope(&scope, revision, params).await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Remove the scope of a subnet behind relays. Refused while it has reservations or live leases.
#[utoipa::path(delete, path = "/scopes/{scope}", tag = "scopes", params(("scope" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["admin"])))]
async fn remove(
    As(admin): As<Admin>,
    Path(scope): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    admin.remove_scope(&scope, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
