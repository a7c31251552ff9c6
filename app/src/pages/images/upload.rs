//! Upload of a raw disk: the file goes to REST as it is.

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
                upload::send(&input, "/api/v1/images", &name.get(), progress, fault);
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

#[cfg(feature = "hydrate")]
fn taken(name: &str) -> Fault {
    Fault(types::Problem::new(
        409,
        "NSB-IMAGE-002",
        format!("There is an image named {name}"),
        "Choose another name, or delete that image first.",
    ))
}
