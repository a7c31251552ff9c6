//! A job: its line with progress and *Cancel*, in the stream and in the drawer, and what is inside.

use super::{
    api::{self, CancelJob},
    words,
};
use crate::{
    Fault,
    i18n::*,
    start::may,
    ui::{Problems, Shape, StateShape, When, format},
};
use leptos::{form::ActionForm, prelude::*, task::spawn_local};
use types::{JobItemView, JobState, JobUnit, JobView, Role};

fn shape(state: JobState) -> Shape {
    match state {
        JobState::Queued | JobState::Cancelled => Shape::Idle,
        JobState::Running => Shape::Busy,
        JobState::Succeeded => Shape::Ok,
        JobState::PartlyFailed => Shape::Warn,
        JobState::Failed => Shape::Fail,
    }
}

/// Shape and word of a job's state.
#[component]
pub fn JobBadge(#[prop(into)] state: Signal<JobState>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <span class="st" data-s=move || shape(state.get()).key()>
            <StateShape shape=Signal::derive(move || shape(state.get()))/>
            {move || words::job_state(i18n, state.get())}
        </span>
    }
    .into_any()
}

/// How far it is, while it is not over: a bar when the end is known, and the numbers.
#[component]
pub fn Progress(job: Signal<JobView>) -> impl IntoView {
    let i18n = use_i18n();
    let numbers = move || {
        job.with(|j| {
            let count = |n: u64| match j.unit {
                JobUnit::Bytes => format::bytes(n),
                JobUnit::Items => n.to_string(),
            };
            let done = count(j.done);
            match j.total {
                Some(total) => {
                    let total = count(total);
                    tu_string!(i18n, job.of, done = done, total = total).to_string()
                }
                None => done,
            }
        })
    };
    let is_shown = Memo::new(move |_| job.with(|j| !j.state.is_over()));
    let total = Memo::new(move |_| job.with(|j| j.total.filter(|t| *t > 0)));
    let bar = move || {
        total.get().map(|total| {
            view! {
                <progress
                    aria-label=move || job.with(|j| j.title.clone())
                    max=total.to_string()
                    value=move || job.with(|j| j.done.min(total).to_string())
                ></progress>
            }
        })
    };
    view! {
        <Show when=move || is_shown.get()>
            <span class="progress">
                <span class="meta data">{numbers}</span>
                {bar}
            </span>
        </Show>
    }
    .into_any()
}

/// Asks it to stop; only for those who may, and only while there is something to stop.
#[component]
pub fn Cancel(job: Signal<JobView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<CancelJob>::new();
    let value = action.value();
    let id = StoredValue::new(job.with_untracked(|j| j.id.to_string()));
    let is_shown = Memo::new(move |_| may(Role::Operator) && job.with(|j| !j.state.is_over()));
    let asked = Memo::new(move |_| job.with(|j| j.cancel_requested));
    let name = move || {
        let title = job.with(|j| j.title.clone());
        tu_string!(i18n, job.cancel_name, title = title).to_string()
    };
    view! {
        <Show when=move || is_shown.get()>
            <div class="grid gap-2 justify-items-end">
                <ActionForm action>
                    <input type="hidden" name="id" value=id.get_value()/>
                    <button class="btn" disabled=move || asked.get() || action.pending().get()
                        aria-label=move || (!asked.get()).then(name)>
                        {move || if asked.get() {
                            tu_string!(i18n, job.stopping)
                        } else {
                            tu_string!(i18n, job.cancel)
                        }}
                    </button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </Show>
    }
    .into_any()
}

