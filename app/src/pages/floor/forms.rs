//! The floor's forms: boot a virtual computer, add one, adopt one. They post without WASM as well.

use super::api::{AddClient, AdoptClient, BootVirtual as BootVirtualAction};
use crate::{
    i18n::*,
    live::Live,
    start::{Start, may},
    ui::{Field, Problems, Select, When},
};
use leptos::{form::ActionForm, prelude::*};
use types::{ClientView, ImageState, Role};

/// The images to choose from, with "no image" first; `(value, text)`.
pub fn image_options(live: Live, i18n: I18n) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        let none = (String::new(), tu_string!(i18n, floor.no_image).to_string());
        let ready = live.images.with(|rows| {
            rows.iter()
                .filter(|r| r.view.with(|i| i.state == ImageState::Ready))
                .map(|r| r.view.with(|i| (i.id.to_string(), i.name.clone())))
                .collect::<Vec<_>>()
        });
        std::iter::once(none).chain(ready).collect()
    })
}

/// The two overlay modes; `(value, text)`.
pub fn mode_options(i18n: I18n) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        vec![
            (
                "reset".to_string(),
                tu_string!(i18n, mode.reset).to_string(),
            ),
            ("keep".to_string(), tu_string!(i18n, mode.keep).to_string()),
        ]
    })
}

/// The firmware of a virtual computer; `(value, text)`.
fn firmware_options(i18n: I18n) -> Signal<Vec<(String, String)>> {
    Signal::derive(move || {
        let bios = tu_string!(i18n, floor.bios).to_string();
        let uefi = tu_string!(i18n, floor.uefi).to_string();
        vec![("bios".to_string(), bios), ("uefi".to_string(), uefi)]
    })
}

/// *Boot a virtual computer*, or why that can't be done here.
#[component]
pub fn BootVirtual() -> impl IntoView {
    let i18n = use_i18n();
    let lab = expect_context::<Start>().system.map(|s| s.lab);
    let available = lab.as_ref().is_some_and(|l| l.available);
    let reason = lab.and_then(|l| l.reason).filter(|_| !available);
    let has_reason = reason.is_some();
    let action = ServerAction::<BootVirtualAction>::new();
    let value = action.value();
    let pending = action.pending();
    view! {
        <div class="grid gap-2 justify-items-start">
            <ActionForm action attr:class="flex flex-wrap items-center gap-2">
                <label class="sr-only" for="lab-firmware">{t!(i18n, floor.firmware)}</label>
                // Else it would be as wide as the form, and stand above the button.
                <div class="w-24"><Select id="lab-firmware" name="firmware" options=firmware_options(i18n) selected="bios"/></div>
                <button
                    class="btn btn-primary"
                    disabled=move || !available || pending.get()
                    aria-describedby=has_reason.then_some("lab-reason")
                >
                    {move || if pending.get() {
                        tu_string!(i18n, floor.booting_virtual)
                    } else {
                        tu_string!(i18n, floor.boot_virtual)
                    }}
                </button>
            </ActionForm>
            {reason.map(|r| view! { <p id="lab-reason" class="meta max-w-[40ch]">{r}</p> })}
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </div>
    }
    .into_any()
}

/// A computer that is not on yet.
#[component]
pub fn AddComputer() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let action = ServerAction::<AddClient>::new();
    let value = action.value();
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(())), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    view! {
        <details class="pop" node_ref=open>
            <summary class="btn">{t!(i18n, floor.add)}</summary>
            <div class="body panel p-4 max-w-[40rem]">
                <ActionForm action attr:class="grid gap-4 sm:grid-cols-2">
                    <Field label=tu_string!(i18n, floor.name) id="add-name">
                        <input class="input" id="add-name" name="name" required autocomplete="off"/>
                    </Field>
                    <Field label=tu_string!(i18n, floor.mac) id="add-mac" help=tu_string!(i18n, floor.mac_help)>
                        <input class="input data" id="add-mac" name="mac" required autocomplete="off" aria-describedby="add-mac-help"/>
                    </Field>
                    <Field label=tu_string!(i18n, floor.image) id="add-image">
                        <Select id="add-image" name="image" options=image_options(live, i18n)/>
                    </Field>
                    <Field label=tu_string!(i18n, mode.label) id="add-mode">
                        <Select id="add-mode" name="mode" options=mode_options(i18n) selected="reset"/>
                    </Field>
                    <div class="sm:col-span-2 grid gap-3">
                        <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                        <div><button class="btn btn-primary">{t!(i18n, floor.add_button)}</button></div>
                    </div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// One discovered computer with its form.
#[component]
pub fn Adopt(view: ArcRwSignal<ClientView>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let client: Signal<ClientView> = Signal::from(view);
    let ClientView { id, mac, name, .. } = client.get_untracked();
    let action = ServerAction::<AdoptClient>::new();
    let value = action.value();
    let seen = Signal::derive(move || {
        client.with(|c| Some(c.last_boot.as_ref().map_or(c.created_at, |b| b.started_at)))
    });
    let (name_id, image_id) = (format!("n{id}"), format!("i{id}"));
    if !may(Role::Operator) {
        return view! {
            <li class="border-t border-line px-4 py-3">
                <span class="data font-semibold">{mac.to_string()}</span>
                <span class="meta block">{t!(i18n, floor.code)}" "{mac.code()}". "{t!(i18n, floor.seen)}" "<When at=seen/></span>
            </li>
        }
        .into_any();
    }
    view! {
        <li class="border-t border-line px-4 py-3">
            <ActionForm action attr:class="flex flex-wrap items-end gap-3">
                <input type="hidden" name="id" value=id.to_string()/>
                <p class="min-w-[12rem] self-center">
                    <a class="plain data font-semibold" href=format!("/floor/{id}")>{mac.to_string()}</a>
                    <span class="meta block">{t!(i18n, floor.code)}" "{mac.code()}". "{t!(i18n, floor.seen)}" "<When at=seen/></span>
                </p>
                <Field label=tu_string!(i18n, floor.name) id=name_id.clone()>
                    <input class="input" id=name_id name="name" value=name required autocomplete="off"/>
                </Field>
                <Field label=tu_string!(i18n, floor.image) id=image_id.clone()>
                    <Select id=image_id name="image" options=image_options(live, i18n)/>
                </Field>
                <button class="btn btn-primary" style="min-height:2.5rem">{t!(i18n, floor.adopt)}</button>
            </ActionForm>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </li>
    }
    .into_any()
}
