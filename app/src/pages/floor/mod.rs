//! `/floor`: every computer, how it is, and which one needs somebody.

pub mod api;
pub(super) mod forms;
mod table;

use crate::{
    i18n::*,
    live::{ClientRow, Live},
    start::may,
    ui::{HopLabels, Rail, Shape, StateShape, Status, format, hop_name, status},
};
use forms::{AddComputer, Adopt, BootVirtual};
use leptos::prelude::*;
use leptos_meta::Title;
use table::Table;
use types::{ClientState, Role};

/// What the headline counts.
#[derive(Clone, Copy, PartialEq, Default)]
struct Count {
    total: u32,
    ready: u32,
    booting: u32,
    stopped: u32,
    discovered: u32,
}

fn count(rows: &[ClientRow]) -> Count {
    let mut n = Count::default();
    for row in rows {
        let status = row.view.with(status);
        n.total += u32::from(!matches!(status, Status::Discovered | Status::Retired));
        match status {
            Status::Ready => n.ready += 1,
            Status::Booting(_) => n.booting += 1,
            Status::Stopped(_) => n.stopped += 1,
            Status::Discovered => n.discovered += 1,
            Status::Idle | Status::Off | Status::HandedOver | Status::Retired => {}
        }
    }
    n
}

/// Seconds from power-on to ready of the computers that are ready, sorted, with their names.
fn boot_times(rows: &[ClientRow]) -> Vec<(f64, String)> {
    let mut all: Vec<(f64, String)> = rows
        .iter()
        .filter_map(|r| {
            r.view.with(|c| {
                let boot = c
                    .last_boot
                    .as_ref()
                    .filter(|_| status(c) == Status::Ready)?;
                Some((boot.started_at.seconds_to(boot.ended_at?), c.name.clone()))
            })
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

/// The middle of sorted times; of an even number the mean of the two in the middle.
fn median(sorted: &[(f64, String)]) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some((sorted[last / 2].0 + sorted[last.div_ceil(2)].0) / 2.0)
}

/// The floor.
#[component]
pub fn Floor() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let counts = Memo::new(move |_| live.clients.with(|rows| count(rows)));
    let headline = move || {
        let n = counts.get();
        match n.total {
            0 => tu_string!(i18n, floor.none).to_string(),
            total => tu_string!(i18n, floor.ready, ready = n.ready, total = total).to_string(),
        }
    };
    let sentence = move || {
        let n = counts.get();
        let mut parts = Vec::new();
        if n.booting > 0 {
            parts.push(tu_string!(i18n, floor.booting, n = n.booting).to_string());
        }
        if n.stopped > 0 {
            parts.push(tu_string!(i18n, floor.stopped, n = n.stopped).to_string());
        }
        if n.discovered > 0 {
            parts.push(tu_string!(i18n, floor.new, n = n.discovered).to_string());
        }
        let times = live.clients.with(|rows| boot_times(rows));
        if let (Some(median), Some(worst)) = (median(&times), times.last()) {
            let (median, slowest) = (format::seconds(median), format::seconds(worst.0));
            let name = worst.1.clone();
            parts.push(
                tu_string!(
                    i18n,
                    floor.times,
                    median = median,
                    slowest = slowest,
                    name = name
                )
                .to_string(),
            );
        }
        parts.join(" · ")
    };
    let title = move || match counts.get().booting {
        0 => tu_string!(i18n, floor.title).to_string(),
        n => tu_string!(i18n, floor.title_booting, n = n).to_string(),
    };
    view! {
        <Title text=title/>
        <div class="head">
            <div>
                <h1>{headline}</h1>
                <p class="text-ink-2">{sentence}</p>
            </div>
            {may(Role::Operator).then(|| view! { <BootVirtual/> })}
        </div>
        <NeedsYou/>
        <Discovered/>
        <Table/>
        <Retired/>
        {may(Role::Operator).then(|| view! { <AddComputer/> })}
    }
    .into_any()
}

fn rows_where(
    live: Live,
    keep: impl Fn(&types::ClientView) -> bool + Copy + Send + Sync + 'static,
) -> Memo<Vec<types::ClientId>> {
    Memo::new(move |_| {
        live.clients.with(|rows| {
            rows.iter()
                .filter(|r| r.view.with(keep))
                .map(|r| r.id)
                .collect()
        })
    })
}

/// One card for each boot that stopped: where, why, what to do.
#[component]
fn NeedsYou() -> impl IntoView {
    let live = expect_context::<Live>();
    let stopped = rows_where(live, |c| {
        c.state == ClientState::Adopted && matches!(status(c), Status::Stopped(_))
    });
    view! {
        <For each=move || stopped.get() key=|id| *id let:id>
            {live.client(id).map(|view| view! { <StoppedCard view/> })}
        </For>
    }
    .into_any()
}

#[component]
fn StoppedCard(view: ArcRwSignal<types::ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let now = expect_context::<Live>().now;
    let client: Signal<types::ClientView> = Signal::from(view);
    let boot = Signal::derive(move || client.with(|c| c.last_boot.clone()));
    let cause = move || client.with(|c| c.last_boot.as_ref().and_then(|b| b.cause.clone()));
    let title = move || {
        let (name, hop) = client.with(|c| {
            let hop = match status(c) {
                Status::Stopped(hop) => hop,
                _ => types::Hop::Link,
            };
            (c.name.clone(), hop_name(i18n, hop))
        });
        match cause() {
            Some(c) => tu_string!(
                i18n,
                floor.card_cause,
                name = name,
                hop = hop,
                cause = c.title
            )
            .to_string(),
            None => tu_string!(i18n, floor.card, name = name, hop = hop).to_string(),
        }
    };
    view! {
        <article class="panel livedata grid gap-3 p-4">
            <div class="flex flex-wrap items-center gap-3">
                <span class="st" data-s="fail">
                    <StateShape shape=Signal::derive(|| Shape::Fail)/>
                    {t!(i18n, floor.needs_you)}
                </span>
                <h2>{title}</h2>
            </div>
            <div class="max-w-[46rem]">
                <Rail boot now big=true/>
                <HopLabels boot now/>
            </div>
            <p class="max-w-[70ch]">{move || cause().map(|c| c.hint)}</p>
            <div class="actions">
                <a class="btn" href=move || format!("/floor/{}", client.with(|c| c.id))>
                    {t!(i18n, floor.show_boot)}
                </a>
            </div>
        </article>
    }
    .into_any()
}

/// Computers that asked for a boot and are not ours yet.
#[component]
fn Discovered() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let found = rows_where(live, |c| c.state == ClientState::Discovered);
    view! {
        <Show when=move || !found.with(Vec::is_empty)>
            <section class="panel livedata" aria-labelledby="discovered">
                <div class="ph"><h2 id="discovered">{t!(i18n, floor.discovered)}</h2></div>
                <p class="px-4 pb-3 text-ink-2 max-w-[70ch]">
                    {t!(i18n, floor.discovered_text)}" "
                    <a class="link" href="/settings">{t!(i18n, floor.discovered_policy)}</a>
                </p>
                <ul>
                    <For each=move || found.get() key=|id| *id let:id>
                        {live.client(id).map(|view| view! { <Adopt view/> })}
                    </For>
                </ul>
            </section>
        </Show>
    }
    .into_any()
}

/// Computers that are kept for their history; each can be adopted again.
#[component]
fn Retired() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let retired = rows_where(live, |c| c.state == ClientState::Retired);
    view! {
        <Show when=move || !retired.with(Vec::is_empty)>
            <section class="panel livedata" aria-labelledby="retired">
                <div class="ph"><h2 id="retired">{t!(i18n, floor.retired)}</h2></div>
                <p class="px-4 pb-3 text-ink-2 max-w-[70ch]">{t!(i18n, floor.retired_text)}</p>
                <ul>
                    <For each=move || retired.get() key=|id| *id let:id>
                        {live.client(id).map(|view| view! { <Adopt view/> })}
                    </For>
                </ul>
            </section>
        </Show>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_in_the_middle() {
        let median = |times: &[f64]| {
            let named: Vec<_> = times.iter().map(|t| (*t, String::new())).collect();
            super::median(&named)
        };
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 4.0]), Some(2.5));
        assert_eq!(median(&[1.0, 4.0, 40.0]), Some(4.0));
    }
}
