//! New images: an upload, which goes to REST, or a file that the server fetches.

use super::api::FetchImage;
#[cfg(feature = "hydrate")]
use super::send;
use crate::{
    Fault,
    i18n::*,
    ui::{
        Field, Problems,
        upload::{Progress, Sending},
    },
};
use leptos::{form::ActionForm, prelude::*};

/// The form with its progress.
#[component]
pub fn Upload() -> impl IntoView {
    let i18n = use_i18n();
    #[cfg(feature = "hydrate")]
    let live = expect_context::<crate::live::Live>();
    let name = RwSignal::new(String::new());
    let progress = RwSignal::new(Progress::Idle);
    let fault = RwSignal::new(None::<Fault>);
    let file = NodeRef::<leptos::html::Input>::new();
    let sending = move || progress.get().is_sending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        #[cfg(feature = "hydrate")]
        if let Some(input) = file.get() {
            // A refusal in the middle of an upload is lost: the browser sees a broken connection.
            let taken = live.image_named(&name.get()).then(|| taken(&name.get()));
            fault.set(taken);
            if fault.with_untracked(Option::is_none) {
                send::send(&input, name.get(), progress, fault);
            }
        }
    };
    view! {
        <section class="panel" aria-labelledby="upload">
            <div class="ph"><h2 id="upload">{t!(i18n, images.upload)}</h2></div>
            <form class="grid gap-4 px-4 pb-4 max-w-[40rem]" on:submit=submit>
                <p class="text-ink-2">{t!(i18n, images.upload_text)}</p>
                <Field label=tu_string!(i18n, floor.name) id="upload-name">
                    <input class="input" id="upload-name" required autocomplete="off" prop:value=name
                        on:input:target=move |e| name.set(e.target().value())/>
                </Field>
                <Field label=tu_string!(i18n, images.file) id="upload-file">
                    <input class="input" id="upload-file" type="file" required node_ref=file/>
                </Field>
                <Sending progress/>
                <Problems fault/>
                <div>
                    <button class="btn btn-primary needs-wasm" disabled=sending>{t!(i18n, images.upload_button)}</button>
                </div>
            </form>
        </section>
    }
    .into_any()
}

/// A file that the server fetches; it goes on as a job.
#[component]
pub fn Fetch() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<FetchImage>::new();
    let value = action.value();
    let begun = move || value.get().is_some_and(|done| done.is_ok());
    view! {
        <section class="panel" aria-labelledby="fetch">
            <div class="ph"><h2 id="fetch">{t!(i18n, images.fetch)}</h2></div>
            <ActionForm action attr:class="grid gap-4 px-4 pb-4 max-w-[40rem]">
                <p class="text-ink-2">{t!(i18n, images.fetch_text)}</p>
                <Field label=tu_string!(i18n, floor.name) id="fetch-name">
                    <input class="input" id="fetch-name" name="name" required autocomplete="off"/>
                </Field>
                <Field label=tu_string!(i18n, images.from) id="fetch-from">
                    <select class="input" id="fetch-from" name="from">
                        <option value="url">{t!(i18n, images.from_url)}</option>
                        <option value="path">{t!(i18n, images.from_path)}</option>
                    </select>
                </Field>
                <Field label=tu_string!(i18n, images.place) id="fetch-place">
                    <input class="input" id="fetch-place" name="place" required autocomplete="off"/>
                </Field>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                <p class="meta" role="status">
                    {move || begun().then(|| view! { <a class="link" href="/activity">{t!(i18n, images.fetching)}</a> })}
                </p>
                <div><button class="btn btn-primary" disabled=action.pending()>{t!(i18n, images.fetch_button)}</button></div>
            </ActionForm>
        </section>
    }
    .into_any()
}

#[cfg(feature = "hydrate")]
fn taken(name: &str) -> Fault {
    Fault(types::Problem::new(
        409,
        "NSB-IMAGE-002",
        format!("There is an image named {name}"),
        "Choose another name, or delete that image first.",
    ))
}
