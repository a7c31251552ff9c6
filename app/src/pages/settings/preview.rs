//! What a change would touch, before it is made.

use super::{
    Actions,
    api::{ChangeSettings, Wanted},
    words,
};
use crate::{i18n::*, ui::Problems};
use leptos::prelude::*;
use types::SettingsPreviewView;

/// The dialog between *Preview* and *Apply*.
#[component]
pub fn Preview(actions: Actions) -> impl IntoView {
    let i18n = use_i18n();
    let Actions {
        preview, change, ..
    } = actions;
    // With what was asked for: *Apply* is about what is shown, whatever was asked for meanwhile.
    let shown = RwSignal::new(None::<Result<(Wanted, SettingsPreviewView), crate::Fault>>);
    Effect::new(move || {
        let answer = preview.value().get();
        // What was refused of an earlier one says nothing about this one.
        change.value().set(None);
        shown.set(answer);
    });
    // Done: the dialog goes.
    Effect::new(move || {
        if let Some(Ok(())) = change.value().get() {
            shown.set(None);
        }
    });
    let panel = NodeRef::<leptos::html::Section>::new();
    Effect::new(move || {
        if shown.with(Option::is_some)
            && let Some(panel) = panel.get()
        {
            let _ = panel.focus();
            panel.scroll_into_view();
        }
    });
    let fault = Signal::derive(move || change.value().get().and_then(Result::err));
    view! {
        {move || shown.get().map(|answer| view! {
            <section class="panel asked p-4 grid gap-4" tabindex="-1" node_ref=panel aria-labelledby="preview">
                <h2 id="preview">{t!(i18n, settings.preview_heading)}</h2>
                {match answer {
                    Err(fault) => {
                        let fault = Signal::stored(Some(fault));
                        view! {
                            <Problems fault/>
                            <div><button type="button" class="btn" on:click=move |_| shown.set(None)>{t!(i18n, settings.close)}</button></div>
                        }.into_any()
                    }
                    Ok((wanted, preview)) => {
                        let empty = preview.changes.is_empty();
                        let revision = preview.revision;
                        let apply = move |_| {
                            change.dispatch(ChangeSettings { wanted: wanted.clone(), revision: Some(revision) });
                        };
                        view! {
                            {differences(i18n, preview)}
                            <Problems fault/>
                            <div class="actions">
                                {(!empty).then(|| view! {
                                    <button type="button" class="btn btn-primary" on:click=apply disabled=move || change.pending().get()>{t!(i18n, settings.apply)}</button>
                                })}
                                <button type="button" class="btn" on:click=move |_| shown.set(None)>{t!(i18n, settings.cancel)}</button>
                            </div>
                        }.into_any()
                    }
                }}
            </section>
        })}
    }
    .into_any()
}

fn differences(i18n: I18n, preview: SettingsPreviewView) -> AnyView {
    if preview.changes.is_empty() {
        return view! { <p>{t!(i18n, settings.no_change)}</p> }.into_any();
    }
    let effects = preview.effects;
    let row = move |change: types::SettingDiffView| {
        let told = effects.iter().filter(|e| e.key == change.key).cloned();
        let told = told.map(|e| {
            let computers = (!e.computers.is_empty()).then(|| {
                view! { <p class="meta">{t!(i18n, settings.touched)} " " {e.computers.join(", ")}</p> }
            });
            view! { <p>{e.text}</p> {computers} }
        });
        view! {
            <li class="grid gap-1">
                <p><strong>{words::name(i18n, &change.key)}</strong> " " <code class="data text-ink-3">{change.key.clone()}</code></p>
                <p class="diff data"><del>{words::value(i18n, change.before.as_ref())}</del> " → " <ins>{words::value(i18n, change.after.as_ref())}</ins></p>
                {told.collect_view()}
            </li>
        }
    };
    let trial = preview
        .confirm_within_seconds
        .map(|seconds| tu_string!(i18n, settings.will_go_back, seconds = seconds).to_string());
    view! {
        <ul class="grid gap-4">{preview.changes.into_iter().map(row).collect_view()}</ul>
        {trial.map(|t| view! { <p class="made">{t}</p> })}
    }
    .into_any()
}
