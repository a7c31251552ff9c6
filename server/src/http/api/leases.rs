//! `/api/v1/leases`. `{address}` is an IPv4 address.

use super::reservations::placed;
use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Path, Query},
};
use axum::{Json, response::Response};
use engine::{Operator, Viewer};
use http::StatusCode;
use serde::Deserialize;
use types::{LeaseView, ListView, ReservationView};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, forget))
        .routes(routes!(keep))
}

/// Addresses that were handed out.
#[utoipa::path(get, path = "/leases", tag = "leases", params(ListQuery),
    responses((status = 200, body = ListView<LeaseView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<LeaseView>>> {
    page.page(viewer.leases(), |l| {
        format!("{}/{:08x}", l.scope, l.address.to_bits())
    })
    .map(Json)
}

/// Which lease of that address.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The scope's name; only needed where several scopes have the address.
    scope: Option<String>,
}

/// One lease.
#[utoipa::path(get, path = "/leases/{address}", tag = "leases", params(("address" = String, Path), Which),
    responses((status = 200, body = LeaseView)), security(("bearer" = ["viewer"])))]
async fn show(
    As(viewer): As<Viewer>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
) -> ApiResult<Json<LeaseView>> {
    Ok(Json(viewer.lease(&address, which.scope.as_deref())?))
}

/// Reserve the address for the computer that has it. Done twice it is the same reservation (200).
#[utoipa::path(post, path = "/leases/{address}/actions/keep", tag = "leases",
    params(("address" = String, Path), Which),
    responses((status = 201, body = ReservationView), (status = 200, body = ReservationView)), security(("bearer" = ["operator"])))]
async fn keep(
    As(operator): As<Operator>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
) -> ApiResult<Response> {
    let kept = operator.keep_lease(&address, which.scope.as_deref());
    let (reservation, is_new) = kept.await?;
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(placed(status, reservation))
}

/// Forget a lease that has ended, or one whose address rests because somebody else was found to use it:
/// the address may be given to any computer again. A lease that lives is not taken away (409).
#[utoipa::path(delete, path = "/leases/{address}", tag = "leases", params(("address" = String, Path), Which),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn forget(
    As(operator): As<Operator>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
) -> ApiResult<StatusCode> {
    operator
        .forget_lease(&address, which.scope.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
