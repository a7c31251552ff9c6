//! `/api/v1/audit`: who changed what, the newest first; export as JSON lines; check of the chain.

use super::jobs::accepted;
use crate::http::{
    AppState,
    auth::As,
    page::newest,
    problem::{ApiResult, Query},
};
use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use engine::{Admin, audit::AuditFilter};
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, header};
use serde::Deserialize;
use std::num::NonZeroUsize;
use types::{AuditView, JobView, ListView, Timestamp};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(export))
        .routes(routes!(verify))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Entries on one page, 1 to 500; 100 when it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The actor's name.
    actor: Option<String>,
    /// An action such as `client.update`, or a noun such as `client`.
    action: Option<String>,
    /// The target's name or id.
    target: Option<String>,
    /// `ok`, a problem's code, or `refused` for any code.
    result: Option<String>,
    /// Not before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl From<AuditQuery> for AuditFilter {
    fn from(q: AuditQuery) -> Self {
        AuditFilter {
            actor: q.actor,
            action: q.action,
            target: q.target,
            result: q.result,
            since: q.since,
            until: q.until,
        }
    }
}

/// Entries, the newest first.
///
/// It is a log: its order is that in which it was written, and it is too long to be looked into by any field, so it
/// has filters of its own in place of `filter` and `sort`.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = ListView<AuditView>)), security(("bearer" = ["admin"])))]
async fn list(
    As(admin): As<Admin>,
    Query(mut query): Query<AuditQuery>,
) -> ApiResult<Json<ListView<AuditView>>> {
    let (limit, cursor) = (query.limit, query.cursor.take());
    let filter = query.into();
    let read = async |before, limit| admin.audit(filter, before, limit).await;
    newest(limit, cursor, read, |e| e.seq).await.map(Json)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// Entries at most, the oldest first; all of them when it is not given.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// The actor's name.
    actor: Option<String>,
    /// An action such as `client.update`, or a noun such as `client`.
    action: Option<String>,
    /// The target's name or id.
    target: Option<String>,
    /// `ok`, a problem's code, or `refused` for any code.
    result: Option<String>,
    /// Not before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl From<ExportQuery> for AuditFilter {
    fn from(q: ExportQuery) -> Self {
        AuditFilter {
            actor: q.actor,
            action: q.action,
            target: q.target,
            result: q.result,
            since: q.since,
            until: q.until,
        }
    }
}

/// All entries in their order, one JSON object a line.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(ExportQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = String)),
    security(("bearer" = ["admin"])))]
async fn export(As(admin): As<Admin>, Query(query): Query<ExportQuery>) -> Response {
    let most = query.limit.map_or(usize::MAX, NonZeroUsize::get);
    let filter = AuditFilter::from(query);
    // Where to go on, and how many are still wanted.
    let lines = stream::unfold(Some((1, most)), move |place| {
        let (admin, filter) = (admin.clone(), filter.clone());
        async move {
            let (from, left) = place?;
            Some(match admin.audit_export(filter, from).await {
                Ok((mut entries, next)) => {
                    entries.truncate(left);
                    let left = left - entries.len();
                    let next = next.filter(|_| left > 0);
                    (Ok(text(&entries)), next.map(|from| (from, left)))
                }
                Err(e) => (Err(e), None),
            })
        }
    });
    // Packing looks once more after the end, which the stream does not bear by itself.
    let lines = lines.fuse();
    let mut response = Body::from_stream(lines).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"nsboot-audit.jsonl\"",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(entries: &[AuditView]) -> String {
    let line = |e: &AuditView| serde_json::to_string(e).unwrap_or_default() + "\n";
    entries.iter().map(line).collect()
}

/// Check that every entry is as it was written and none is missing, as a job.
#[utoipa::path(post, path = "/audit/actions/verify", tag = "audit",
    responses((status = 202, body = JobView)), security(("bearer" = ["admin"])))]
async fn verify(As(admin): As<Admin>) -> ApiResult<Response> {
    Ok(accepted(admin.verify_audit().await?))
}
