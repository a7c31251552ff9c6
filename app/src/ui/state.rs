//! A computer's state in one shape and one word.

use super::{Shape, StateShape};
use crate::i18n::*;
use leptos::prelude::*;
use types::{BootState, ClientState, ClientView, Hop};

/// What the floor says about a computer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Seen, not adopted.
    Discovered,
    /// Never booted, or the last boot was cut short by another.
    Idle,
    /// It was ready; since then its disk is not in use any more.
    Off,
    /// On its way, at this hop.
    Booting(Hop),
    Ready,
    /// The last boot stopped at this hop.
    Stopped(Hop),
}

impl Status {
    /// Its shape.
    pub fn shape(self) -> Shape {
        match self {
            Status::Discovered | Status::Idle | Status::Off => Shape::Idle,
            Status::Booting(_) => Shape::Busy,
            Status::Ready => Shape::Ok,
            Status::Stopped(_) => Shape::Fail,
        }
    }
}

/// The state of a computer by its last boot.
pub fn status(client: &ClientView) -> Status {
    let Some(boot) = &client.last_boot else {
        return match client.state {
            ClientState::Discovered => Status::Discovered,
            ClientState::Adopted => Status::Idle,
        };
    };
    let hop = boot.current().map_or(Hop::Link, |h| h.hop);
    match (client.state, boot.state) {
        (ClientState::Discovered, _) => Status::Discovered,
        (_, BootState::Booting) => Status::Booting(hop),
        (_, BootState::Ready) if client.disk_in_use => Status::Ready,
        (_, BootState::Ready) => Status::Off,
        (_, BootState::Stopped) => Status::Stopped(hop),
        (_, BootState::Superseded) => Status::Idle,
    }
}

/// The hop's name on the page.
pub fn hop_name(i18n: I18n, hop: Hop) -> &'static str {
    match hop {
        Hop::Link => tu_string!(i18n, hop.link),
        Hop::Dhcp => tu_string!(i18n, hop.dhcp),
        Hop::Loader => tu_string!(i18n, hop.loader),
        Hop::Ipxe => tu_string!(i18n, hop.ipxe),
        Hop::Disk => tu_string!(i18n, hop.disk),
        Hop::Kernel => tu_string!(i18n, hop.kernel),
        Hop::Login => tu_string!(i18n, hop.login),
    }
}

/// The word for a status.
fn word(i18n: I18n, status: Status) -> String {
    match status {
        Status::Discovered => tu_string!(i18n, state.discovered).to_string(),
        Status::Idle => tu_string!(i18n, state.idle).to_string(),
        Status::Booting(hop) => hop_name(i18n, hop).to_string(),
        Status::Off => tu_string!(i18n, state.off).to_string(),
        Status::Ready => tu_string!(i18n, state.ready).to_string(),
        Status::Stopped(hop) => {
            tu_string!(i18n, state.stopped, hop = hop_name(i18n, hop)).to_string()
        }
    }
}

/// Shape, word and colour of a computer's state.
#[component]
pub fn StateBadge(#[prop(into)] status: Signal<Status>) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <span class="st" data-s=move || status.get().shape().key()>
            <StateShape shape=Signal::derive(move || status.get().shape())/>
            {move || word(i18n, status.get())}
        </span>
    }
    .into_any()
}
