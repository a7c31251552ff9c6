//! `/api/v1/snapshots`: what computers' disks held. `{snapshot}` is an id.

use super::jobs::accepted;
use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Json, response::Response};
use engine::{Operator, Viewer};
use http::StatusCode;
use types::{ClientView, CloneParams, JobView, ListView, SnapshotView, TakeSnapshotParams};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, take))
        .routes(routes!(show, remove))
        .routes(routes!(restore))
        .routes(routes!(clone))
}

/// Every snapshot, the newest first.
#[utoipa::path(get, path = "/snapshots", tag = "snapshots", params(ListQuery),
    responses((status = 200, body = ListView<SnapshotView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<SnapshotView>>> {
    page.page(viewer.snapshots(), |s| s.id.to_string())
        .map(Json)
}

/// Take a snapshot of what a computer keeps, as a job; it has to be off.
#[utoipa::path(post, path = "/snapshots", tag = "snapshots", request_body = TakeSnapshotParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn take(
    As(operator): As<Operator>,
    Body(params): Body<TakeSnapshotParams>,
) -> ApiResult<Response> {
    Ok(accepted(operator.take_snapshot(params).await?))
}

/// One snapshot.
#[utoipa::path(get, path = "/snapshots/{snapshot}", tag = "snapshots", params(("snapshot" = String, Path)),
    responses((status = 200, body = SnapshotView)), security(("bearer" = ["viewer"])))]
async fn show(
    As(viewer): As<Viewer>,
    Path(snapshot): Path<String>,
) -> ApiResult<Json<SnapshotView>> {
    Ok(Json(viewer.snapshot_of_disk(&snapshot)?))
}

/// Remove a snapshot that no disk builds on.
#[utoipa::path(delete, path = "/snapshots/{snapshot}", tag = "snapshots", params(("snapshot" = String, Path)),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(As(operator): As<Operator>, Path(snapshot): Path<String>) -> ApiResult<StatusCode> {
    operator.remove_snapshot(&snapshot).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Put the computer's disk back to what it was; it has to be off. What it wrote since is gone.
#[utoipa::path(post, path = "/snapshots/{snapshot}/actions/restore", tag = "snapshots",
    params(("snapshot" = String, Path)),
    responses((status = 200, body = ClientView)), security(("bearer" = ["operator"])))]
async fn restore(
    As(operator): As<Operator>,
    Path(snapshot): Path<String>,
) -> ApiResult<Json<ClientView>> {
    Ok(Json(operator.restore_snapshot(&snapshot).await?))
}

/// Make an image of a snapshot, as a job.
#[utoipa::path(post, path = "/snapshots/{snapshot}/actions/clone", tag = "snapshots",
    params(("snapshot" = String, Path)), request_body = CloneParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn clone(
    As(operator): As<Operator>,
    Path(snapshot): Path<String>,
    Body(params): Body<CloneParams>,
) -> ApiResult<Response> {
    let job = operator.clone_snapshot(&snapshot, &params.name).await?;
    Ok(accepted(job))
}
