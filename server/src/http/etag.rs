//! `ETag` and `If-Match` (RFC 9110 section 13.1.1): a change says which revision it was made on.

use super::problem::{ApiError, ApiResult, bad_query};
use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use serde::Serialize;
use utoipa::{
    IntoParams,
    openapi::{
        Object, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

/// The views that are answered with their revision as ETag, each time; the API's description says so.
pub const TAGGED: [&str; 9] = [
    "BootEntryView",
    "ClientView",
    "GroupView",
    "ImageView",
    "JobView",
    "ReservationView",
    "ScopeView",
    "SettingsView",
    "UserView",
];

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

/// The revision that `If-Match` demands; None when the header is absent or `*`. As an argument it is what a
/// handler heeds, and among the `params` of its operation what the API's description says of it.
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        if_match(&parts.headers).map(IfMatch)
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let tag = Object::builder()
            .schema_type(Type::String)
            .pattern(Some(r#"^(\*|"[0-9]{1,19}")$"#))
            .build();
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "The `ETag` of the answer that the change is made on, quotes included: with another revision \
                 than the newest nothing is changed (412). `*` takes any, as does an absent header.",
            ))
            .schema(Some(tag))
            .build();
        vec![parameter]
    }
}

/// # Errors
/// The header is not one ETag of ours.
fn if_match(headers: &HeaderMap) -> ApiResult<Option<u64>> {
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
