//! `Idempotency-Key` on what changes something: the first request with a key is made, and whoever asks
//! again with it gets that answer. What is kept, and for how long, is `engine::idempotency`'s.

use super::{
    AppState,
    problem::{ApiError, ApiResult, unusable_body},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, MatchedPath, OriginalUri, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use engine::{
    Caller,
    idempotency::{Asked, Begun, KeptAnswer, MAX_KEY, Refused, Reservation},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::panic::resume_unwind;
use tracing::Instrument;
use types::Problem;

/// The caller's name for one change, the same however often it has to ask.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What takes no key: the answer holds a secret, and no secret is kept; or the body is a whole disk or an archive.
const WITHOUT: &[(&str, &str)] = &[
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/setup"),
    ("POST", "/api/v1/tokens"),
    ("POST", "/api/v1/images"),
    ("PATCH", "/api/v1/uploads/{upload}"),
    ("POST", "/api/v1/loaders"),
];

/// The headers that belong to an answer. The others belong to the request that it goes to.
const KEPT: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::WWW_AUTHENTICATE,
];

/// Whether an operation changes something and takes a key; `path` as the router writes it.
pub fn takes_key(method: &str, path: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH" | "DELETE") && !WITHOUT.contains(&(method, path))
}

/// Makes a request that carries a key once.
pub async fn once(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if safe || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    // A stranger is turned away by whoever handles this, or it is a sign-in.
    let caller = request.extensions().get::<Caller>().cloned();
    let place = request.extensions().get::<MatchedPath>().cloned();
    let place = place.as_ref().map_or("", MatchedPath::as_str);
    let key = match read(request.headers()) {
        Ok(_) if !takes_key(request.method().as_str(), place) => Err(takes_none()),
        other => other,
    };
    let key = match key {
        Ok(key) => key,
        Err(e) => return e.into_response(),
    };
    let Some(caller) = caller else {
        return next.run(request).await;
    };
    // In a task of its own: a caller whose connection breaks is the very one that asks again.
    let made = tokio::spawn(make(state, caller, key, request, next).in_current_span());
    match made.await {
        Ok(Ok(response)) => response,
        Ok(Err(e)) => e.into_response(),
        Err(e) if e.is_panic() => resume_unwind(e.into_panic()),
        Err(_) => stopping().into_response(),
    }
}

async fn make(
    state: AppState,
    caller: Caller,
    key: String,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let body = Bytes::from_request(whole, &())
        .await
        .map_err(|e| unusable_body(e.status(), e.body_text()))?;
    let uri = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(&parts.uri, |o| &o.0);
    let target = uri.path_and_query().map_or("", |t| t.as_str()).to_string();
    let if_match = parts.headers.get(header::IF_MATCH);
    let asked = Asked {
        method: parts.method.as_str(),
        target: &target,
        if_match: if_match.map_or(b"", |v| v.as_bytes()),
        body: &body,
    };
    let keys = state.engine.idempotency();
    match keys.begin(&caller.identity, &key, &asked).await {
        Ok(Begun::Again(answer)) => Ok(again(answer)),
        Ok(Begun::Run(reservation)) => {
            let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
            keep(reservation, answer).await
        }
        Err(refused) => Err(refusal(refused)),
    }
}

/// Keeps the answer and gives it back; one that says that nothing was done frees the key.
async fn keep(reservation: Reservation, answer: Response) -> ApiResult<Response> {
    let status = answer.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        reservation.freed().await?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    // Answers to changes are made in memory: there is nothing to stream.
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|e| engine::Error::Internal(format!("an answer could not be made: {e}")))?;
    let header = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_string()))
    };
    let kept = KeptAnswer {
        status: status.as_u16(),
        headers: KEPT.iter().filter_map(header).collect(),
        body: body.to_vec(),
    };
    reservation.answered(&kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The one key of a request: 1 to 255 visible characters.
fn read(headers: &HeaderMap) -> ApiResult<String> {
    let mut given = headers.get_all(KEY).iter();
    let (first, second) = (given.next(), given.next());
    let text = first.and_then(|v| std::str::from_utf8(v.as_bytes()).ok());
    let key = text
        .filter(|t| (1..=MAX_KEY).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic()));
    match (key, second) {
        (Some(key), None) => Ok(key.to_string()),
        _ => Err(ApiError::from(Problem::new(
            400,
            "NSB-KEY-001",
            "The Idempotency-Key can't be used",
            "Send one of 1 to 255 visible characters, such as a new UUID for each change.",
        ))),
    }
}

