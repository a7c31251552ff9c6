//! The computer that makes the next version, and what becomes of its changes.

use super::api::{Apply, Appoint, Discard, Dismiss};
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Field, Problems, Select, format},
};
use leptos::{form::ActionForm, prelude::*};
use types::{ClientId, ImageView, Role};

#[component]
pub fn Superclient(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let superclient = Memo::new(move |_| image.with(|i| i.superclient_id));
    let name = move || image.with(|i| i.superclient_name.clone());
    let is_chosen = move || match superclient.get() {
        Some(id) => view! {
            <p>
                <a class="link font-semibold" href=format!("/floor/{id}")>{name}</a>
                " "{t!(i18n, image.is_superclient)}
            </p>
            <Changes image client=id/>
        }
        .into_any(),
        None => view! {
            <p class="text-ink-2 max-w-[70ch]">{t!(i18n, image.superclient_help)}</p>
            {may(Role::Operator).then(|| view! { <Choose image/> })}
        }
        .into_any(),
    };
    view! {
        <section class="panel livedata p-4 grid gap-4" aria-labelledby="superclient">
            <h2 id="superclient">{t!(i18n, image.superclient)}</h2>
            {is_chosen}
        </section>
    }
    .into_any()
}

#[component]
fn Choose(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let action = ServerAction::<Appoint>::new();
    let value = action.value();
    let id = image.with_untracked(|i| i.id);
    let options = Signal::derive(move || {
        let rows = live.clients.get();
        let boots_it = |c: &types::ClientView| c.image_id == Some(id) || has_it(c, id);
        let all = rows.iter().filter(|row| row.view.with(boots_it));
        let mut all: Vec<(String, String)> = all
            .map(|row| row.view.with(|c| (c.id.to_string(), c.name.clone())))
            .collect();
        all.sort_by(|a, b| a.1.cmp(&b.1));
        all
    });
    view! {
        <Show
            when=move || !options.with(Vec::is_empty)
            fallback=move || view! { <p class="meta">{t!(i18n, image.nobody_boots)}</p> }
        >
            <ActionForm action attr:class="grid gap-2 max-w-[40rem]">
                <input type="hidden" name="id" value=id.to_string()/>
                <Field label=tu_string!(i18n, image.computer) id="superclient-choice">
                    <Select id="superclient-choice" name="client" options selected=String::new()/>
                </Field>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                <div><button class="btn btn-primary">{t!(i18n, image.appoint)}</button></div>
            </ActionForm>
        </Show>
    }
    .into_any()
}

/// Whether it is a data disk of that computer.
fn has_it(client: &types::ClientView, image: types::ImageId) -> bool {
    client.data_disks.iter().any(|d| d.image_id == image)
}

/// What it wrote, and what may be done with that while it is off.
#[component]
fn Changes(image: Signal<ImageView>, client: ClientId) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let id = image.with_untracked(|i| i.id);
    let seen = Memo::new(move |_| {
        live.clients.track();
        let view = live.client(client)?;
        let written = |c: &types::ClientView| match c.data_disks.iter().find(|d| d.image_id == id) {
            Some(disk) => disk.overlay_bytes,
            None => c.overlay_bytes,
        };
        Some(view.with(|c| (written(c), c.disk_in_use)))
    });
    let sentence = move || match seen.get() {
        Some((bytes, true)) => {
            tu_string!(i18n, image.runs, size = format::bytes(bytes)).to_string()
        }
        Some((0, false)) => tu_string!(i18n, image.unchanged).to_string(),
        Some((bytes, false)) => {
            tu_string!(i18n, image.changed, size = format::bytes(bytes)).to_string()
        }
        None => String::new(),
    };
    view! {
        <p>{sentence}</p>
        {may(Role::Operator).then(|| view! { <Decide image client/> })}
    }
    .into_any()
}

#[component]
fn Decide(image: Signal<ImageView>, client: ClientId) -> impl IntoView {
    let i18n = use_i18n();
    let id = image.with_untracked(|i| i.id);
    let apply = ServerAction::<Apply>::new();
    let discard = ServerAction::<Discard>::new();
    let dismiss = ServerAction::<Dismiss>::new();
    let (applied, discarded, dismissed) = (apply.value(), discard.value(), dismiss.value());
    view! {
        <ActionForm action=apply attr:class="grid gap-2 max-w-[40rem]">
            <input type="hidden" name="id" value=id.to_string()/>
            <Field label=tu_string!(i18n, image.comment) id="apply-comment" help=tu_string!(i18n, image.comment_help)>
                <input class="input" id="apply-comment" name="comment" maxlength="200" autocomplete="off"/>
            </Field>
            <div><button class="btn btn-primary">{t!(i18n, image.apply)}</button></div>
            <Problems fault=Signal::derive(move || applied.get().and_then(Result::err))/>
        </ActionForm>
        <div class="flex flex-wrap gap-2">
            <details class="pop">
                <summary class="btn btn-danger">{t!(i18n, image.discard)}</summary>
                <div class="body grid gap-2">
                    <p>{t!(i18n, image.discard_help)}</p>
                    <ActionForm action=discard>
                        <input type="hidden" name="client" value=client.to_string()/>
                        <button class="btn btn-danger-solid">{t!(i18n, image.discard_button)}</button>
                    </ActionForm>
                    <Problems fault=Signal::derive(move || discarded.get().and_then(Result::err))/>
                </div>
            </details>
            <ActionForm action=dismiss>
                <input type="hidden" name="id" value=id.to_string()/>
                <button class="btn">{t!(i18n, image.dismiss)}</button>
                <Problems fault=Signal::derive(move || dismissed.get().and_then(Result::err))/>
            </ActionForm>
        </div>
    }
    .into_any()
}
