//! `/api/v1/users`: accounts, and everybody's sessions. `{user}` is a name or an id.

use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    page::{ListQuery, newest_first},
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Json, response::Response};
use engine::Admin;
use http::StatusCode;
use types::{
    CreateUserParams, EndedView, ListView, SessionId, SessionView, UpdateUserParams, UserView,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
        .routes(routes!(sessions, end_sessions))
        .routes(routes!(end_session))
}

/// Every account.
#[utoipa::path(get, path = "/users", tag = "users", params(ListQuery),
    responses((status = 200, body = ListView<UserView>)), security(("bearer" = ["admin"])))]
async fn list(
    As(admin): As<Admin>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<UserView>>> {
    page.page(admin.users(), |u| u.id.to_string()).map(Json)
}

/// Make an account.
#[utoipa::path(post, path = "/users", tag = "users", request_body = CreateUserParams,
    responses((status = 201, body = UserView)), security(("bearer" = ["admin"])))]
async fn create(As(admin): As<Admin>, Body(params): Body<CreateUserParams>) -> ApiResult<Response> {
    let user = admin.create_user(params).await?;
    let place = format!("/api/v1/users/{}", user.id);
    Ok(Tagged(StatusCode::CREATED, user.revision, user).at(&place))
}

/// One account.
#[utoipa::path(get, path = "/users/{user}", tag = "users", params(("user" = String, Path)),
    responses((status = 200, body = UserView)), security(("bearer" = ["admin"])))]
async fn show(As(admin): As<Admin>, Path(user): Path<String>) -> ApiResult<Tagged<UserView>> {
    let user = admin.user(&user)?;
    Ok(Tagged(StatusCode::OK, user.revision, user))
}

/// Change an account. A new role or password ends its sessions; the last admin stays one.
#[utoipa::path(patch, path = "/users/{user}", tag = "users", params(("user" = String, Path), IfMatch),
    request_body = UpdateUserParams,
    responses((status = 200, body = UserView)), security(("bearer" = ["admin"])))]
async fn update(
    As(admin): As<Admin>,
    Path(user): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateUserParams>,
) -> ApiResult<Tagged<UserView>> {
    let user = admin.update_user(&user, revision, params).await?;
    Ok(Tagged(StatusCode::OK, user.revision, user))
}

/// Remove an account with its sessions and tokens; the last admin can't be.
#[utoipa::path(delete, path = "/users/{user}", tag = "users", params(("user" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["admin"])))]
async fn remove(
    As(admin): As<Admin>,
    Path(user): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    admin.remove_user(&user, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sign-ins of an account, the newest first.
#[utoipa::path(get, path = "/users/{user}/sessions", tag = "users", params(("user" = String, Path), ListQuery),
    responses((status = 200, body = ListView<SessionView>)), security(("bearer" = ["admin"])))]
async fn sessions(
    As(admin): As<Admin>,
    Path(user): Path<String>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<SessionView>>> {
    page.page(admin.sessions(Some(&user))?, |s| newest_first(s.id.0))
        .map(Json)
}

/// End all sign-ins of an account.
#[utoipa::path(delete, path = "/users/{user}/sessions", tag = "users",
    params(("user" = String, Path)),
    responses((status = 200, body = EndedView)), security(("bearer" = ["admin"])))]
async fn end_sessions(
    As(admin): As<Admin>,
    Path(user): Path<String>,
) -> ApiResult<Json<EndedView>> {
    let ended = admin.end_sessions(&user).await?;
    Ok(Json(EndedView { ended }))
}

/// End anybody's sign-in.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "users",
    params(("session" = SessionId, Path)),
    responses((status = 204)), security(("bearer" = ["admin"])))]
async fn end_session(
    As(admin): As<Admin>,
    Path(session): Path<SessionId>,
) -> ApiResult<StatusCode> {
    admin.end_session(session).await?;
    Ok(StatusCode::NO_CONTENT)
}
