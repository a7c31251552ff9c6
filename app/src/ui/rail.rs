//! The boot rail: seven segments, one a hop.

use super::{format, hop_name};
use crate::i18n::*;
use leptos::prelude::*;
use types::{BootState, BootView, Hop, HopState, HopView, Timestamp};

/// Seconds after which a ready computer's rail turns quiet: colour means "look here".
const SETTLED_AFTER_SECONDS: f64 = 30.0;

/// The value of `data-p` for a hop's segment.
fn phase(state: HopState) -> &'static str {
    match state {
        HopState::Pending => "pending",
        HopState::Now => "now",
        HopState::Done => "done",
        HopState::Skipped => "skipped",
        HopState::Failed => "failed",
    }
}

fn hop_of(boot: &Option<BootView>, hop: Hop) -> Option<&HopView> {
    boot.as_ref()?.hops.iter().find(|h| h.hop == hop)
}

fn hop_state(boot: &Option<BootView>, hop: Hop) -> HopState {
    hop_of(boot, hop).map_or(HopState::Pending, |h| h.state)
}

/// The rail of a boot. A picture only: the word stands beside it in each place it is used.
#[component]
pub fn Rail(
    #[prop(into)] boot: Signal<Option<BootView>>,
    #[prop(into)] now: Signal<Timestamp>,
    #[prop(optional)] big: bool,
) -> impl IntoView {
    let settled = Memo::new(move |_| {
        boot.with(|b| {
            b.as_ref().is_some_and(|b| {
                b.state == BootState::Ready
                    && b.ended_at
                        .is_some_and(|t| t.seconds_to(now.get()) > SETTLED_AFTER_SECONDS)
            })
        })
    });
    let segments = Hop::ALL.map(|hop| {
        let state = Memo::new(move |_| boot.with(|b| hop_state(b, hop)));
        view! { <i data-p=move || phase(state.get())></i> }
    });
    view! {
        <span
            class="rail"
            aria-hidden="true"
            data-big=big.then_some("")
            data-settled=move || (!big && settled.get()).then_some("")
        >
            {segments.into_iter().collect_view()}
        </span>
    }
    .into_any()
}

/// The names below a big rail, each with the time its hop took.
#[component]
pub fn HopLabels(
    #[prop(into)] boot: Signal<Option<BootView>>,
    #[prop(into)] now: Signal<Timestamp>,
) -> impl IntoView {
    let i18n = use_i18n();
    let labels = Hop::ALL.map(|hop| {
        let state = Memo::new(move |_| boot.with(|b| hop_state(b, hop)));
        let took = move || {
            boot.with(|b| {
                let h = hop_of(b, hop)?;
                let from = h.started_at?;
                let to = h
                    .finished_at
                    .or((h.state == HopState::Now).then(|| now.get()))?;
                Some(format::seconds(from.seconds_to(to)))
            })
        };
        view! {
            <li data-p=move || phase(state.get())>
                {hop_name(i18n, hop)}
                <span>{move || took().unwrap_or_else(|| match state.get() {
                    HopState::Skipped => tu_string!(i18n, hop.skipped).to_string(),
                    _ => String::new(),
                })}</span>
            </li>
        }
    });
    view! { <ol class="hops">{labels.into_iter().collect_view()}</ol> }.into_any()
}
