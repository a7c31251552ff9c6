//! `/api/v1/secrets`: the keys that secrets in the database are sealed with. Never a key, never a secret.

use crate::http::{AppState, auth::As, problem::ApiResult};
use axum::Json;
use engine::Admin;
use types::SecretsView;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(rotate))
}

/// Which keys seal secrets, where they are kept, and how many secrets each seals.
#[utoipa::path(get, path = "/secrets", tag = "secrets",
    responses((status = 200, body = SecretsView)), security(("bearer" = ["admin"])))]
async fn show(As(admin): As<Admin>) -> Json<SecretsView> {
    Json(admin.secrets())
}

/// Make a new key and seal every secret with it.
#[utoipa::path(post, path = "/secrets/actions/rotate", tag = "secrets",
    responses((status = 200, body = SecretsView)), security(("bearer" = ["admin"])))]
async fn rotate(As(admin): As<Admin>) -> ApiResult<Json<SecretsView>> {
    Ok(Json(admin.rotate_secrets().await?))
}
