//! Errors as the outside sees them: RFC 9457 problem details.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An RFC 9457 problem with the members we add: `code`, `hint`, `fields`, `retry_after_seconds`, `request_id`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Where a page about this kind of problem is, on the same server.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// HTTP status.
    pub status: u16,
    /// What happened.
    pub title: String,
    /// Why, with the facts of this occurrence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Stable, e.g. `NSB-CLIENT-002`.
    pub code: String,
    /// What to do about it.
    pub hint: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldProblem>,
    /// When it may be tried again; the `Retry-After` header says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// The request that it is about, as in the answer's `x-request-id` and in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What is wrong with one field of the input.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FieldProblem {
    pub field: String,
    pub message: String,
}

fn about_blank() -> String {
    "about:blank".into()
}

impl Problem {
    pub fn new(status: u16, code: &str, title: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem {
            kind: format!("/help/{code}"),
            status,
            title: title.into(),
            detail: None,
            code: code.into(),
            hint: hint.into(),
            fields: Vec::new(),
            retry_after_seconds: None,
            request_id: None,
        }
    }
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
    pub fn field(mut self, field: &str, message: impl Into<String>) -> Self {
        self.fields.push(FieldProblem {
            field: field.into(),
            message: message.into(),
        });
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title)?;
        if let Some(d) = &self.detail {
            write!(f, ": {d}")?;
        }
        for field in &self.fields {
            write!(f, "; {}: {}", field.field, field.message)?;
        }
        write!(f, " [{}]. {}", self.code, self.hint)
    }
}
impl std::error::Error for Problem {}
