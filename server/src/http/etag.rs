//! `ETag` and `If-Match` (RFC 9110 section 13.1.1): a change says which revision it was made on.

use super::problem::{ApiResult, bad_query};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

/// A view with its revision as strong ETag.
pub struct Tagged<T>(pub StatusCode, pub u64, pub T);

impl<T: Serialize> Tagged<T> {
    /// The answer, with where the thing is.
    pub fn at(self, place: &str) -> Response {
        let mut response = self.into_response();
        if let Ok(place) = HeaderValue::try_from(place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.2)).into_response();
        if let Ok(value) = HeaderValue::try_from(format!("\"{}\"", self.1)) {
            response.headers_mut().insert(header::ETAG, value);
        }
        response
    }
}

/// The revision that `If-Match` demands; None when the header is absent or `*`.
///
/// # Errors
/// The header is not one ETag of ours.
pub fn if_match(headers: &HeaderMap) -> ApiResult<Option<u64>> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("").trim();
    if text == "*" {
        return Ok(None);
    }
    let revision = text
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .and_then(|t| t.parse().ok());
    revision.map(Some).ok_or_else(|| {
        bad_query("If-Match: send the ETag of the answer that you changed, quotes included")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_etags_of_ours_are_taken() {
        let of = |s: &'static str| {
            let mut h = HeaderMap::new();
            h.insert(header::IF_MATCH, HeaderValue::from_static(s));
            if_match(&h).ok()
        };
        assert_eq!(if_match(&HeaderMap::new()).ok(), Some(None));
        assert_eq!(of("*"), Some(None));
        assert_eq!(of("\"7\""), Some(Some(7)));
        for bad in ["7", "\"\"", "W/\"7\"", "\"7\", \"8\"", "\"x\"", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
