//! Paths and queries of the API. What a user typed is always one segment or one value.

use std::fmt::Write;

/// `/api/v1/NOUN/NAME`.
pub fn at(noun: &str, name: &str) -> String {
    format!("/api/v1/{noun}/{}", escape(name))
}

/// A path and what is asked of it.
pub struct Query(String);

impl Query {
    pub fn of(path: &str) -> Query {
        Query(path.into())
    }

    /// A parameter, when there is one.
    pub fn put(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            let mark = if self.0.contains('?') { '&' } else { '?' };
            // A String takes all that is written to it.
            let _ = write!(self.0, "{mark}{name}={}", escape(&value));
        }
    }

    /// The same, in a chain.
    pub fn with(mut self, name: &str, value: Option<String>) -> Query {
        self.put(name, value);
        self
    }

    /// Path and query.
    pub fn path(self) -> String {
        self.0
    }
}

/// Percent-encodes everything but RFC 3986 unreserved characters. A name of dots alone would be
/// taken for a step up or none, so its dots are encoded as well.
fn escape(s: &str) -> String {
    let dots = s.bytes().all(|b| b == b'.');
    let mut out = String::with_capacity(s.len());
    for b in s.bytes() {
        if b.is_ascii_alphanumeric() || b"-_~".contains(&b) || (b == b'.' && !dots) {
            out.push(b as char);
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_stays_one_segment_or_one_value() {
        assert_eq!(
            at("clients", "52:54:00:12:34:56"),
            "/api/v1/clients/52%3A54%3A00%3A12%3A34%3A56"
        );
        assert_eq!(at("clients", "../users"), "/api/v1/clients/..%2Fusers");
        assert_eq!(at("clients", ".."), "/api/v1/clients/%2E%2E");
        assert_eq!(at("images", "debian-12.5"), "/api/v1/images/debian-12.5");
        let query = Query::of("/x")
            .with("a", Some("1&b=2".into()))
            .with("c", None)
            .with("d", Some("ä".into()));
        assert_eq!(query.path(), "/x?a=1%26b%3D2&d=%C3%A4");
    }
}
