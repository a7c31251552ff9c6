//! Small pieces: fields, problems, times.

use super::format;
use crate::{Fault, i18n::*, live::Live};
use leptos::prelude::*;
use types::Timestamp;

/// A label above, a control, help below.
#[component]
pub fn Field(
    #[prop(into)] label: String,
    /// The id of the control in `children`.
    #[prop(into)]
    id: String,
    #[prop(optional, into)] help: String,
    children: Children,
) -> impl IntoView {
    let help = (!help.is_empty()).then(|| {
        view! { <p class="help" id=format!("{id}-help")>{help}</p> }
    });
    view! {
        <div class="field">
            <label for=id>{label}</label>
            {children()}
            {help}
        </div>
    }
    .into_any()
}

/// A password with a way to see it; pasting is allowed, and there is no second field.
#[component]
pub fn Password(
    #[prop(into)] id: String,
    name: &'static str,
    #[prop(into)] label: String,
    autocomplete: &'static str,
    #[prop(optional, into)] help: String,
) -> impl IntoView {
    let i18n = use_i18n();
    let shown = RwSignal::new(false);
    view! {
        <Field label id=id.clone() help>
            <div class="flex gap-2">
                <input
                    class="input"
                    id=id
                    name=name
                    type=move || if shown.get() { "text" } else { "password" }
                    required
                    autocomplete=autocomplete
                />
                <button
                    type="button"
                    class="btn needs-wasm"
                    style="min-height:2.5rem"
                    aria-pressed=move || if shown.get() { "true" } else { "false" }
                    on:click=move |_| shown.update(|s| *s = !*s)
                >
                    {t!(i18n, door.show)}
                </button>
            </div>
        </Field>
    }
    .into_any()
}

/// How often `done` became true; what is drawn by it is drawn anew then. Forms do so with fields that are to
/// be empty after a success.
pub fn times(done: impl Fn() -> bool + Send + Sync + 'static) -> Memo<u32> {
    Memo::new(move |n: Option<&u32>| {
        // Asked the first time, too: a memo follows only what it has read.
        let done = done();
        n.map_or(0, |n| n + u32::from(done))
    })
}

/// A native select with `(value, text)` options.
#[component]
pub fn Select(
    #[prop(into)] id: String,
    #[prop(into)] name: String,
    #[prop(into)] options: Signal<Vec<(String, String)>>,
    #[prop(optional, into)] selected: String,
) -> impl IntoView {
    view! {
        <select class="input" id=id name=name>
            {move || {
                options
                    .get()
                    .into_iter()
                    .map(|(value, text)| {
                        let chosen = value == selected;
                        view! { <option value=value selected=chosen>{text}</option> }
                    })
                    .collect_view()
            }}
        </select>
    }
    .into_any()
}

/// What went wrong: what happened, why, what to do, and the code.
#[component]
pub fn Problems(#[prop(into)] fault: Signal<Option<Fault>>) -> impl IntoView {
    move || {
        fault.get().map(|Fault(p)| {
            let fields = p
                .fields
                .into_iter()
                .map(|f| view! { <li>{f.message}</li> })
                .collect_view();
            view! {
                <div class="alert" role="alert">
                    <strong>{p.title}</strong>
                    {p.detail.map(|d| view! { <p>{d}</p> })}
                    <ul>{fields}</ul>
                    <p>{p.hint}</p>
                    <p class="meta data">{p.code}</p>
                </div>
            }
        })
    }
}

/// How long ago, counting; the full time on hover.
#[component]
pub fn When(#[prop(into)] at: Signal<Option<Timestamp>>) -> impl IntoView {
    let now = expect_context::<Live>().now;
    move || {
        at.get().map(|t| {
            view! {
                <time datetime=t.to_string() title=format!("{} UTC", format::clock(t))>
                    {move || format::age(t, now.get())}
                </time>
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_drawn_anew_after_each_success() {
        Owner::new().with(|| {
            let answer = RwSignal::new(None::<Result<(), ()>>);
            let drawn = times(move || matches!(answer.get(), Some(Ok(()))));
            assert_eq!(drawn.get_untracked(), 0);
            for (told, times) in [(Ok(()), 1), (Err(()), 1), (Ok(()), 2), (Ok(()), 3)] {
                answer.set(Some(told));
                assert_eq!(drawn.get_untracked(), times);
            }
        });
    }
}
