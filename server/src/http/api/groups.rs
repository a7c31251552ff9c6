//! `/api/v1/groups`: computers that share settings. `{group}` is a name or an id.

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
use types::{CreateGroupParams, GroupView, ListView, UpdateGroupParams};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
}

/// Every group, in the order of creation.
#[utoipa::path(get, path = "/groups", tag = "groups", params(ListQuery),
    responses((status = 200, body = ListView<GroupView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<GroupView>>> {
    page.page(viewer.groups(), |g| g.id.to_string()).map(Json)
}

/// Make a group.
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = CreateGroupParams,
    responses((status = 201, body = GroupView)), security(("bearer" = ["operator"])))]
async fn create(
    As(operator): As<Operator>,
    Body(params): Body<CreateGroupParams>,
) -> ApiResult<Response> {
    let group = operator.create_group(params).await?;
    let place = format!("/api/v1/groups/{}", group.id);
    Ok(Tagged(StatusCode::CREATED, group.revision, group).at(&place))
}

/// One group.
#[utoipa::path(get, path = "/groups/{group}", tag = "groups", params(("group" = String, Path)),
    responses((status = 200, body = GroupView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(group): Path<String>) -> ApiResult<Tagged<GroupView>> {
    let view = viewer.group(&group)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Change a group; what is absent stays, and an empty text takes away.
#[utoipa::path(patch, path = "/groups/{group}", tag = "groups", params(("group" = String, Path), IfMatch),
    request_body = UpdateGroupParams,
    responses((status = 200, body = GroupView)), security(("bearer" = ["operator"])))]
async fn update(
    As(operator): As<Operator>,
    Path(group): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateGroupParams>,
) -> ApiResult<Tagged<GroupView>> {
    let view = operator.update_group(&group, revision, params).await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Remove a group that no computer is in.
#[utoipa::path(delete, path = "/groups/{group}", tag = "groups", params(("group" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path(group): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    operator.remove_group(&group, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
