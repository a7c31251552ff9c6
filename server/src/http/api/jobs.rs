//! `/api/v1/jobs`: long work, the newest first.

use crate::http::{
    AppState,
    auth::As,
    etag::Tagged,
    page::{ListQuery, newest, newest_first},
    problem::{ApiResult, Path, Query},
};
use axum::{Json, response::Response};
use engine::{Operator, Viewer};
use http::StatusCode;
use types::{JobView, ListView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(cancel))
}

/// What an action answers that goes on as a job: 202, where the job is, and the job.
pub fn accepted(job: JobView) -> Response {
    let place = format!("/api/v1/jobs/{}", job.id);
    Tagged(StatusCode::ACCEPTED, job.revision, job).at(&place)
}

/// Jobs, the newest first; without items and log.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, body = ListView<JobView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<JobView>>> {
    if page.is_plain() {
        let read = async |before, limit| viewer.jobs(before, limit).await;
        let page = newest(page.limit, page.cursor, read, |j| j.id).await;
        return page.map(Json);
    }
    // About a thousand are kept: few enough to look into all of them.
    let all = viewer.jobs(None, usize::MAX).await?;
    page.page(all, |j| newest_first(j.id.0)).map(Json)
}

/// One job, with its items and the newest lines of its log.
#[utoipa::path(get, path = "/jobs/{job}", tag = "jobs", params(("job" = String, Path)),
    responses((status = 200, body = JobView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(job): Path<String>) -> ApiResult<Tagged<JobView>> {
    let job = viewer.job(&job)?;
    Ok(Tagged(StatusCode::OK, job.revision, job))
}

/// Ask a job to stop; it does at its next safe place.
#[utoipa::path(post, path = "/jobs/{job}/actions/cancel", tag = "jobs",
    params(("job" = String, Path)),
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn cancel(As(operator): As<Operator>, Path(job): Path<String>) -> ApiResult<Response> {
    Ok(accepted(operator.cancel_job(&job).await?))
}
