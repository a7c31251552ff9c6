//! `/api/v1/jobs`: long work, the newest first.

use crate::http::{
    AppState,
    auth::As,
    page::PageQuery,
    problem::{ApiResult, Path, Query},
};
use axum::Json;
use engine::{Operator, Viewer};
use http::{StatusCode, header};
use types::{JobView, ListView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
}

/// What an action answers that goes on as a job: 202, where the job is, and the job.
pub fn accepted(job: JobView) -> (StatusCode, [(header::HeaderName, String); 1], Json<JobView>) {
    let place = format!("/api/v1/jobs/{}", job.id);
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(job))
}

/// Jobs, the newest first; without items and log.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(PageQuery),
    responses((status = 200, body = ListView<JobView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<ListView<JobView>>> {
    let read = async |before, limit| viewer.jobs(before, limit).await;
    page.newest(read, |j| j.id).await.map(Json)
}

/// One job, with its items and the newest lines of its log.
#[utoipa::path(get, path = "/jobs/{job}", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = JobView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(job): Path<String>) -> ApiResult<Json<JobView>> {
    Ok(Json(viewer.job(&job)?))
}

/// Ask a job to stop; it does at its next safe place.
#[utoipa::path(post, path = "/jobs/{job}/actions/cancel", tag = "jobs",
    params(("job" = String, Path)),
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn cancel(
    As(operator): As<Operator>,
    Path(job): Path<String>,
) -> ApiResult<(StatusCode, Json<JobView>)> {
    let job = operator.cancel_job(&job).await?;
    Ok((StatusCode::ACCEPTED, Json(job)))
}
