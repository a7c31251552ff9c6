//! `/api/v1/exports`: the disks that are offered, and the sessions on them. `{client}` is a computer's name,
//! id or Ethernet address.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Path, Query},
};
use axum::Json;
use engine::{Operator, Viewer};
use http::StatusCode;
use types::{DiskSessionView, ExportView, ListView};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(sessions))
        .routes(routes!(drop_session))
}

/// The disks that are offered, each with the sessions on it.
#[utoipa::path(get, path = "/exports", tag = "storage", params(ListQuery),
    responses((status = 200, body = ListView<ExportView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<ExportView>>> {
    let exports = viewer.exports().await?;
    page.page(exports, |e| e.client_id.to_string()).map(Json)
}

/// The disk of one computer.
#[utoipa::path(get, path = "/exports/{client}", tag = "storage", params(("client" = String, Path)),
    responses((status = 200, body = ExportView)), security(("bearer" = ["viewer"])))]
async fn show(As(viewer): As<Viewer>, Path(client): Path<String>) -> ApiResult<Json<ExportView>> {
    Ok(Json(viewer.export(&client).await?))
}

/// The sessions on the disk of one computer.
#[utoipa::path(get, path = "/exports/{client}/sessions", tag = "storage",
    params(("client" = String, Path), ListQuery),
    responses((status = 200, body = ListView<DiskSessionView>)), security(("bearer" = ["viewer"])))]
async fn sessions(
    As(viewer): As<Viewer>,
    Path(client): Path<String>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<DiskSessionView>>> {
    let sessions = match viewer.export(&client).await {
        Ok(export) => export.sessions,
        // A computer of ours that has not booted yet.
        Err(_) if viewer.client(&client).is_ok() => Vec::new(),
        Err(why) => return Err(why.into()),
    };
    page.page(sessions, |s| format!("{:020}", s.id)).map(Json)
}

/// Cut a session off. Its initiator may log in again at once, as after a cut line; retire the computer to
/// keep it out.
#[utoipa::path(delete, path = "/exports/{client}/sessions/{session}", tag = "storage",
    params(("client" = String, Path), ("session" = u64, Path)),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn drop_session(
    As(operator): As<Operator>,
    Path((client, session)): Path<(String, u64)>,
) -> ApiResult<StatusCode> {
    operator.drop_session(&client, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
