//! The forms of the firmware page.

use super::api::{
    Forget as ForgetAction, Pin as PinAction, PinComputer as PinComputerAction,
    Unpin as UnpinAction,
};
use crate::{
    i18n::*,
    live::Live,
    ui::{Field, Problems, Select, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{FirmwareView, LoaderKind, OfferForm, Quirks};

/// A way to boot, field by field.
#[component]
fn Way(id: String, quirks: Quirks) -> impl IntoView {
    let i18n = use_i18n();
    let usual = || {
        (
            String::new(),
            tu_string!(i18n, firmware.as_usual).to_string(),
        )
    };
    let forms = [
        (OfferForm::Plain, tu_string!(i18n, firmware.plain)),
        (OfferForm::LoadNow, tu_string!(i18n, firmware.load_now)),
        (
            OfferForm::AskBootServer,
            tu_string!(i18n, firmware.ask_boot_server),
        ),
    ];
    let forms = forms.map(|(form, text)| (form.word().to_string(), text.to_string()));
    let forms: Vec<_> = std::iter::once(usual()).chain(forms).collect();
    let loaders = [LoaderKind::Snponly, LoaderKind::Ipxe]
        .map(|l| (l.word().to_string(), l.word().to_string()));
    let loaders: Vec<_> = std::iter::once(usual()).chain(loaders).collect();
    let form = quirks
        .form
        .map(|f| f.word().to_string())
        .unwrap_or_default();
    let loader = quirks
        .loader
        .map(|l| l.word().to_string())
        .unwrap_or_default();
    let [form_id, loader_id, block_id, delay_id, pace_id] =
        ["form", "loader", "block", "delay", "pace"].map(|field| format!("{id}-{field}"));
    let number = |id: String, name: &'static str, max: &'static str, value: u32| {
        view! { <input class="input" id=id name=name type="number" min="0" max=max value=value.to_string() required/> }
    };
    view! {
        <Field label=tu_string!(i18n, firmware.form) id=form_id.clone() help=tu_string!(i18n, firmware.form_help)>
            <Select id=form_id name="form" options=Signal::stored(forms) selected=form/>
        </Field>
        <Field label=tu_string!(i18n, firmware.loader) id=loader_id.clone() help=tu_string!(i18n, firmware.loader_help)>
            <Select id=loader_id name="loader" options=Signal::stored(loaders) selected=loader/>
        </Field>
        <Field label=tu_string!(i18n, firmware.block) id=block_id.clone() help=tu_string!(i18n, firmware.block_help)>
            {number(block_id, "block_size", "1468", quirks.block_size.unwrap_or(0).into())}
        </Field>
        <Field label=tu_string!(i18n, firmware.delay) id=delay_id.clone() help=tu_string!(i18n, firmware.delay_help)>
            {number(delay_id, "delay_ms", "10000", quirks.delay_ms.unwrap_or(0).into())}
        </Field>
        <Field label=tu_string!(i18n, firmware.pace) id=pace_id.clone() help=tu_string!(i18n, firmware.pace_help)>
            {number(pace_id, "pace", "4000000", quirks.pace.unwrap_or(0))}
        </Field>
    }
    .into_any()
}

/// Pins a kind of firmware.
#[component]
pub fn Pin(kind: FirmwareView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<PinAction>::new();
    let value = action.value();
    view! {
        <ActionForm action attr:class="grid gap-4 max-w-[40rem]">
            <input type="hidden" name="id" value=kind.id.to_string()/>
            <input type="hidden" name="revision" value=kind.revision.to_string()/>
            <Way id=kind.id.to_string() quirks=kind.quirks/>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            <div><button class="btn btn-primary">{t!(i18n, firmware.pin)}</button></div>
        </ActionForm>
    }
    .into_any()
}

/// Lets other ways be tried again.
#[component]
pub fn Unpin(kind: FirmwareView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<UnpinAction>::new();
    let value = action.value();
    view! {
        <ActionForm action>
            <input type="hidden" name="id" value=kind.id.to_string()/>
            <input type="hidden" name="revision" value=kind.revision.to_string()/>
            <button class="btn my-1">{t!(i18n, firmware.unpin)}</button>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </ActionForm>
    }
    .into_any()
}

/// Forgetting, with a second step.
#[component]
pub fn Forget(kind: FirmwareView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<ForgetAction>::new();
    let value = action.value();
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger">{t!(i18n, firmware.forget)}</summary>
            <div class="body grid gap-2">
                <p>{t!(i18n, firmware.forget_text)}</p>
                <ActionForm action>
                    <input type="hidden" name="id" value=kind.id.to_string()/>
                    <button class="btn btn-danger-solid">{t!(i18n, firmware.forget_button)}</button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}

/// Pins one computer.
#[component]
pub fn PinComputer() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let action = ServerAction::<PinComputerAction>::new();
    let value = action.value();
    let made = times(move || matches!(value.get(), Some(Ok(()))));
    let computers = Signal::derive(move || {
        let rows = live.clients.get();
        let named = rows
            .iter()
            .map(|r| r.view.with(|c| (c.id.to_string(), c.name.clone())));
        named.collect::<Vec<_>>()
    });
    view! {
        <div class="actions">
            <details class="pop">
                <summary class="btn">{t!(i18n, firmware.pin_computer)}</summary>
                <div class="body panel p-4 w-[26rem] max-w-[calc(100vw-2.5rem)]">
                    <ActionForm action attr:class="grid gap-4">
                        <Field label=tu_string!(i18n, firmware.computer) id="pin-client">
                            <Select id="pin-client" name="client" options=computers/>
                        </Field>
                        {move || {
                            made.track();
                            view! { <Way id="pin".into() quirks=Quirks::default()/> }
                        }}
                        <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                        <div><button class="btn btn-primary">{t!(i18n, firmware.pin_computer_button)}</button></div>
                    </ActionForm>
                </div>
            </details>
        </div>
    }
    .into_any()
}
