//! What a computer boots: the choice, why it is that one, and the forms that change it.

use super::api::{self, ChooseClient, NextBoot, RetireClient};
use crate::{
    i18n::*,
    live::Live,
    pages::boot::fields::{Loader, entry_options, group_options},
    start::may,
    ui::{Field, Problems, Select},
};
use leptos::{form::ActionForm, prelude::*};
use types::{BootChoiceView, ClientState, ClientView, Explanation, Role, RuleLevel};

/// The choice and its rules; read again when the computer, a group, an entry or its image changes.
#[component]
pub fn Choice(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let id = client.with_untracked(|c| c.id);
    let changed = Memo::new(move |_| {
        let revisions = live
            .groups
            .with(|all| all.iter().map(|g| g.revision).sum::<u64>());
        let entries = live
            .entries
            .with(|all| all.iter().map(|e| e.revision).sum::<u64>());
        let image = client.with(|c| c.image_id);
        let image = live.images.with(|all| {
            let row = all.iter().find(|row| Some(row.id) == image)?;
            Some(row.view.with(|i| i.revision))
        });
        (
            // One that keeps its changes stays on its version as soon as it has some.
            client.with(|c| (c.revision, c.overlay_bytes > 0)),
            image,
            revisions,
            entries,
            live.settings.get(),
            live.sets.get(),
        )
    });
    let loaded = Resource::new_blocking(move || changed.get(), move |_| api::choice(id));
    view! {
        <section class="panel livedata p-4 grid gap-3" aria-labelledby="choice">
            <h2 id="choice">{t!(i18n, choice.heading)}</h2>
            <Transition>
                {move || Suspend::new(async move {
                    match loaded.await {
                        Ok(choice) => view! { <Why choice/> }.into_any(),
                        Err(fault) => {
                            let fault = Signal::stored(Some(fault));
                            view! { <Problems fault/> }.into_any()
                        }
                    }
                })}
            </Transition>
            {may(Role::Operator).then(|| view! {
                <Next client/>
                <div class="actions">
                    <Change client/>
                    <Retire client/>
                </div>
            })}
        </section>
    }
    .into_any()
}

#[component]
fn Why(choice: BootChoiceView) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <p>{choice.outcome}</p>
        <details>
            <summary class="link w-max">{t!(i18n, choice.why)}</summary>
            <div class="grid gap-4 mt-2">
                {chain(i18n, tu_string!(i18n, bootpage.entry), choice.entry)}
                {chain(i18n, tu_string!(i18n, bootpage.loader_set), choice.loader_set)}
                {chain(i18n, tu_string!(i18n, bootpage.loader), choice.loader)}
            </div>
        </details>
    }
    .into_any()
}

fn level(i18n: I18n, level: RuleLevel) -> &'static str {
    match level {
        RuleLevel::OneShot => tu_string!(i18n, choice.one_shot),
        RuleLevel::Client => tu_string!(i18n, choice.client),
        RuleLevel::Group => tu_string!(i18n, choice.group),
        RuleLevel::Global => tu_string!(i18n, choice.global),
        RuleLevel::BuiltIn => tu_string!(i18n, choice.built_in),
        RuleLevel::Firmware => tu_string!(i18n, choice.firmware),
    }
}

fn chain(i18n: I18n, what: &'static str, e: Explanation) -> impl IntoView {
    let steps = e.steps.into_iter().map(|step| {
        let value = step.value.unwrap_or_else(|| "-".into());
        view! {
            <tr aria-current=step.decides.then_some("true")>
                <th scope="row">{level(i18n, step.level)}</th>
                <td class:font-semibold=step.decides>{value}</td>
                <td>{step.why}</td>
            </tr>
        }
    });
    view! {
        <div class="cards">
            <table class="t">
                <caption class="text-start font-semibold">{what}</caption>
                <tbody>{steps.collect_view()}</tbody>
            </table>
        </div>
    }
}

/// An entry for the next boot only.
#[component]
fn Next(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let action = ServerAction::<NextBoot>::new();
    let value = action.value();
    let id = client.with_untracked(|c| c.id.to_string());
    let options = entry_options(live, tu_string!(i18n, choice.as_always));
    let selected = Memo::new(move |_| client.with(|c| c.one_shot_id));
    view! {
        <ActionForm action attr:class="flex flex-wrap items-end gap-3">
            <input type="hidden" name="id" value=id/>
            <Field label=tu_string!(i18n, choice.next) id="next-entry">
                {move || {
                    let selected = selected.get().map(|e| e.to_string()).unwrap_or_default();
                    view! { <Select id="next-entry" name="boot_entry" options selected/> }
                }}
            </Field>
            <button class="btn">{t!(i18n, choice.set_next)}</button>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </ActionForm>
    }
    .into_any()
}

/// Group, boot entry and loader.
#[component]
fn Change(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<ChooseClient>::new();
    let value = action.value();
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(())), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    // As in the form of its name: the revision goes with what the visitor saw.
    let shown = RwSignal::new(client.get_untracked());
    let opened = move |_| {
        let is_open = open.get_untracked().is_some_and(|d| d.open());
        let now = client.get_untracked();
        if is_open && shown.with_untracked(|s| *s != now) {
            shown.set(now);
        }
    };
    view! {
        <details class="pop" node_ref=open on:toggle=opened>
            <summary class="btn">{t!(i18n, choice.change)}</summary>
            <div class="body panel p-4 w-[24rem] max-w-[calc(100vw-2.5rem)]">
                <ActionForm action attr:class="grid gap-4">
                    {move || view! { <Fields client=shown.get()/> }}
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                    <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// The fields of [`Change`], filled in.
#[component]
fn Fields(client: ClientView) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let group = client.group_id.map(|g| g.to_string()).unwrap_or_default();
    let entry = client
        .boot_entry_id
        .map(|e| e.to_string())
        .unwrap_or_default();
    view! {
        <input type="hidden" name="id" value=client.id.to_string()/>
        <input type="hidden" name="revision" value=client.revision.to_string()/>
        <Field label=tu_string!(i18n, choice.group) id="choose-group">
            <Select id="choose-group" name="group" options=group_options(live, i18n) selected=group/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.entry) id="choose-entry">
            <Select id="choose-entry" name="boot_entry" options=entry_options(live, tu_string!(i18n, bootpage.inherit)) selected=entry/>
        </Field>
        <Loader id="choose".into() set=client.loader_set loader=client.loader/>
    }
    .into_any()
}

/// Keeping it for its history only; one that is retired is adopted again on Floor.
#[component]
fn Retire(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RetireClient>::new();
    let value = action.value();
    let id = client.with_untracked(|c| c.id);
    let retired = move || client.with(|c| c.state == ClientState::Retired);
    view! {
        <Show when=move || !retired()>
            <details class="pop">
                <summary class="btn">{t!(i18n, choice.retire)}</summary>
                <div class="body panel grid gap-3 p-4 w-[22rem] max-w-[calc(100vw-2.5rem)]">
                    <p>{t!(i18n, choice.retire_text)}</p>
                    <ActionForm action>
                        <input type="hidden" name="id" value=id.to_string()/>
                        <button class="btn">{t!(i18n, choice.retire_button)}</button>
                    </ActionForm>
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                </div>
            </details>
        </Show>
    }
    .into_any()
}
