//! The error that server functions answer with: the same problem that REST gives.

use leptos::{
    prelude::*,
    server_fn::{codec::JsonEncoding, error::FromServerFnError},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use types::Problem;

/// A [`Problem`] on its way from a server function to the page.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fault(pub Problem);

impl Fault {
    /// Whether the answer was that nobody is signed in (any more).
    pub fn is_signed_out(&self) -> bool {
        self.0.status == 401
    }
    /// What a request without a valid session gets.
    pub fn signed_out() -> Fault {
        Problem::new(
            401,
            "NSB-AUTH-401",
            "You are not signed in",
            "Sign in and try again.",
        )
        .into()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl std::error::Error for Fault {}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        #[cfg(feature = "ssr")]
        crate::ssr::refuse(problem.status);
        Fault(problem)
    }
}

#[cfg(feature = "ssr")]
impl From<engine::Error> for Fault {
    fn from(error: engine::Error) -> Self {
        error.problem().into()
    }
}

impl FromServerFnError for Fault {
    type Encoder = JsonEncoding;
    fn from_server_fn_error(value: ServerFnErrorErr) -> Self {
        // Form fields that are missing or can't be read are the sender's mistake, not the server's.
        #[cfg(feature = "ssr")]
        if matches!(
            value,
            ServerFnErrorErr::Args(_)
                | ServerFnErrorErr::MissingArg(_)
                | ServerFnErrorErr::Deserialization(_)
        ) {
            crate::ssr::refuse(400);
        }
        let (status, hint) = match value {
            ServerFnErrorErr::Request(_) => (0, "Check that NSBoot runs and try again."),
            _ => (400, "Reload the page and try again."),
        };
        Fault(
            Problem::new(
                status,
                "NSB-PAGE-001",
                "The request did not get through",
                hint,
            )
            .detail(value.to_string()),
        )
    }
}
