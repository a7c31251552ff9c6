//! Uploads: a file goes to REST as it is, by XMLHttpRequest, because only that tells how far an upload is.

use crate::{i18n::*, ui::format};
use leptos::prelude::*;

#[cfg(feature = "hydrate")]
pub use send::send;

/// How far an upload is.
#[derive(Clone, Copy, PartialEq, Debug)]
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
pub enum Progress {
    Idle,
    Sending { sent: f64, total: f64 },
    Done,
}

impl Progress {
    /// Whether it is under way.
    pub fn is_sending(self) -> bool {
        matches!(self, Progress::Sending { .. })
    }

    /// From 0 to 1.
    fn share(self) -> f64 {
        match self {
            Progress::Sending { sent, total } if total > 0.0 => sent / total,
            _ => 0.0,
        }
    }
}

/// A bar while it is under way, and a line that says how far it is.
#[component]
pub fn Sending(progress: RwSignal<Progress>) -> impl IntoView {
    let i18n = use_i18n();
    let words = move || match progress.get() {
        Progress::Idle => String::new(),
        Progress::Done => tu_string!(i18n, images.done).to_string(),
        now @ Progress::Sending { sent, total } => {
            let percent = (now.share() * 100.0) as u32;
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
    view! {
        <Show when=move || progress.get().is_sending()>
            <progress
                aria-label=tu_string!(i18n, images.progress)
                max="1"
                value=move || progress.get().share().to_string()
            ></progress>
        </Show>
        <p class="meta" role="status">{words}</p>
    }
    .into_any()
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

    /// Sends the chosen file to that address of REST; what becomes of it lands in the two signals.
    pub fn send(
        input: &HtmlInputElement,
        to: &str,
        name: &str,
        progress: RwSignal<Progress>,
        fault: RwSignal<Option<Fault>>,
    ) {
        let Some(file) = input.files().and_then(|f| f.get(0)) else {
            return;
        };
        let total = file.size();
        progress.set(Progress::Sending { sent: 0.0, total });
        if let Err(e) = start(&file, to, name, progress, fault) {
            progress.set(Progress::Idle);
            fault.set(Some(lost(format!("{e:?}"))));
        }
    }

    fn start(
        file: &web_sys::File,
        to: &str,
        name: &str,
        progress: RwSignal<Progress>,
        fault: RwSignal<Option<Fault>>,
    ) -> Result<(), JsValue> {
        let request = XmlHttpRequest::new()?;
        let name = String::from(js_sys::encode_uri_component(name));
        request.open("POST", &format!("{to}?name={name}"))?;
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
