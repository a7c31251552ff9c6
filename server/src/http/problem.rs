//! Errors of the API as RFC 9457 problems, whatever made them.

use super::request_id::REQUEST_ID;
use axum::{
    Json,
    body::to_bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;
use types::Problem;

/// The media type of RFC 9457.
const PROBLEM_JSON: &str = "application/problem+json";

/// What a handler fails with.
#[derive(Debug)]
pub struct ApiError(pub Box<Problem>);

pub type ApiResult<T> = Result<T, ApiError>;

impl From<engine::Error> for ApiError {
    fn from(e: engine::Error) -> Self {
        let problem = e.problem();
        if problem.status >= 500 {
            tracing::error!(code = problem.code, error = %e, "request failed");
        }
        ApiError(Box::new(problem))
    }
}

impl From<Problem> for ApiError {
    fn from(p: Problem) -> Self {
        ApiError(Box::new(p))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let wait = self.0.retry_after_seconds;
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"nsboot\""),
            );
        }
        response
    }
}

/// Puts the request's id into a problem, whatever made it: a body that somebody kept leads to the log by itself.
/// An answer that is given again names the request that it is given to.
pub async fn named(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).cloned();
    let response = next.run(request).await;
    let is_problem = |r: &Response| {
        let kind = r.headers().get(header::CONTENT_TYPE);
        kind.is_some_and(|k| k == PROBLEM_JSON)
    };
    match id.as_ref().and_then(|id| id.to_str().ok()) {
        Some(id) if is_problem(&response) => with_id(response, id).await,
        _ => response,
    }
}

async fn with_id(response: Response, id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    // Problems are made in memory: there is nothing to stream.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let named = serde_json::from_slice(&body)
        .ok()
        .and_then(|problem: Problem| {
            let problem = Problem {
                request_id: Some(id.to_string()),
                ..problem
            };
            serde_json::to_vec(&problem).ok()
        });
    // It is longer now; an answer to HEAD has no body, and no length is better than a wrong one.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, named.map_or(body, Into::into).into())
}

/// No session, or one that has ended.
pub fn unauthorized() -> ApiError {
    ApiError::from(Problem::new(
        401,
        "NSB-AUTH-001",
        "Not signed in",
        "Sign in with POST /api/v1/auth/login and send the access token as `Authorization: Bearer`.",
    ))
}

/// No such path.
pub async fn not_found(uri: http::Uri) -> ApiError {
    ApiError::from(
        Problem::new(
            404,
            "NSB-HTTP-404",
            "There is nothing at this address",
            "Check the path; REST lives below /api/v1.",
        )
        .detail(uri.path().to_string()),
    )
}

/// The path is there, the method is not.
pub async fn method_not_allowed(method: http::Method) -> ApiError {
    ApiError::from(
        Problem::new(
            405,
            "NSB-HTTP-405",
            "This address does not take that method",
            "The Allow header of this answer names those that it takes.",
        )
        .detail(method.to_string()),
    )
}

/// What a panic in a handler becomes; the panic itself is in the log.
pub fn panicked() -> Response {
    ApiError::from(Problem::new(
        500,
        "NSB-HTTP-500",
        "The server made a mistake with this request",
        "Nothing was half done. Look into the server's log and report it with the request id.",
    ))
    .into_response()
}

/// JSON of the request body; a body that is not what was asked for is a problem.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(req: Request, state: &S) -> Result<Self, ApiError> {
        Json::<T>::from_request(req, state)
            .await
            .map(|Json(t)| Body(t))
            .map_err(|e| match &e {
                JsonRejection::MissingJsonContentType(_) => unusable(
                    e.status(),
                    "NSB-HTTP-415",
                    "Send JSON with `Content-Type: application/json`.",
                    e.body_text(),
                ),
                JsonRejection::JsonSyntaxError(_) => unusable(
                    e.status(),
                    "NSB-HTTP-400",
                    "The body has to be one JSON object.",
                    e.body_text(),
                ),
                JsonRejection::JsonDataError(_) => unusable(
                    e.status(),
                    "NSB-HTTP-422",
                    "Correct the field that the detail names.",
                    e.body_text(),
                ),
                _ => unusable_body(e.status(), e.body_text()),
            })
    }
}

/// A body that is too large, or did not come whole.
pub fn unusable_body(status: StatusCode, detail: String) -> ApiError {
    let (code, hint) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("NSB-HTTP-413", "Send less; JSON bodies may have 64 KiB.")
        }
        _ => ("NSB-HTTP-400", "Send the request again."),
    };
    unusable(status, code, hint, detail)
}

fn unusable(status: StatusCode, code: &str, hint: &str, detail: String) -> ApiError {
    let title = "The body of the request can't be used";
    ApiError::from(Problem::new(status.as_u16(), code, title, hint).detail(detail))
}

/// The query of the request.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(t)| Query(t))
            .map_err(|e: QueryRejection| bad_query(e.body_text()))
    }
}

/// A part of the path.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(t)| Path(t))
            .map_err(|e: PathRejection| bad_query(e.body_text()))
    }
}

/// A query or path that does not parse.
pub fn bad_query(detail: impl Into<String>) -> ApiError {
    ApiError::from(
        Problem::new(
            400,
            "NSB-HTTP-400",
            "The address of the request can't be used",
            "Correct the part that the detail names.",
        )
        .detail(detail),
    )
}
