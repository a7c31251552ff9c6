//! `/api/v1/auth`: login, refresh, logout, me; and the first account.

use crate::http::{
    AppState,
    auth::{Caller, peer},
    problem::{ApiError, ApiResult, Body},
};
use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine::Error;
use http::{Extensions, HeaderValue, StatusCode, header};
use types::{LoginParams, MeView, RefreshParams, SetupParams, TokenView};

/// Those that give a session, and so need none.
pub fn open_routes() -> Router<AppState> {
    Router::new()
        .route("/auth/login", post(login))
        .route("/auth/refresh", post(refresh))
        .route("/auth/setup", post(setup))
}

pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/auth/logout", post(logout))
        .route("/auth/me", get(me))
}

async fn login(
    State(state): State<AppState>,
    extensions: Extensions,
    Body(params): Body<LoginParams>,
) -> Response {
    answer(state.engine.users().login(params, peer(&extensions)).await)
}

async fn refresh(State(state): State<AppState>, Body(params): Body<RefreshParams>) -> Response {
    answer(state.engine.users().refresh(&params.refresh_token).await)
}

/// The first account, by the one-time code that `serve` printed.
async fn setup(State(state): State<AppState>, Body(params): Body<SetupParams>) -> Response {
    answer(state.engine.users().setup(params).await)
}

fn answer(result: Result<TokenView, Error>) -> Response {
    match result {
        Ok(tokens) => Json(tokens).into_response(),
        Err(e) => {
            let wait = match e {
                Error::TooMany {
                    retry_after_seconds,
                    ..
                } => Some(retry_after_seconds),
                _ => None,
            };
            let mut response = ApiError::from(e).into_response();
            if let Some(seconds) = wait {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

async fn logout(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<StatusCode> {
    if !caller.is_local() {
        state
            .engine
            .users()
            .logout(caller.identity.session_id)
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn me(State(state): State<AppState>, Extension(caller): Extension<Caller>) -> Json<MeView> {
    Json(state.engine.users().me(&caller.identity))
}
