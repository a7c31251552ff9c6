//! Upload of a raw disk: the file goes to REST as it is, by XMLHttpRequest, because only that tells
//! how far an upload is.

use crate::{
    Fault,
    i18n::*,
    ui::{Field, Problems, format},
};
use leptos::prelude::*;

/// How far an upload is.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
enum Progress {
    Idle,
    Sending { sent: f64, total: f64 },
    Done,
}

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
    let sending = move || matches!(progress.get(), Progress::Sending { .. });
    let words = move || match progress.get() {
        Progress::Idle => String::new(),
        Progress::Done => tu_string!(i18n, images.done).to_string(),
        Progress::Sending { sent, total } => {
            let percent = if total > 0.0 {
                (sent / total * 100.0) as u32
            } else {
                0
            };
            let (got, all) = (format::bytes(sent as u64), format::bytes(total as u64));
            tu_string!(
                i18n,
                images.sending,
                percent = percent,
                got = got,
                all = all
            )
            .to_string()
        }
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        #[cfg(feature = "hydrate")]
        if let Some(input) = file.get() {
            // A refusal in the middle of an upload is lost: the browser sees a broken connection.
            let taken = live.image_named(&name.get()).then(|| taken(&name.get()));
            fault.set(taken);
            if fault.with_untracked(Option::is_none) {
                send::send(&input, &name.get(), progress, fault);
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
                <Show when=sending>
                    <progress
                        aria-label=tu_string!(i18n, images.progress)
                        max="1"
                        value=move || match progress.get() {
                            Progress::Sending { sent, total } if total > 0.0 => (sent / total).to_string(),
                            _ => "0".into(),
                        }
                    ></progress>
                </Show>
                <p class="meta" role="status">{words}</p>
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

#[cfg(feature = "hydrate")]
mod send {
    //! The browser's side of an upload.

    use super::Progress;
    use crate::Fault;
    use leptos::prelude::*;
    use types::Problem;
    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    use web_sys::{HtmlInputElement, ProgressEvent, XmlHttpRequest};

    /// Sends the chosen file; what becomes of it lands in the two signals.
    pub fn send(
        input: &HtmlInputElement,
        name: &str,
        progress: RwSignal<Progress>,
        fault: RwSignal<Option<Fault>>,
    ) {
        let Some(file) = input.files().and_then(|f| f.get(0)) else {
            return;
        };
        let total = file.size();
        progress.set(Progress::Sending { sent: 0.0, total });
        if let Err(e) = start(&file, name, progress, fault) {
            progress.set(Progress::Idle);
            fault.set(Some(lost(format!("{e:?}"))));
        }
    }

    fn start(
        file: &web_sys::File,
        name: &str,
        progress: RwSignal<Progress>,
        fault: RwSignal<Option<Fault>>,
    ) -> Result<(), JsValue> {
        let request = XmlHttpRequest::new()?;
        let name = String::from(js_sys::encode_uri_component(name));
        request.open("POST", &format!("/api/v1/images?name={name}"))?;
        request.set_request_header("Content-Type", "application/octet-stream")?;
        let on_progress = Closure::<dyn FnMut(ProgressEvent)>::new(move |e: ProgressEvent| {
            progress.set(Progress::Sending {
                sent: e.loaded(),
                total: e.total(),
            });
        });
        request
            .upload()?
            .set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
        let answer = request.clone();
        let on_end = Closure::<dyn FnMut()>::new(move || {
            let status = answer.status().unwrap_or(0);
            if (200..300).contains(&status) {
                progress.set(Progress::Done);
            } else {
                progress.set(Progress::Idle);
                let text = answer.response_text().ok().flatten().unwrap_or_default();
                let problem = serde_json::from_str::<Problem>(&text);
                fault.set(Some(
                    problem.map_or_else(|_| lost(format!("status {status}")), Fault),
                ));
            }
        });
        request.set_onloadend(Some(on_end.as_ref().unchecked_ref()));
        // Both live as long as the request; the browser drops them with it.
        on_progress.forget();
        on_end.forget();
        request.send_with_opt_blob(Some(file))
    }

    fn lost(detail: String) -> Fault {
        Fault(
            Problem::new(
                0,
                "NSB-PAGE-003",
                "The upload broke off",
                "Check that NSBoot runs and that its disk has room, then try again.",
            )
            .detail(detail),
        )
    }
}