/// A job in the stream; what is inside is read when somebody opens it.
#[component]
pub fn JobLine(job: Signal<JobView>) -> impl IntoView {
    let i18n = use_i18n();
    let state = Memo::new(move |_| job.with(|j| j.state));
    let created = Signal::derive(move || Some(job.with(|j| j.created_at)));
    let who = move || words::actor(i18n, &job.with(|j| j.actor.clone()));
    let took = move || {
        job.with(|j| {
            let took = j.started_at?.seconds_to(j.finished_at?);
            let took = format::seconds(took);
            Some(tu_string!(i18n, job.took, took = took).to_string())
        })
    };
    let opened = RwSignal::new(false);
    let details = NodeRef::<leptos::html::Details>::new();
    let toggled = move |_| {
        opened.set(details.get_untracked().is_some_and(|d| d.open()));
    };
    let id = job.with_untracked(|j| j.id.to_string());
    view! {
        <li data-job=id>
            <details node_ref=details on:toggle=toggled>
                <summary>
                    <JobBadge state/>
                    <span class="what">
                        <span>{move || job.with(|j| j.title.clone())}</span>
                        <span class="meta">{who}{move || took().map(|t| format!(" · {t}"))}</span>
                        <Progress job/>
                    </span>
                    <span class="meta when"><When at=created/></span>
                </summary>
                <Show when=move || opened.get()>
                    <Inside job/>
                </Show>
            </details>
            <Cancel job/>
        </li>
    }
    .into_any()
}

/// Problem, result, items and log; read again as long as the job goes on.
#[component]
fn Inside(job: Signal<JobView>) -> impl IntoView {
    let i18n = use_i18n();
    let whole = RwSignal::new(None::<Result<JobView, Fault>>);
    let reading = StoredValue::new(false);
    Effect::new(move || {
        job.with(|j| j.revision);
        if !reading.get_value() {
            reading.set_value(true);
            spawn_local(read(job, whole, reading));
        }
    });
    let fault = Signal::derive(move || {
        whole.with(|w| match w {
            None => None,
            Some(Err(fault)) => Some(fault.clone()),
            Some(Ok(job)) => job.problem.clone().map(Fault),
        })
    });
    let good = move || whole.with(|w| w.as_ref().and_then(|w| w.as_ref().ok()).cloned());
    view! {
        <div class="inside">
            <Problems fault/>
            {move || good().map(|job| {
                let nothing = job.items.is_empty() && job.log.is_empty() && job.result.is_none();
                view! {
                    {job.result.map(result)}
                    {(!job.items.is_empty()).then(|| view! {
                        <ul class="grid gap-1">{job.items.into_iter().map(item).collect_view()}</ul>
                    })}
                    <ol class="log">
                        {job.log.into_iter().map(|l| view! {
                            <li><time class="data" datetime=l.at.to_string()>{format::clock(l.at)}</time><span>{l.text}</span></li>
                        }).collect_view()}
                    </ol>
                    {(nothing && job.problem.is_none()).then(|| view! { <p class="meta">{t!(i18n, job.nothing)}</p> })}
                }
            })}
        </div>
    }
    .into_any()
}

/// Reads the whole job until nothing changed while it was read. The visitor may have gone meanwhile.
async fn read(
    job: Signal<JobView>,
    whole: RwSignal<Option<Result<JobView, Fault>>>,
    reading: StoredValue<bool>,
) {
    while let Some((id, revision)) = job.try_with_untracked(|j| (j.id, j.revision)) {
        let found = api::job(id).await;
        let failed = found.is_err();
        let told = job.try_with_untracked(|j| j.revision);
        if whole.try_set(Some(found)).is_some() || failed || told == Some(revision) {
            break;
        }
    }
    reading.try_set_value(false);
}

/// What it found, as label and value.
fn result(value: serde_json::Value) -> impl IntoView {
    let facts = match value {
        serde_json::Value::Object(facts) => facts,
        other => serde_json::Map::from_iter([("result".to_string(), other)]),
    };
    let facts = facts.into_iter().map(|(name, value)| {
        view! { <div><dt>{name.replace('_', " ")}</dt><dd>{words::plain(&value)}</dd></div> }
    });
    view! { <dl class="facts">{facts.collect_view()}</dl> }
}

/// One of the things it worked on, and why it was refused.
fn item(item: JobItemView) -> impl IntoView {
    let state = item.state;
    view! {
        <li class="flex flex-wrap items-baseline gap-x-3">
            <JobBadge state=Signal::stored(state)/>
            <span>{item.name}</span>
            {item.problem.map(|p| view! {
                <span class="meta">{p.detail.unwrap_or(p.title)}" "{p.hint}</span>
            })}
        </li>
    }
}
