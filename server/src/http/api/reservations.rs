//! `/api/v1/reservations`: which computer has which address for good. `{reservation}` is an id, a MAC
//! address or an address.

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
use types::{CreateReservationParams, ListView, ReservationView, UpdateReservationParams};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, remove))
}

/// Every reservation.
#[utoipa::path(get, path = "/reservations", tag = "reservations", params(ListQuery),
    responses((status = 200, body = ListView<ReservationView>)), security(("bearer" = ["viewer"])))]
async fn list(
    As(viewer): As<Viewer>,
    Query(page): Query<ListQuery>,
) -> ApiResult<Json<ListView<ReservationView>>> {
    page.page(viewer.reservations(), |r| {
        format!("{}/{:08x}", r.scope, r.address.to_bits())
    })
    .map(Json)
}

/// Reserve an address for a computer.
#[utoipa::path(post, path = "/reservations", tag = "reservations", request_body = CreateReservationParams,
    responses((status = 201, body = ReservationView)), security(("bearer" = ["operator"])))]
async fn create(
    As(operator): As<Operator>,
    Body(params): Body<CreateReservationParams>,
) -> ApiResult<Response> {
    let reservation = operator.create_reservation(params).await?;
    Ok(placed(StatusCode::CREATED, reservation))
}

/// A reservation, with where it is.
pub(super) fn placed(status: StatusCode, reservation: ReservationView) -> Response {
    let place = format!("/api/v1/reservations/{}", reservation.id);
    Tagged(status, reservation.revision, reservation).at(&place)
}

/// One reservation.
#[utoipa::path(get, path = "/reservations/{reservation}", tag = "reservations",
    params(("reservation" = String, Path)),
    responses((status = 200, body = ReservationView)), security(("bearer" = ["viewer"])))]
async fn show(
    As(viewer): As<Viewer>,
    Path(reservation): Path<String>,
) -> ApiResult<Tagged<ReservationView>> {
    let view = viewer.reservation(&reservation)?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Change a reservation; what is absent stays.
#[utoipa::path(patch, path = "/reservations/{reservation}", tag = "reservations",
    params(("reservation" = String, Path), IfMatch), request_body = UpdateReservationParams,
    responses((status = 200, body = ReservationView)), security(("bearer" = ["operator"])))]
async fn update(
    As(operator): As<Operator>,
    Path(reservation): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateReservationParams>,
) -> ApiResult<Tagged<ReservationView>> {
    let view = operator
        .update_reservation(&reservation, revision, params)
        .await?;
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Remove a reservation. A computer that has the address keeps it while it renews its lease, if it is in
/// a range.
#[utoipa::path(delete, path = "/reservations/{reservation}", tag = "reservations",
    params(("reservation" = String, Path), IfMatch),
    responses((status = 204)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path(reservation): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<StatusCode> {
    operator.remove_reservation(&reservation, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
