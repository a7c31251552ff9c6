//! The shapes of states: told apart without colour.

use leptos::prelude::*;

/// A state's shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Ok,
    Busy,
    Warn,
    Fail,
    Idle,
    Stale,
}

impl Shape {
    /// The value of `data-s`, which gives the colour.
    pub fn key(self) -> &'static str {
        match self {
            Shape::Ok => "ok",
            Shape::Busy => "busy",
            Shape::Warn => "warn",
            Shape::Fail => "fail",
            Shape::Idle => "idle",
            Shape::Stale => "stale",
        }
    }
    /// (filled outline, outline, marks on top)
    fn paths(self) -> (&'static str, &'static str, &'static str) {
        const DISC: &str = "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z";
        const RING: &str = "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2z";
        match self {
            Shape::Ok => (DISC, "", "M4.8 8.2l2.3 2.3 4.2-4.6"),
            Shape::Busy => ("M8 2a6 6 0 0 1 0 12z", RING, ""),
            Shape::Warn => ("", "M8 2.2L14.6 14H1.4zM8 6.5v3.4M8 11.6v.6", ""),
            Shape::Fail => (
                "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
                "",
                "M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8",
            ),
            Shape::Idle | Shape::Stale => ("", RING, ""),
        }
    }
}

/// The shape as a picture; the word stands beside it, so it has no name of its own.
#[component]
pub fn StateShape(#[prop(into)] shape: Signal<Shape>) -> impl IntoView {
    let dash = move || (shape.get() == Shape::Stale).then_some("2.5 2.5");
    let marks = move || match shape.get() {
        Shape::Fail => "var(--color-fail)",
        _ => "var(--color-surface)",
    };
    view! {
        <svg viewBox="0 0 16 16" aria-hidden="true" fill="none" stroke-width="1.8" stroke-linejoin="round" stroke-linecap="round">
            <path d=move || shape.get().paths().0 fill="currentColor"/>
            <path d=move || shape.get().paths().1 stroke="currentColor" stroke-dasharray=dash/>
            <path d=move || shape.get().paths().2 stroke=marks/>
        </svg>
    }
    .into_any()
}
