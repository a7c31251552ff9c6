//! `/api/v1/tokens`: API tokens, one's own; an admin sees and removes everybody's.

use crate::http::{
    AppState,
    auth::As,
    page::ListQuery,
    problem::{ApiResult, Body, Path, Query},
};
use axum::{Extension, Json, extract::State};
use engine::{Caller, Viewer};
use http::StatusCode;
use serde::Deserialize;
use types::{ApiTokenView, CreateTokenParams, ListView, NewTokenView, TokenId};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(remove))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OwnerQuery {
    /// Name or id of the account: for admins. Without it one's own.
    user: Option<String>,
}

/// Whose tokens, and as any other list: a query can't be taken apart into two that each know all of it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TokensQuery {
    /// Name or id of an account, or `*` for all of them: for admins. Without it one's own.
    user: Option<String>,
    /// Items on one page, 1 to 500; 100 when it is not given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// The `next` of the page before, with the same filter and order.
    cursor: Option<String>,
    /// Fields and what they have to be, e.g. `role:viewer,name:~ci`, as in every list.
    filter: Option<String>,
    /// Fields to order by, e.g. `name` or `-expires_at,name`; `-` is the other way round.
    sort: Option<String>,
}

/// API tokens; never their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(TokensQuery),
    responses((status = 200, body = ListView<ApiTokenView>)), security(("bearer" = ["viewer"])))]
async fn list(
    State(state): State<AppState>,
    As(viewer): As<Viewer>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<TokensQuery>,
) -> ApiResult<Json<ListView<ApiTokenView>>> {
    let tokens = match query.user.as_deref() {
        None => viewer.own_tokens()?,
        Some("*") => state.engine.as_admin(&caller)?.tokens(None)?,
        Some(user) => state.engine.as_admin(&caller)?.tokens(Some(user))?,
    };
    let page = ListQuery {
        limit: query.limit,
        cursor: query.cursor,
        filter: query.filter,
        sort: query.sort,
    };
    page.page(tokens, |t| t.id.to_string()).map(Json)
}

/// Make an API token; the answer is the only one that shows its secret.
#[utoipa::path(post, path = "/tokens", tag = "tokens", params(OwnerQuery),
    request_body = CreateTokenParams,
    responses((status = 201, body = NewTokenView)), security(("bearer" = ["viewer"])))]
async fn create(
    State(state): State<AppState>,
    As(viewer): As<Viewer>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<OwnerQuery>,
    Body(params): Body<CreateTokenParams>,
) -> ApiResult<(StatusCode, Json<NewTokenView>)> {
    let new = match query.user.as_deref() {
        None => viewer.create_token(params).await?,
        Some(user) => {
            let admin = state.engine.as_admin(&caller)?;
            admin.create_token_for(user, params).await?
        }
    };
    Ok((StatusCode::CREATED, Json(new)))
}

/// Remove an API token: one's own, or as an admin anybody's.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "tokens", params(("token" = TokenId, Path)),
    responses((status = 204)), security(("bearer" = ["viewer"])))]
async fn remove(
    State(state): State<AppState>,
    As(viewer): As<Viewer>,
    Extension(caller): Extension<Caller>,
    Path(token): Path<TokenId>,
) -> ApiResult<StatusCode> {
    match caller.identity.role {
        types::Role::Admin => state.engine.as_admin(&caller)?.remove_token(token).await?,
        _ => viewer.remove_own_token(token).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}
