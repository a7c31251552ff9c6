//! The id of a request: made here or taken from the caller, on its answer and on all its log lines.

use crate::log::CONTEXT;
use axum::{extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName};
use tracing::{Span, field::Empty};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a caller.
const MAX: usize = 64;

/// Drops an id that is no plain token, so that a new one is made: it goes into logs and headers.
pub async fn only_tokens(mut request: Request, next: Next) -> Response {
    if !is_token(request.headers()) {
        request.headers_mut().remove(REQUEST_ID);
    }
    next.run(request).await
}

/// Whether there is just one id, of letters, digits, `.`, `_` and `-`.
fn is_token(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(REQUEST_ID).iter();
    let (Some(id), None) = (given.next(), given.next()) else {
        return false;
    };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

/// What is around all lines of a request. Without the query: it may hold what is nobody's business.
pub fn span<B>(request: &http::Request<B>) -> Span {
    let id = request.headers().get(REQUEST_ID);
    tracing::error_span!(
        target: CONTEXT,
        "request",
        request_id = id.and_then(|id| id.to_str().ok()),
        method = request.method().as_str(),
        path = request.uri().path(),
        boot_id = Empty,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_one_plain_token_is_taken() {
        let long = "x".repeat(65);
        for (id, taken) in [
            ("a", true),
            ("0190-AZaz_9.b", true),
            (&long[..64], true),
            (&long, false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a/../b", false),
            ("{}", false),
            ("a=b", false),
            ("a\tb", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            assert_eq!(is_token(&headers), taken, "{id}");
            headers.append(REQUEST_ID, HeaderValue::from_static("second"));
            assert!(!is_token(&headers), "two of them");
        }
        assert!(!is_token(&HeaderMap::new()));
        let mut odd = HeaderMap::new();
        odd.insert(REQUEST_ID, HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(!is_token(&odd));
    }
}
