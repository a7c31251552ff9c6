//! Editing and removing a computer.

use super::api::{RemoveClient, UpdateClient};
use crate::{
    i18n::*,
    live::Live,
    pages::floor::forms::{image_options, mode_options},
    ui::{Field, Problems, Select, format},
};
use leptos::{form::ActionForm, prelude::*};
use leptos_router::hooks::use_navigate;
use types::{ClientView, OverlayMode};

/// Name, image and mode.
#[component]
pub fn Edit(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let action = ServerAction::<UpdateClient>::new();
    let value = action.value();
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(())), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    let now = client.get_untracked();
    let image = now.image_id.map(|i| i.to_string()).unwrap_or_default();
    let mode = match now.mode {
        OverlayMode::Reset => "reset",
        OverlayMode::Keep => "keep",
    };
    view! {
        <details class="pop" node_ref=open>
            <summary class="btn">{t!(i18n, computer.edit)}</summary>
            <div class="body panel p-4 w-[22rem] max-w-full">
                <ActionForm action attr:class="grid gap-4">
                    <input type="hidden" name="id" value=now.id.to_string()/>
                    // The revision that the visitor saw: another admin's change in between is not overwritten.
                    <input type="hidden" name="revision" prop:value=move || client.with(|c| c.revision.to_string()) value=now.revision.to_string()/>
                    <Field label=tu_string!(i18n, floor.name) id="edit-name">
                        <input class="input" id="edit-name" name="name" value=now.name required autocomplete="off"/>
                    </Field>
                    <Field label=tu_string!(i18n, floor.image) id="edit-image" help=tu_string!(i18n, computer.image_help)>
                        <Select id="edit-image" name="image" options=image_options(live, i18n) selected=image/>
                    </Field>
                    <Field label=tu_string!(i18n, mode.label) id="edit-mode">
                        <Select id="edit-mode" name="mode" options=mode_options(i18n) selected=mode/>
                    </Field>
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                    <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// Removing, with a second step that says what is lost.
#[component]
pub fn Remove(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RemoveClient>::new();
    let value = action.value();
    let navigate = use_navigate();
    Effect::new(move || {
        if let Some(Ok(())) = value.get() {
            navigate("/floor", Default::default());
        }
    });
    let id = client.with_untracked(|c| c.id.to_string());
    let what = move || {
        let (name, size) = client.with(|c| (c.name.clone(), format::bytes(c.overlay_bytes)));
        tu_string!(i18n, computer.remove_text, name = name, size = size).to_string()
    };
    view! {
        <details class="pop">
            <summary class="btn btn-danger">{t!(i18n, computer.remove)}</summary>
            <div class="body panel grid gap-3 p-4 w-[22rem] max-w-full">
                <p>{what}</p>
                <ActionForm action>
                    <input type="hidden" name="id" value=id/>
                    <button class="btn btn-danger-solid">
                        {move || tu_string!(i18n, computer.remove_button, name = client.with(|c| c.name.clone())).to_string()}
                    </button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}
