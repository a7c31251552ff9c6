//! `/api/v1/boot-entries`: what computers may boot. `{entry}` is a name or an id.

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
use types::{BootEntryView, CreateBootEntryParams, ListView, UpdateBootEntryParams};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
}

/// Every boot entry: the built-in ones, then in the order of creation.
#[utoipa::path(get, path = "/boot-entries", tag = "boot-entries", params(ListQuery),
    responses((status = 200, body = ListView<BootEntryView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<BootEntryView>>> {
    page.page(viewer.boot_entries(), |e| e.id.to_string())
        .map(Json)
}

/// Make a boot entry: a kernel with its initial RAM disks, or an iPXE script.
#[utoipa::path(post, path = "/boot-entries", tag = "boot-entries", request_body = CreateBootEntryParams,
    responses((status = 201, body = BootEntryView)), security(("bearer" = ["operator"])))]
async fn create(
    As(operator): As<Operator>,
    Body(params): Body<CreateBootEntryParams>,
) -> ApiResult<Response> {
    let entry = operator.create_boot_entry(params).await?;
    let place = format!("/api/v1/boot-entries/{}", entry.id);
    Ok(Tagged(StatusCode::CREATED, entry.revision, entry).at(&place))
}

/// One boot entry.
#[utoipa::path(get, path = "/boot-entries/{entry}", tag = "boot-entries", params(("entry" = String, Path)),
    responses((status = 200, body = BootEntryView)), security(("bearer" = ["viewer"])))]
async fn show(
    As(viewer): As<Viewer>,
    Path(entry): Path<String>,
) -> ApiResult<Tagged<BootEntryView>> {
    let view = viewer.boot_entry(&entry)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Change a boot entry; what is absent stays. A built-in one stays as it is.
#[utoipa::path(patch, path = "/boot-entries/{entry}", tag = "boot-entries",
    params(("entry" = String, Path), IfMatch), request_body = UpdateBootEntryParams,
    responses((status = 200, body = BootEntryView)), security(("bearer" = ["operator"])))]
async fn update(
    As(operator): As<Operator>,
    Path(entry): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateBootEntryParams>,
) -> ApiResult<Tagged<BootEntryView>> {
    let view = operator.update_boot_entry(&entry, revision, params).await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Remove a boot entry that no computer, group or setting names.
#[utoipa::path(delete, path = "/boot-entries/{entry}", tag = "boot-entries",
    params(("entry" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path(entry): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    operator.remove_boot_entry(&entry, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
