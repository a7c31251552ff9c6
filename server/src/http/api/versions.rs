//! The versions of an image, its channels and its superclient, below `/api/v1/images/{image}`.

use super::jobs::accepted;
use crate::http::{
    AppState,
    auth::As,
    etag::{IfMatch, Tagged},
    problem::{ApiResult, Body, Path},
};
use axum::response::Response;
use engine::Operator;
use http::StatusCode;
use types::{
    ApplyParams, Channel, CloneParams, ImageView, JobView, MoveChannelParams, SuperclientParams,
    UpdateImageParams, UpdateVersionParams,
};
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(update))
        .routes(routes!(describe, remove))
        .routes(routes!(flatten))
        .routes(routes!(clone))
        .routes(routes!(move_channel))
        .routes(routes!(revert))
        .routes(routes!(appoint, dismiss))
        .routes(routes!(apply))
}

fn shown(view: ImageView) -> ApiResult<Tagged<ImageView>> {
    Ok(Tagged(StatusCode::OK, view.revision, view))
}

/// Give an image another name, or make it private: of one computer, which keeps what it writes.
#[utoipa::path(patch, path = "/images/{image}", tag = "images",
    params(("image" = String, Path), IfMatch), request_body = UpdateImageParams,
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn update(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateImageParams>,
) -> ApiResult<Tagged<ImageView>> {
    shown(operator.update_image(&image, revision, params).await?)
}

/// Make a version one that is made on no other, as a job, so that those below it can be removed.
#[utoipa::path(post, path = "/images/{image}/versions/{version}/actions/flatten", tag = "images",
    params(("image" = String, Path), ("version" = u32, Path)),
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn flatten(
    As(operator): As<Operator>,
    Path((image, version)): Path<(String, u32)>,
) -> ApiResult<Response> {
    Ok(accepted(operator.flatten_version(&image, version).await?))
}

/// Make an image of a version, as a job.
#[utoipa::path(post, path = "/images/{image}/versions/{version}/actions/clone", tag = "images",
    params(("image" = String, Path), ("version" = u32, Path)), request_body = CloneParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn clone(
    As(operator): As<Operator>,
    Path((image, version)): Path<(String, u32)>,
    Body(params): Body<CloneParams>,
) -> ApiResult<Response> {
    let job = operator.clone_version(&image, version, &params.name);
    Ok(accepted(job.await?))
}

/// Say what a version is for.
#[utoipa::path(patch, path = "/images/{image}/versions/{version}", tag = "images",
    params(("image" = String, Path), ("version" = u32, Path), IfMatch), request_body = UpdateVersionParams,
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn describe(
    As(operator): As<Operator>,
    Path((image, version)): Path<(String, u32)>,
    IfMatch(revision): IfMatch,
    Body(params): Body<UpdateVersionParams>,
) -> ApiResult<Tagged<ImageView>> {
    let described = operator.describe_version(&image, revision, version, params.comment);
    shown(described.await?)
}

/// Remove a version that no channel is at, no other version is made on, and no computer's disk builds on.
#[utoipa::path(delete, path = "/images/{image}/versions/{version}", tag = "images",
    params(("image" = String, Path), ("version" = u32, Path), IfMatch),
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn remove(
    As(operator): As<Operator>,
    Path((image, version)): Path<(String, u32)>,
    IfMatch(revision): IfMatch,
) -> ApiResult<Tagged<ImageView>> {
    shown(operator.remove_version(&image, revision, version).await?)
}

/// Move a channel to a version. Computers follow at their next boot.
#[utoipa::path(put, path = "/images/{image}/channels/{channel}", tag = "images",
    params(("image" = String, Path), ("channel" = Channel, Path), IfMatch), request_body = MoveChannelParams,
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn move_channel(
    As(operator): As<Operator>,
    Path((image, channel)): Path<(String, Channel)>,
    IfMatch(revision): IfMatch,
    Body(params): Body<MoveChannelParams>,
) -> ApiResult<Tagged<ImageView>> {
    let moved = operator.move_channel(&image, revision, channel, params.version);
    shown(moved.await?)
}

/// Production goes back to the version that it was at before it was moved the last time.
#[utoipa::path(post, path = "/images/{image}/actions/revert", tag = "images",
    params(("image" = String, Path), IfMatch),
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn revert(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<Tagged<ImageView>> {
    shown(operator.revert_image(&image, revision).await?)
}

/// Choose the computer that changes the image: it boots maintenance and keeps what it writes.
#[utoipa::path(put, path = "/images/{image}/superclient", tag = "images",
    params(("image" = String, Path), IfMatch), request_body = SuperclientParams,
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn appoint(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    IfMatch(revision): IfMatch,
    Body(params): Body<SuperclientParams>,
) -> ApiResult<Tagged<ImageView>> {
    let appointed = operator.appoint_superclient(&image, revision, &params.client);
    shown(appointed.await?)
}

/// End the superclient, once its changes are applied or discarded.
#[utoipa::path(delete, path = "/images/{image}/superclient", tag = "images",
    params(("image" = String, Path), IfMatch),
    responses((status = 200, body = ImageView)), security(("bearer" = ["operator"])))]
async fn dismiss(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    IfMatch(revision): IfMatch,
) -> ApiResult<Tagged<ImageView>> {
    shown(operator.dismiss_superclient(&image, revision).await?)
}

/// Make the next version of what the superclient wrote, as a job; maintenance goes to it.
#[utoipa::path(post, path = "/images/{image}/actions/apply", tag = "images",
    params(("image" = String, Path)), request_body = ApplyParams,
    responses((status = 202, body = JobView)), security(("bearer" = ["operator"])))]
async fn apply(
    As(operator): As<Operator>,
    Path(image): Path<String>,
    Body(params): Body<ApplyParams>,
) -> ApiResult<Response> {
    let job = operator.apply_changes(&image, &params.comment).await?;
    Ok(accepted(job))
}
