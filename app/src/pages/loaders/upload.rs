//! Upload of a set: the archive goes to REST as it is.

#[cfg(feature = "hydrate")]
use crate::ui::upload;
use crate::{
    Fault,
    i18n::*,
    ui::{
        Field, Problems,
        upload::{Progress, Sending},
    },
};
use leptos::prelude::*;

/// The form with its progress.
#[component]
pub fn Upload() -> impl IntoView {
    let i18n = use_i18n();
    let name = RwSignal::new(String::new());
    let progress = RwSignal::new(Progress::Idle);
    let fault = RwSignal::new(None::<Fault>);
    let file = NodeRef::<leptos::html::Input>::new();
    let sending = move || progress.get().is_sending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        #[cfg(feature = "hydrate")]
        if let Some(input) = file.get() {
            fault.set(None);
            upload::send(&input, "/api/v1/loaders", &name.get(), progress, fault);
        }
    };
    view! {
        <section class="panel" aria-labelledby="upload">
            <div class="ph"><h2 id="upload">{t!(i18n, loaders.upload)}</h2></div>
            <form class="grid gap-4 px-4 pb-4 max-w-[40rem]" on:submit=submit>
                <p class="text-ink-2">{t!(i18n, loaders.upload_text)}</p>
                <Field label=tu_string!(i18n, floor.name) id="upload-name">
                    <input class="input" id="upload-name" required autocomplete="off" prop:value=name
                        on:input:target=move |e| name.set(e.target().value())/>
                </Field>
                <Field label=tu_string!(i18n, loaders.archive) id="upload-file">
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
