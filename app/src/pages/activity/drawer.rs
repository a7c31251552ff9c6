//! The drawer in the frame of every page: the jobs that are not over.

use super::{
    api,
    jobs::{Cancel, JobBadge, Progress},
    words,
};
use crate::{
    i18n::*,
    live::Live,
    ui::{Shape, StateShape},
};
use leptos::{prelude::*, task::spawn_local};
use types::JobView;

/// Opens without scripts, too; what is in it moves when they are there.
#[component]
pub fn Drawer() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let count = Memo::new(move |_| live.running.with(Vec::len));
    // Before a snapshot of the socket jobs may have begun and ended unseen.
    Effect::new(move || {
        if live.snapshots.get() > 0 {
            spawn_local(async move {
                // A failure says nothing new: the header tells of a lost connection.
                if let Ok(jobs) = api::running().await {
                    live.load_running(jobs);
                }
            });
        }
    });
    let shape = Signal::derive(move || match count.get() {
        0 => Shape::Idle,
        _ => Shape::Busy,
    });
    view! {
        <details class="pop drawer">
            <summary class="btn">
                <span class="st" data-s=move || shape.get().key()><StateShape shape/></span>
                <span class="wide">{t!(i18n, nav.activity)}</span>
                <span class="data" aria-hidden="true">{move || count.get()}</span>
                <span class="sr-only">{move || tu_string!(i18n, job.running_count, n = count.get()).to_string()}</span>
            </summary>
            <div class="menu" role="group" aria-label=tu_string!(i18n, nav.activity)>
                <Show
                    when=move || { count.get() > 0 }
                    fallback=move || view! { <p class="who">{t!(i18n, job.none_running)}</p> }
                >
                    <ul>
                        <For each=move || live.running.get() key=|r| r.id let:row>
                            <Running job=Signal::from(row.view)/>
                        </For>
                    </ul>
                </Show>
                <p class="px-3 py-2"><a class="link" href="/activity">{t!(i18n, activity.all_of_it)}</a></p>
            </div>
        </details>
    }
    .into_any()
}

#[component]
fn Running(job: Signal<JobView>) -> impl IntoView {
    let i18n = use_i18n();
    let state = Memo::new(move |_| job.with(|j| j.state));
    let who = move || words::actor(i18n, &job.with(|j| j.actor.clone()));
    view! {
        <li>
            <span class="what">
                <span class="font-semibold">{move || job.with(|j| j.title.clone())}</span>
                <span class="flex flex-wrap gap-x-3"><JobBadge state/><span class="meta">{who}</span></span>
                <Progress job/>
            </span>
            <Cancel job/>
        </li>
    }
    .into_any()
}
