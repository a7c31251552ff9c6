//! What a page begins with: read on the server while it renders, handed to the browser inside the
//! HTML, so that both draw the same page before the socket is open.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{JobView, MeView, Role, Snapshot, SystemInfoView, Timestamp};

/// The facts of one page load.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Start {
    /// Who is signed in.
    pub me: Option<MeView>,
    /// There is no account yet.
    pub needs_setup: bool,
    /// The server's clock when it rendered.
    pub now: Timestamp,
    /// `light`, `dark`, or None to follow the system.
    pub theme: Option<String>,
    /// Empty unless signed in.
    pub snapshot: Option<Snapshot>,
    pub system: Option<SystemInfoView>,
    /// The jobs that are not over.
    pub running: Vec<JobView>,
}

impl Start {
    /// On the server from the request, in the browser from the HTML.
    pub fn read() -> Start {
        SharedValue::new(|| {
            #[cfg(feature = "ssr")]
            return crate::ssr::start();
            #[cfg(not(feature = "ssr"))]
            Start::default()
        })
        .into_inner()
    }

    /// Whether whoever looks may do what needs `least`: what they may not do is not offered. The
    /// server asks again with each change.
    pub fn may(&self, least: Role) -> bool {
        self.me.as_ref().is_some_and(|m| m.role >= least)
    }
}

/// [`Start::may`] of the page that is shown.
pub fn may(least: Role) -> bool {
    expect_context::<Start>().may(least)
}

/// The theme that the visitor chose, from the cookie; None follows the system.
pub fn theme_of_request() -> Option<String> {
    #[cfg(feature = "ssr")]
    return crate::ssr::theme();
    #[cfg(not(feature = "ssr"))]
    None
}