fn takes_none() -> ApiError {
    ApiError::from(Problem::new(
        400,
        "NSB-KEY-005",
        "This operation takes no Idempotency-Key",
        "Send it without. Its answer holds a secret or its body a whole disk, and neither is kept; look \
         what is there before you repeat it.",
    ))
}

fn stopping() -> ApiError {
    engine::Error::unavailable(
        engine::Area::System,
        "the server stops",
        "Ask again with the same key when it is back.",
    )
    .into()
}

fn refusal(refused: Refused) -> ApiError {
    let (status, code, title, hint, wait) = match refused {
        Refused::Failed(e) => return e.into(),
        Refused::Role => {
            return engine::Error::Forbidden("your role is lower than when this was done").into();
        }
        Refused::Another => (
            422,
            "NSB-KEY-002",
            "This Idempotency-Key belongs to another request",
            "A key stands for one change: method, address, revision and body. Use a new key for a new change.",
            None,
        ),
        Refused::Running => (
            409,
            "NSB-KEY-003",
            "The first request with this Idempotency-Key has not ended",
            "Wait, then ask again with the same key.",
            Some(1),
        ),
        Refused::Unknown => (
            409,
            "NSB-KEY-004",
            "Nobody knows what the first request with this Idempotency-Key did",
            "The server ended or failed before it had answered. Look whether the change was made; if not, make \
             it with a new key.",
            None,
        ),
        Refused::TooMany => (
            429,
            "NSB-KEY-006",
            "Too many changes are under way under keys",
            "Wait until some have been answered, then ask again.",
            Some(1),
        ),
    };
    ApiError::from(Problem {
        retry_after_seconds: wait,
        ..Problem::new(status, code, title, hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::openapi;

    #[test]
    fn a_key_has_1_to_255_visible_characters_and_comes_once() {
        let long = "k".repeat(MAX_KEY + 1);
        for (key, taken) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", true),
            ("!", true),
            ("\"quoted\"", true),
            (&long[..MAX_KEY], true),
            (&long, false),
            ("", false),
            ("two words", false),
            ("tab\there", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(KEY, HeaderValue::from_str(key).unwrap());
            assert_eq!(read(&headers).is_ok(), taken, "{key}");
            headers.append(KEY, HeaderValue::from_static("second"));
            assert!(read(&headers).is_err(), "two of them");
        }
        let mut odd = HeaderMap::new();
        odd.insert(
            KEY,
            HeaderValue::from_bytes("schlüssel".as_bytes()).unwrap(),
        );
        assert!(read(&odd).is_err());
    }

    /// Names of members that are secrets in an answer.
    const SECRETS: [&str; 4] = ["access_token", "refresh_token", "token", "secret"];

    #[test]
    fn no_answer_that_holds_a_secret_is_kept() {
        let api = serde_json::to_value(openapi()).unwrap();
        let schemas = &api["components"]["schemas"];
        let secret = |name: &str| {
            let members = schemas[name]["properties"].as_object();
            members.is_some_and(|m| SECRETS.iter().any(|s| m.contains_key(*s)))
        };
        let mut without = 0;
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = method.to_uppercase();
                let answers = operation["responses"].as_object().unwrap();
                let bodies = answers
                    .values()
                    .flat_map(|r| r["content"].as_object().into_iter().flatten());
                let holds = bodies
                    .filter_map(|(_, m)| m["schema"]["$ref"].as_str()?.rsplit('/').next())
                    .any(secret);
                assert!(!holds || !takes_key(&method, path), "{method} {path}");
                without += usize::from(holds);
            }
        }
        assert_eq!(without, WITHOUT.len() - 3, "and what takes files");
        for (method, path) in WITHOUT {
            let operation = &api["paths"][path][method.to_lowercase()];
            assert!(operation.is_object(), "{method} {path} is no operation");
        }
    }
}
