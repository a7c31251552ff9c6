//! `/api/v1/settings`: what holds and where it comes from, changes with preview and undo, and trials of
//! network changes.

use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    listener::ConnectedAt,
    page::ListQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Extension, Json};
use engine::{Admin, Viewer};
use http::StatusCode;
use types::{
    ConfirmSettingsParams, ListView, SettingsPreviewView, SettingsRevisionView, SettingsView,
    UpdateSettingsParams,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show, update))
        .routes(routes!(preview))
        .routes(routes!(confirm))
        .routes(routes!(history))
        .routes(routes!(revision))
        .routes(routes!(undo))
}

fn tagged(view: SettingsView) -> Tagged<SettingsView> {
    Tagged(StatusCode::OK, view.revision, view)
}

/// All settings, with where each comes from.
#[utoipa::path(get, path = "/settings", tag = "settings",
    responses((status = 200, body = SettingsView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>) -> Tagged<SettingsView> {
    tagged(viewer.settings().await)
}

/// Change settings, all of these together. A network change goes back by itself unless it is
/// confirmed by a new connection in time.
#[utoipa::path(patch, path = "/settings", tag = "settings", params(IfMatch), request_body = UpdateSettingsParams,
    responses((status = 200, body = SettingsView)), security(("bearer" = ["admin"])))]
async fn update(
    As(admin): As<Admin>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateSettingsParams>,
) -> ApiResult<Tagged<SettingsView>> {
    let view = admin.update_settings(revision, params).await?;
    Ok(tagged(view))
}

/// What a change would touch. Nothing is changed.
#[utoipa::path(post, path = "/settings/actions/preview", tag = "settings",
    request_body = UpdateSettingsParams,
    responses((status = 200, body = SettingsPreviewView)), security(("bearer" = ["admin"])))]
async fn preview(
    As(admin): As<Admin>,
    Body(params): Body<UpdateSettingsParams>,
) -> ApiResult<Json<SettingsPreviewView>> {
    Ok(Json(admin.preview_settings(&params).await?))
}

/// A network change may stay. Only a connection that was made after the change proves that the server
/// can be reached; an older one is refused and closed.
#[utoipa::path(post, path = "/settings/actions/confirm", tag = "settings",
    request_body = ConfirmSettingsParams,
    responses((status = 200, body = SettingsView)), security(("bearer" = ["admin"])))]
async fn confirm(
    As(admin): As<Admin>,
    Extension(ConnectedAt(connected)): Extension<ConnectedAt>,
    Body(params): Body<ConfirmSettingsParams>,
) -> ApiResult<Tagged<SettingsView>> {
    let view = admin.confirm_settings(params.revision, connected).await?;
    Ok(tagged(view))
}

/// The changes that were made, the newest first.
#[utoipa::path(get, path = "/settings/revisions", tag = "settings", params(ListQuery),
    responses((status = 200, body = ListView<SettingsRevisionView>)),
    security(("bearer" = ["viewer"])))]
async fn history(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<SettingsRevisionView>>> {
    // The list is in the order of its keys: the newest has the lowest.
    let key = |r: &SettingsRevisionView| format!("{:020}", u64::MAX - r.number);
    page.page(viewer.settings_history().await?, key).map(Json)
}

/// One change that was made.
#[utoipa::path(get, path = "/settings/revisions/{revision}", tag = "settings",
    params(("revision" = u64, Path)),
    responses((status = 200, body = SettingsRevisionView)), security(("bearer" = ["viewer"])))]
async fn revision(
    As(viewer): As<Viewer>,
    Path(revision): Path<u64>,
) -> ApiResult<Json<SettingsRevisionView>> {
    Ok(Json(viewer.settings_revision(revision)?))
}

/// Undo a change, as a new one; one on trial goes back at once.
#[utoipa::path(post, path = "/settings/revisions/{revision}/actions/undo", tag = "settings",
    params(("revision" = u64, Path)),
    responses((status = 200, body = SettingsView)), security(("bearer" = ["admin"])))]
async fn undo(As(admin): As<Admin>, Path(revision): Path<u64>) -> ApiResult<Tagged<SettingsView>> {
    Ok(tagged(admin.undo_settings(revision).await?))
}
