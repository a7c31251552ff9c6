//! `/api/v1/auth`: login, refresh, logout, me; the first account; one's own sessions and password.

use crate::http::{
    AppState,
    auth::{As, Visitor},
    page::{ListQuery, newest_first},
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Json, extract::State};
use engine::Viewer;
use http::StatusCode;
use types::{
    ChangePasswordParams, EndedView, ListView, LoginParams, MeView, RefreshParams, SessionId,
    SessionView, SetupParams, TokenView,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(setup))
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(password))
        .routes(routes!(sessions, end_others))
        .routes(routes!(end_session))
}

/// Sign in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = LoginParams,
    responses((status = 200, body = TokenView)), security(()))]
async fn login(
    State(state): State<AppState>,
    Visitor(by): Visitor,
    Body(params): Body<LoginParams>,
) -> ApiResult<Json<TokenView>> {
    Ok(Json(state.engine.users().login(by, params).await?))
}

/// Swap the refresh token for a new pair.
///
/// One that was swapped before ends the session: its owner or a thief has the newer one.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", request_body = RefreshParams,
    responses((status = 200, body = TokenView)), security(()))]
async fn refresh(
    State(state): State<AppState>,
    Body(params): Body<RefreshParams>,
) -> ApiResult<Json<TokenView>> {
    Ok(Json(
        state.engine.users().refresh(&params.refresh_token).await?,
    ))
}

/// Make the first account, by the one-time code that `serve` printed.
#[utoipa::path(post, path = "/auth/setup", tag = "auth", request_body = SetupParams,
    responses((status = 200, body = TokenView)), security(()))]
async fn setup(
    State(state): State<AppState>,
    Visitor(by): Visitor,
    Body(params): Body<SetupParams>,
) -> ApiResult<Json<TokenView>> {
    Ok(Json(state.engine.users().setup(by, params).await?))
}

/// Sign out.
#[utoipa::path(post, path = "/auth/logout", tag = "auth",
    responses((status = 204)), security(("bearer" = ["viewer"])))]
async fn logout(As(viewer): As<Viewer>) -> ApiResult<StatusCode> {
    viewer.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who am I?
#[utoipa::path(get, path = "/auth/me", tag = "auth",
    responses((status = 200, body = MeView)), security(("bearer" = ["viewer"])))]
async fn me(As(viewer): As<Viewer>) -> Json<MeView> {
    Json(viewer.me())
}

/// Change one's own password. The other sessions of the account end.
#[utoipa::path(post, path = "/auth/password", tag = "auth", request_body = ChangePasswordParams,
    responses((status = 204)), security(("bearer" = ["viewer"])))]
async fn password(
    As(viewer): As<Viewer>,
    Body(params): Body<ChangePasswordParams>,
) -> ApiResult<StatusCode> {
    viewer.change_password(params).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One's own sign-ins, the newest first.
#[utoipa::path(get, path = "/auth/sessions", tag = "auth", params(ListQuery),
    responses((status = 200, body = ListView<SessionView>)), security(("bearer" = ["viewer"])))]
async fn sessions(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<SessionView>>> {
    page.page(viewer.own_sessions()?, |s| newest_first(s.id.0))
        .map(Json)
}

/// End all of one's own sign-ins but this one.
#[utoipa::path(delete, path = "/auth/sessions", tag = "auth",
    responses((status = 200, body = EndedView)), security(("bearer" = ["viewer"])))]
async fn end_others(As(viewer): As<Viewer>) -> ApiResult<Json<EndedView>> {
    let ended = viewer.end_other_sessions().await?;
    Ok(Json(EndedView { ended }))
}

/// End one of one's own sign-ins.
#[utoipa::path(delete, path = "/auth/sessions/{session}", tag = "auth",
    params(("session" = SessionId, Path)),
    responses((status = 204)), security(("bearer" = ["viewer"])))]
async fn end_session(
    As(viewer): As<Viewer>,
    Path(session): Path<SessionId>,
) -> ApiResult<StatusCode> {
    viewer.end_own_session(session).await?;
    Ok(StatusCode::NO_CONTENT)
}
