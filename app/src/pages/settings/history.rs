//! The changes that were made, each with *Undo*.

use super::{Actions, When, words};
use crate::{
    i18n::*,
    ui::{Problems, StateShape},
};
use leptos::{form::ActionForm, prelude::*};
use types::{RevisionState, SettingsRevisionView};

/// The newest changes.
#[component]
pub fn History(
    changes: Vec<SettingsRevisionView>,
    actions: Actions,
    may_undo: bool,
) -> impl IntoView {
    let i18n = use_i18n();
    let none = changes.is_empty();
    let line = |change| view! { <Line change actions may_undo/> };
    let fault = Signal::derive(move || actions.undo.value().get().and_then(Result::err));
    view! {
        <section class="panel" aria-labelledby="history">
            <div class="ph"><h2 id="history">{t!(i18n, settings.history)}</h2></div>
            {match none {
                true => view! { <p class="empty">{t!(i18n, settings.no_history)}</p> }.into_any(),
                false => view! {
                    <ul class="changes">{changes.into_iter().map(line).collect_view()}</ul>
                }.into_any(),
            }}
            <Show when=move || fault.with(Option::is_some)><div class="p-4"><Problems fault/></div></Show>
        </section>
    }
    .into_any()
}

#[component]
fn Line(change: SettingsRevisionView, actions: Actions, may_undo: bool) -> impl IntoView {
    let i18n = use_i18n();
    let (shape, word) = words::state(i18n, change.state);
    let rows = change.changes.iter().map(|c| {
        view! {
            <p>
                <span class="font-semibold">{words::name(i18n, &c.key)}</span> ": "
                <span class="diff data"><del>{words::value(i18n, c.before.as_ref())}</del> " → " <ins>{words::value(i18n, c.after.as_ref())}</ins></span>
            </p>
        }
    });
    let undoes = change
        .undoes
        .map(|n| tu_string!(i18n, settings.undoes, number = n).to_string());
    let open = may_undo
        && matches!(
            change.state,
            RevisionState::Applied | RevisionState::Confirmed
        );
    let number = change.number;
    let named = tu_string!(i18n, settings.undo_name, number = number).to_string();
    let at = Signal::stored(Some(change.at));
    view! {
        <li data-change=number.to_string()>
            <span class="st" data-s=shape.key()><StateShape shape=Signal::stored(shape)/>{word}</span>
            <div class="what">
                {rows.collect_view()}
                <p class="meta">
                    {tu_string!(i18n, settings.change_by, number = number, who = change.actor.name.clone()).to_string()}
                    " · " <When at/>
                    {undoes.map(|u| format!(" · {u}"))}
                    {change.note.clone().map(|n| format!(" · {n}"))}
                </p>
            </div>
            {open.then(|| view! {
                <ActionForm action=actions.undo>
                    <input type="hidden" name="number" value=number.to_string()/>
                    <button class="btn" aria-label=named disabled=move || actions.undo.pending().get()>{t!(i18n, settings.undo)}</button>
                </ActionForm>
            })}
        </li>
    }
    .into_any()
}
