//! The browser's WebSocket: opened once, reopened with growing pauses, its frames given to [`Live`].

use super::{Link, Live};
use leptos::{prelude::*, task::spawn_local};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use types::{Position, ServerFrame, Timestamp};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{CloseEvent, MessageEvent, WebSocket};

/// Pauses before the next try, in milliseconds; the last one repeats.
const PAUSES: [u32; 6] = [250, 500, 1000, 2000, 4000, 8000];

/// The server closes with this code once the visitor's session has ended.
const SESSION_ENDED: u16 = 4401;
/// After so many tries in vain it is asked whether the session still holds.
const DOUBT: usize = 2;

/// What outlives one connection.
#[derive(Default)]
struct State {
    tries: Cell<usize>,
    /// How far the page has come; the next connection goes on from there.
    place: RefCell<Option<Position>>,
}

/// Opens the socket and keeps the page's clock.
pub fn open(live: Live) {
    // The visitor's clock may be wrong: only its steps are used, from the server's moment on.
    let began = js_sys::Date::now();
    let at_start = live.now.get_untracked();
    set_interval(
        move || {
            let passed = ((js_sys::Date::now() - began) * 1000.0) as i64;
            live.now.set(Timestamp(at_start.0 + passed));
        },
        Duration::from_secs(1),
    );
    connect(live, Rc::default());
}

fn address(place: Option<&Position>) -> Option<String> {
    let location = window().location();
    let scheme = if location.protocol().ok()? == "https:" {
        "wss"
    } else {
        "ws"
    };
    let since = place.map(|p| format!("?since={p}")).unwrap_or_default();
    let host = location.host().ok()?;
    Some(format!("{scheme}://{host}/api/v1/ws{since}"))
}

fn connect(live: Live, state: Rc<State>) {
    let address = address(state.place.borrow().as_ref());
    let Some(socket) = address.and_then(|a| WebSocket::new(&a).ok()) else {
        return again(live, state);
    };
    let on_message = {
        let (state, socket) = (state.clone(), socket.clone());
        Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let Some(text) = event.data().as_string() else {
                return;
            };
            match serde_json::from_str::<ServerFrame>(&text) {
                Ok(frame) => {
                    state.tries.set(0);
                    let before = state.place.take();
                    state.place.replace(Position::after(before, &frame));
                    live.take(frame);
                    if live.link.get_untracked() != Link::Live {
                        live.link.set(Link::Live);
                    }
                }
                Err(e) => {
                    leptos::logging::error!("frame not understood: {e}");
                    // Connecting once more would end here, too.
                    socket.set_onclose(None);
                    let _ = socket.close();
                    live.link.set(Link::Lost(live.now.get_untracked()));
                    load_anew(live);
                }
            }
        })
    };
    let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
        if !matches!(live.link.get_untracked(), Link::Lost(_)) {
            live.link.set(Link::Lost(live.now.get_untracked()));
        }
        if event.code() == SESSION_ENDED {
            state.tries.set(DOUBT);
        }
        again(live, state.clone());
    });
    socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    // The socket outlives this function; the browser drops both when it is closed.
    on_message.forget();
    on_close.forget();
}

/// A page older than the server needs the server's page. Once for each build that this tab shows:
/// when the same one comes again, loading does not help.
pub fn load_anew(live: Live) {
    const KEY: &str = "nsboot-loaded-anew";
    let build = live.build.get_value().unwrap_or_default();
    let Ok(Some(kept)) = window().session_storage() else {
        return;
    };
    let tried = kept.get_item(KEY).ok().flatten();
    if tried.as_ref() != Some(&build) && kept.set_item(KEY, &build).is_ok() {
        let _ = window().location().reload();
    }
}

fn again(live: Live, state: Rc<State>) {
    let n = state.tries.get();
    state.tries.set(n + 1);
    // A refused and a lost connection look the same to a page: ask whether the session still holds.
    if n >= DOUBT {
        spawn_local(async {
            if let Ok(false) = crate::api::session_alive().await {
                let _ = window().location().set_href("/login");
            }
        });
    }
    let pause = PAUSES[n.min(PAUSES.len() - 1)];
    // So that all open pages do not come back in the same moment.
    let jitter = (js_sys::Math::random() * f64::from(pause) * 0.3) as u64;
    set_timeout(
        move || connect(live, state),
        Duration::from_millis(u64::from(pause) + jitter),
    );
}
