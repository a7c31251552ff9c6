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
use types::{ClientView, DataDiskView, OverlayMode};

/// Name, image, data disks, mode and quota.
#[component]
pub fn Edit(client: Signal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<UpdateClient>::new();
    let value = action.value();
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(())), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    // The computer as it was when the form was opened: its revision goes with what the visitor saw,
    // so that another admin's change in between is not overwritten.
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
            <summary class="btn">{t!(i18n, computer.edit)}</summary>
            <div class="body panel p-4 w-[22rem] max-w-[calc(100vw-2.5rem)]">
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

/// The fields of [`Edit`], filled in.
#[component]
fn Fields(client: ClientView) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let image = client.image_id.map(|i| i.to_string()).unwrap_or_default();
    let mode = match client.mode {
        OverlayMode::Reset => "reset",
        OverlayMode::Keep => "keep",
    };
    let data_disks = names(&client.data_disks);
    let quota = client.quota_bytes.map(types::size::print_bytes);
    view! {
        <input type="hidden" name="id" value=client.id.to_string()/>
        <input type="hidden" name="revision" value=client.revision.to_string()/>
        <Field label=tu_string!(i18n, floor.name) id="edit-name">
            <input class="input" id="edit-name" name="name" value=client.name required autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, floor.image) id="edit-image" help=tu_string!(i18n, computer.image_help)>
            <Select id="edit-image" name="image" options=image_options(live, i18n) selected=image/>
        </Field>
        <Field label=tu_string!(i18n, computer.data_disks) id="edit-data-disks" help=tu_string!(i18n, computer.data_disks_help)>
            <input class="input" id="edit-data-disks" name="data_disks" value=data_disks autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, mode.label) id="edit-mode">
            <Select id="edit-mode" name="mode" options=mode_options(i18n) selected=mode/>
        </Field>
        <Field label=tu_string!(i18n, computer.quota) id="edit-quota" help=tu_string!(i18n, computer.quota_help)>
            <input class="input" id="edit-quota" name="quota" value=quota autocomplete="off"/>
        </Field>
    }
    .into_any()
}

/// The images of data disks as the form has them: by name, or by id where the name is not known.
fn names(disks: &[DataDiskView]) -> String {
    let name = |d: &DataDiskView| match &d.image_name {
        Some(name) => name.clone(),
        None => d.image_id.to_string(),
    };
    disks.iter().map(name).collect::<Vec<_>>().join(", ")
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
        let (name, size) = client.with(|c| (c.name.clone(), format::bytes(c.held_bytes())));
        tu_string!(i18n, computer.remove_text, name = name, size = size).to_string()
    };
    view! {
        <details class="pop">
            <summary class="btn btn-danger">{t!(i18n, computer.remove)}</summary>
            <div class="body panel grid gap-3 p-4 w-[22rem] max-w-[calc(100vw-2.5rem)]">
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
