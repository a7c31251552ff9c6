//! The browser's side of an upload: the file goes to REST in pieces, and goes on by itself after a connection
//! that broke. By XMLHttpRequest, because only that tells how far a piece is.

use crate::{Fault, ui::upload::Progress};
use js_sys::Promise;
use leptos::{prelude::*, task::spawn_local};
use types::{CreateUploadParams, Problem, UploadState, UploadView};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlInputElement, ProgressEvent, XmlHttpRequest};

/// Pauses before it goes on, milliseconds. After a piece that arrived they begin anew.
const PAUSES: [i32; 8] = [1000, 1000, 2000, 4000, 8000, 15_000, 30_000, 30_000];
/// Between two looks at an upload whose disk is taken out of its file.
const LOOK: i32 = 500;

/// Sends the chosen file; what becomes of it lands in the two signals.
pub fn send(
    input: &HtmlInputElement,
    name: String,
    progress: RwSignal<Progress>,
    fault: RwSignal<Option<Fault>>,
) {
    let Some(file) = input.files().and_then(|f| f.get(0)) else {
        return;
    };
    let total = file.size();
    progress.set(Progress::Sending { sent: 0.0, total });
    spawn_local(async move {
        match run(&file, name, progress).await {
            Ok(()) => progress.set(Progress::Done),
            Err(problem) => {
                progress.set(Progress::Idle);
                fault.set(Some(Fault(*problem)));
            }
        }
    });
}

/// What an answer was; status 0 is none.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn upload(&self) -> Option<UploadView> {
        let is_good = (200..300).contains(&self.status);
        is_good
            .then(|| serde_json::from_str(&self.text).ok())
            .flatten()
    }

    fn problem(&self) -> Box<Problem> {
        let problem = serde_json::from_str(&self.text);
        Box::new(problem.unwrap_or_else(|_| lost(format!("status {}", self.status))))
    }

    /// The way there is broken, and may be whole again later; or a piece that was sent before still came in, so that
    /// the upload is elsewhere by now.
    fn is_lost(&self) -> bool {
        matches!(self.status, 0 | 409 | 502..=504)
    }
}

async fn run(file: &File, name: String, progress: RwSignal<Progress>) -> Result<(), Box<Problem>> {
    let params = CreateUploadParams {
        name,
        size_bytes: file.size() as u64,
        sha256: None,
    };
    let body = serde_json::to_string(&params).unwrap_or_default();
    let begun = ask(
        "POST",
        "/api/v1/uploads",
        None,
        Some(&body.into()),
        progress,
    )
    .await;
    let mut upload = begun.upload().ok_or_else(|| begun.problem())?;
    let path = format!("/api/v1/uploads/{}", upload.id);
    let mut pauses = PAUSES.iter();
    loop {
        let answer = match upload.state {
            UploadState::Ready => return Ok(()),
            UploadState::Failed => {
                return Err(Box::new(
                    upload.problem.unwrap_or_else(|| lost("failed".into())),
                ));
            }
            UploadState::Receiving => piece(file, &path, upload.offset_bytes, progress).await,
            UploadState::Converting => {
                pause(LOOK).await;
                ask("GET", &path, None, None, progress).await
            }
        };
        let before = upload.offset_bytes;
        match answer.upload() {
            Some(now) => upload = now,
            None => {
                let next = if answer.is_lost() {
                    pauses.next()
                } else {
                    None
                };
                let Some(wait) = next else {
                    return Err(answer.problem());
                };
                pause(*wait).await;
                let now = ask("GET", &path, None, None, progress).await;
                match now.upload() {
                    Some(now) => upload = now,
                    None if now.is_lost() => {}
                    None => return Err(now.problem()),
                }
            }
        }
        if upload.offset_bytes > before {
            pauses = PAUSES.iter();
        }
    }
}

/// All that is left of the file.
async fn piece(file: &File, path: &str, offset: u64, progress: RwSignal<Progress>) -> Answer {
    let from = offset as f64;
    match file.slice_with_f64_and_f64(from, file.size()) {
        Ok(rest) => {
            ask(
                "PATCH",
                path,
                Some((from, file.size())),
                Some(&rest.into()),
                progress,
            )
            .await
        }
        Err(e) => Answer {
            status: 0,
            text: format!("{e:?}"),
        },
    }
}

/// One request. `piece` says where its body begins in the file, and how long the file is.
async fn ask(
    method: &str,
    path: &str,
    piece: Option<(f64, f64)>,
    body: Option<&JsValue>,
    progress: RwSignal<Progress>,
) -> Answer {
    let request = match open(method, path, piece) {
        Ok(request) => request,
        Err(e) => {
            return Answer {
                status: 0,
                text: format!("{e:?}"),
            };
        }
    };
    let on_progress = Closure::<dyn FnMut(ProgressEvent)>::new(move |e: ProgressEvent| {
        if let Some((from, total)) = piece {
            let sent = from + e.loaded();
            progress.set(Progress::Sending { sent, total });
        }
    });
    if let Ok(upload) = request.upload() {
        upload.set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
    }
    let sending = request.clone();
    let over = Promise::new(&mut |resolve, _| {
        sending.set_onloadend(Some(&resolve));
        let sent = match body {
            Some(body) => match body.dyn_ref::<web_sys::Blob>() {
                Some(blob) => sending.send_with_opt_blob(Some(blob)),
                None => sending.send_with_opt_str(body.as_string().as_deref()),
            },
            None => sending.send(),
        };
        if sent.is_err() {
            // The answer has no status then.
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    // It is never rejected.
    let _ = JsFuture::from(over).await;
    request.set_onloadend(None);
    Answer {
        status: request.status().unwrap_or(0),
        text: request.response_text().ok().flatten().unwrap_or_default(),
    }
}

fn open(method: &str, path: &str, piece: Option<(f64, f64)>) -> Result<XmlHttpRequest, JsValue> {
    let request = XmlHttpRequest::new()?;
    request.open(method, path)?;
    let kind = match piece {
        Some(_) => "application/octet-stream",
        None => "application/json",
    };
    request.set_request_header("Content-Type", kind)?;
    if let Some((from, _)) = piece {
        request.set_request_header("Upload-Offset", &format!("{from:.0}"))?;
    }
    Ok(request)
}

async fn pause(milliseconds: i32) {
    let wait = Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            // Without a timer it goes on at once.
            let set = window
                .set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
            if set.is_err() {
                let _ = resolve.call0(&JsValue::NULL);
            }
        }
    });
    let _ = JsFuture::from(wait).await;
}

fn lost(detail: String) -> Problem {
    Problem::new(
        0,
        "NSB-PAGE-003",
        "The upload broke off",
        "Check that NSBoot runs and that its disk has room, then try again.",
    )
    .detail(detail)
}
