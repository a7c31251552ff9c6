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
    /// Kept for its history.
    Retired,
    /// It went on to something that is not ours, such as its local disk.
    HandedOver,
    /// Never booted.
    Idle,
    /// It has booted before, and nothing runs from its disk now.
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
            Status::Discovered
            | Status::Retired
            | Status::HandedOver
            | Status::Idle
            | Status::Off => Shape::Idle,
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
            ClientState::Retired => Status::Retired,
        };
    };
    let hop = boot.current().map_or(Hop::Link, |h| h.hop);
    match (client.state, boot.state) {
        (ClientState::Discovered, _) => Status::Discovered,
        (ClientState::Retired, _) => Status::Retired,
        (_, BootState::HandedOver) => Status::HandedOver,
        (_, BootState::Booting) => Status::Booting(hop),
        (_, BootState::Ready) if client.disk_in_use => Status::Ready,
        (_, BootState::Ready | BootState::Superseded) => Status::Off,
        (_, BootState::Stopped) => Status::Stopped(hop),
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
        Status::Retired => tu_string!(i18n, state.retired).to_string(),
        Status::HandedOver => tu_string!(i18n, state.handed_over).to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use types::{BootView, HopState, HopView, OverlayMode, Timestamp};

    const ID: &str = "00000000-0000-0000-0000-000000000001";

    fn boot(state: BootState) -> BootView {
        let hop = |hop| HopView {
            hop,
            state: HopState::Done,
            started_at: None,
            finished_at: None,
        };
        BootView {
            id: ID.parse().expect("id"),
            client_id: None,
            mac: "52:54:00:00:00:01".parse().expect("MAC"),
            address: None,
            state,
            started_at: Timestamp(0),
            ended_at: None,
            hops: Hop::ALL.map(hop).into(),
            cause: None,
            facts: None,
            notes: Vec::new(),
        }
    }

    fn shown(last: Option<BootState>, disk_in_use: bool) -> Status {
        status(&ClientView {
            id: ID.parse().expect("id"),
            name: "bench-1".into(),
            mac: "52:54:00:00:00:01".parse().expect("MAC"),
            state: ClientState::Adopted,
            image_id: None,
            image_name: None,
            mode: OverlayMode::Reset,
            group_id: None,
            group_name: None,
            boot_entry_id: None,
            boot_entry_name: None,
            one_shot_id: None,
            one_shot_name: None,
            loader_set: None,
            loader: None,
            is_virtual: false,
            address: None,
            overlay_bytes: 0,
            quota_bytes: None,
            data_disks: Vec::new(),
            overlay_limit_bytes: None,
            disk_in_use,
            next_snapshot: None,
            created_at: Timestamp(0),
            revision: 1,
            last_boot: last.map(boot),
        })
    }

    #[test]
    fn ready_is_who_runs_from_its_disk_and_not_booted_who_never_did() {
        assert_eq!(shown(None, false), Status::Idle);
        assert_eq!(shown(Some(BootState::Ready), true), Status::Ready);
        assert_eq!(shown(Some(BootState::Ready), false), Status::Off);
        assert_eq!(shown(Some(BootState::Superseded), false), Status::Off);
    }

    #[test]
    fn a_boot_between_two_disk_sessions_is_still_on_its_way() {
        // The firmware's session may end before the kernel's own begins.
        assert_eq!(
            shown(Some(BootState::Booting), false),
            Status::Booting(Hop::Login)
        );
    }
}
