//! Folds what daemons saw into one boot. Pure: a boot, a moment and a signal in, the boot changed.

use super::{Firmware, Signal, causes};
use crate::{export::Via, firmware::Failure};
use std::net::Ipv4Addr;
use types::{
    BootId, BootNote, BootState, BootView, Cause, ClientId, Hop, HopState, HopView, MacAddr,
    Quirks, Timestamp,
};
use uuid::Uuid;

/// A hung-up computer can make a boot long; what is noted of it stays bounded.
const MAX_NOTES: usize = 200;
/// Firmware asks again for about a minute; a DISCOVER after a longer silence is a new try.
const SAME_TRY_SECONDS: f64 = 90.0;

/// A boot under way, with what is needed to go on but not worth keeping.
#[derive(Clone, Debug)]
pub struct Timeline {
    pub view: BootView,
    /// The session of the firmware; any other is the operating system's.
    firmware: Option<Via>,
    /// We answered beside another server.
    is_proxy: bool,
    /// The other server that it took its address from.
    other_server: Option<Ipv4Addr>,
    /// Why there is nothing for it to load.
    no_loader: Option<Cause>,
    /// What its loader or script is fetching.
    fetching: Option<String>,
    /// It was told that its firmware came through.
    is_proved: bool,
}

impl From<BootView> for Timeline {
    fn from(view: BootView) -> Self {
        Timeline {
            view,
            firmware: None,
            is_proxy: false,
            other_server: None,
            no_loader: None,
            fetching: None,
            is_proved: false,
        }
    }
}

impl Timeline {
    /// A boot that begins now.
    pub fn begin(mac: MacAddr, client_id: Option<ClientId>, at: Timestamp) -> Self {
        let pending = |hop| HopView {
            hop,
            state: HopState::Pending,
            started_at: None,
            finished_at: None,
        };
        BootView {
            id: BootId(Uuid::now_v7()),
            client_id,
            mac,
            address: None,
            state: BootState::Booting,
            started_at: at,
            ended_at: None,
            hops: Hop::ALL.map(pending).to_vec(),
            cause: None,
            facts: None,
            notes: Vec::new(),
        }
        .into()
    }

    /// Whether this signal belongs to a boot after this one.
    pub fn is_over_for(&self, at: Timestamp, signal: &Signal) -> bool {
        let Signal::Discover { firmware } = signal else {
            return false;
        };
        if *firmware == Firmware::Other {
            return false; // an operating system renews its address
        }
        if self.view.state != BootState::Booting {
            return true;
        }
        match firmware {
            // iPXE that our loader brought asks again from the start; that is still this boot.
            Firmware::Ipxe if !self.reached(Hop::Ipxe) => self.silence(at) > SAME_TRY_SECONDS,
            Firmware::Ipxe => true,
            _ => self.reached(Hop::Loader) || self.silence(at) > SAME_TRY_SECONDS,
        }
    }

    /// Whether a signal without a boot before it begins one: what only a booting machine does.
    pub fn begins_with(signal: &Signal) -> bool {
        match signal {
            Signal::Discover { firmware } | Signal::Ack { firmware, .. } => {
                *firmware != Firmware::Other
            }
            Signal::LoaderAsked { .. }
            | Signal::Script
            | Signal::HandedOver { .. }
            | Signal::Refused { .. } => true,
            _ => false,
        }
    }

    /// Ends it because a newer boot of the same computer began.
    pub fn supersede(&mut self, at: Timestamp) {
        if self.view.state == BootState::Booting {
            self.view.state = BootState::Superseded;
            self.view.ended_at = Some(at);
        }
    }

    /// Takes in one signal; false when it says nothing about this boot.
    pub fn apply(&mut self, at: Timestamp, signal: Signal) -> bool {
        if self.view.state == BootState::Superseded {
            return false;
        }
        match signal {
            Signal::Discover {
                firmware: Firmware::Other,
            } => return false,
            Signal::Discover { firmware } => self.discover(at, firmware),
            Signal::Offer { address } => self.note(at, Hop::Dhcp, format!("OFFER {address}")),
            Signal::Ack { address, firmware } => return self.ack(at, address, firmware),
            Signal::ProxyOffer => {
                self.is_proxy = true;
                self.note(at, Hop::Dhcp, "Boot information offered".into());
            }
            Signal::TookOther {
                server,
                address,
                firmware,
            } => return self.took_other(at, server, address, firmware),
            Signal::BootServer { file } => {
                if !self.reached(Hop::Loader) {
                    self.complete(at, Hop::Dhcp);
                }
                self.note(at, Hop::Dhcp, format!("Told to load {file} on port 4011"));
            }
            Signal::NoAddress { cause } => self.fail(at, Hop::Dhcp, cause),
            // Told once it has its address, which it gets all the same.
            Signal::NoLoader { cause } => {
                self.no_loader = Some(cause);
                return false;
            }
            // What a loader or a script goes on to fetch.
            Signal::LoaderAsked { file } if self.reached(Hop::Ipxe) => {
                self.fetching = Some(file);
                return false;
            }
            Signal::LoaderDone { file, bytes } if self.reached(Hop::Ipxe) => {
                self.fetching.take_if(|f| *f == file);
                let hop = self.waiting_at();
                self.note(at, hop, format!("{file} fetched, {bytes} bytes"));
            }
            Signal::LoaderAsked { file } => {
                self.advance(at, Hop::Loader);
                self.note(at, Hop::Loader, format!("Loader {file} asked for"));
            }
            Signal::LoaderDone { file, bytes } => {
                self.complete(at, Hop::Loader);
                self.note(
                    at,
                    Hop::Loader,
                    format!("Loader {file} fetched, {bytes} bytes"),
                );
            }
            Signal::Way { quirks, pinned } => return self.note_way(at, quirks, pinned),
            Signal::WayFailed { failed } => {
                let Some(next) = failed.next else {
                    return false;
                };
                let hop = self.waiting_at();
                self.note(at, hop, format!("Next it is tried with: {next}"));
            }
            Signal::LoaderFailed { file, reason, .. } => self.note(
                at,
                Hop::Loader,
                format!("Loader {file} broke off: {reason}"),
            ),
            Signal::Script => {
                self.complete(at, Hop::Ipxe);
                self.note(at, Hop::Ipxe, "Boot script served".into());
                self.advance(at, Hop::Disk);
            }
            Signal::HandedOver { to } => self.hand_over(at, &to),
            Signal::Refused { hop, cause } => self.refuse(at, hop, cause),
            Signal::DiskLogin { via } => return self.disk_login(at, via),
            Signal::DiskRead { via } => return self.disk_read(at, via),
            Signal::DiskRefused { cause } => self.fail(at, Hop::Disk, cause),
            // A report again, perhaps hours later: the boot was over with the first one.
            Signal::Ready { facts } if self.view.state == BootState::Ready => {
                self.view.facts = Some(*facts);
            }
            Signal::Ready { facts } => {
                self.complete(at, Hop::Login);
                self.view.facts = Some(*facts);
                self.view.state = BootState::Ready;
                self.view.ended_at = Some(at);
                self.note(at, Hop::Login, "Userland reported ready".into());
            }
        }
        true
    }

    /// Stops a boot of which nothing was seen for too long; whether it did.
    pub fn check_stalled(&mut self, at: Timestamp) -> bool {
        if self.view.state != BootState::Booting {
            return false;
        }
        let hop = self.waiting_at();
        if self.silence(at) <= causes::patience_seconds(hop) as f64 {
            return false;
        }
        self.fail(at, hop, self.why_silent(hop));
        true
    }

    /// Whether this signal is the first of this boot that proves that the firmware came through.
    pub fn first_proof(&mut self, signal: &Signal) -> bool {
        let is_proof = matches!(
            signal,
            Signal::Script | Signal::HandedOver { .. } | Signal::Refused { .. }
        );
        is_proof && !std::mem::replace(&mut self.is_proved, true)
    }

    /// Whether its firmware may still be to blame for what goes wrong.
    pub fn is_firmwares(&self) -> bool {
        self.view.state == BootState::Booting && !self.is_proved
    }

    /// Whether the loader arrived whole.
    fn has_loader(&self) -> bool {
        self.view.hops[Self::index(Hop::Loader)].state == HopState::Done
    }

    /// How its firmware may be to blame that it begins anew before it stopped: a loader that gave up.
    pub fn blame_for_restart(&self) -> Option<Failure> {
        let gave_up = self.is_firmwares() && self.has_loader();
        gave_up.then_some(Failure::NotStarted)
    }

    /// How its firmware may be to blame for where this boot stopped.
    pub fn blame(&self) -> Option<Failure> {
        let arrived = self.has_loader();
        match self.view.cause.as_ref()?.code.as_str() {
            "no_request" | "proxy_ignored" => Some(Failure::NotHeeded),
            "loader_stalled" => Some(Failure::BrokeOff),
            "fetch_stalled" => Some(Failure::FetchBrokeOff),
            "no_script" if arrived => Some(Failure::NotStarted),
            "no_script" => Some(Failure::NotHeeded),
            _ => None,
        }
    }

    /// It is answered otherwise than usual: said once a boot, as long as it is the same.
    fn note_way(&mut self, at: Timestamp, quirks: Quirks, pinned: bool) -> bool {
        let why = if pinned { "pinned" } else { "tried or learned" };
        let text = format!("Answered as its firmware wants it ({why}): {quirks}");
        let is_told = self.view.notes.iter().rev().any(|n| n.text == text);
        if is_told || self.view.state != BootState::Booting {
            return false;
        }
        let hop = self.waiting_at();
        self.note(at, hop, text);
        true
    }

    /// The cause of a silence at this hop.
    fn why_silent(&self, hop: Hop) -> Cause {
        if let Some(file) = self.fetching.as_ref().filter(|_| hop == Hop::Disk) {
            return causes::fetch_stalled(file);
        }
        if hop > Hop::Ipxe || hop == Hop::Loader {
            return causes::stalled(hop);
        }
        match (&self.no_loader, self.other_server) {
            (Some(cause), _) => cause.clone(),
            (None, Some(server)) if self.is_proxy => causes::proxy_ignored(server),
            (None, Some(server)) => causes::other_server(server),
            (None, None) if self.is_proxy && hop != Hop::Ipxe => causes::no_dhcp_server(),
            (None, None) => causes::stalled(hop),
        }
    }

    fn discover(&mut self, at: Timestamp, firmware: Firmware) {
        if !self.reached(Hop::Dhcp) {
            self.complete(at, Hop::Link);
            self.advance(at, Hop::Dhcp);
        }
        let who = match firmware {
            Firmware::Ipxe => "iPXE",
            Firmware::BiosPxe => "a BIOS PXE ROM",
            Firmware::UefiPxe => "UEFI PXE",
            Firmware::UefiHttp => "UEFI HTTP boot",
            Firmware::RaspberryPi => "a Raspberry Pi",
            Firmware::Other => "an operating system",
        };
        let hop = self.waiting_at();
        self.note(at, hop, format!("DISCOVER from {who}"));
    }

    fn ack(&mut self, at: Timestamp, address: Ipv4Addr, firmware: Firmware) -> bool {
        if firmware == Firmware::Other && self.view.state != BootState::Booting {
            return false;
        }
        self.view.address = Some(address);
        if !self.reached(Hop::Loader) {
            self.complete(at, Hop::Dhcp);
        }
        let hop = if firmware == Firmware::Other {
            self.waiting_at()
        } else {
            Hop::Dhcp
        };
        self.note(at, hop, format!("ACK {address}"));
        if let Some(cause) = self.no_loader.take().filter(|_| !self.reached(Hop::Loader)) {
            self.fail(at, Hop::Loader, cause);
        }
        true
    }

    /// As [`Timeline::ack`], of an address that is not ours.
    fn took_other(
        &mut self,
        at: Timestamp,
        server: Ipv4Addr,
        address: Ipv4Addr,
        firmware: Firmware,
    ) -> bool {
        if firmware == Firmware::Other {
            return false; // an operating system, perhaps one that we did not boot
        }
        self.other_server = Some(server);
        self.view.address = Some(address);
        if self.is_proxy && !self.reached(Hop::Loader) {
            self.complete(at, Hop::Dhcp);
        }
        self.note(at, Hop::Dhcp, format!("It takes {address} of {server}"));
        true
    }

    /// Whether a session is the operating system's: by NBD each is, by iSCSI each but the first.
    fn is_systems(&self, via: Via) -> bool {
        via == Via::Nbd || self.firmware.is_some_and(|first| first != via)
    }

    /// By NBD a system may open several connections at once; the first one that comes that far tells.
    fn is_one_more(&self, via: Via, hop: Hop) -> bool {
        via == Via::Nbd && self.view.state == BootState::Booting && self.reached(hop)
    }

    fn disk_login(&mut self, at: Timestamp, via: Via) -> bool {
        if self.view.state == BootState::Ready {
            // After a restart of the server or a cut cable the guest comes back to its disk.
            self.note(at, Hop::Login, "Disk session recovered".into());
            return true;
        }
        if !self.is_systems(via) {
            self.firmware = Some(via);
            self.advance(at, Hop::Disk);
            self.note(at, Hop::Disk, "The firmware logged in to the disk".into());
            return true;
        }
        if self.is_one_more(via, Hop::Kernel) {
            return false;
        }
        self.complete(at, Hop::Disk);
        self.advance(at, Hop::Kernel);
        let how = match via {
            Via::Iscsi { .. } => "logged in to the disk",
            Via::Nbd => "opened its disk by NBD",
        };
        self.note(at, Hop::Kernel, format!("The operating system {how}"));
        true
    }

    fn disk_read(&mut self, at: Timestamp, via: Via) -> bool {
        if self.view.state == BootState::Ready {
            return false;
        }
        if self.is_systems(via) {
            if self.is_one_more(via, Hop::Login) {
                return false;
            }
            self.complete(at, Hop::Kernel);
            self.advance(at, Hop::Login);
            self.note(at, Hop::Kernel, "The operating system read its disk".into());
        } else {
            self.note(at, Hop::Disk, "First block read by the firmware".into());
        }
        true
    }

    /// A script was served after which the computer runs from something that is not ours.
    fn hand_over(&mut self, at: Timestamp, to: &str) {
        if self.view.state == BootState::Ready {
            return;
        }
        self.complete(at, Hop::Ipxe);
        for h in &mut self.view.hops {
            if h.state == HopState::Pending {
                h.state = HopState::Skipped;
            }
        }
        self.view.cause = None;
        self.view.state = BootState::HandedOver;
        self.view.ended_at = Some(at);
        self.note(at, Hop::Ipxe, format!("Goes on with {to}"));
    }

    /// A script was served that boots nothing. Its asking proves that iPXE runs.
    fn refuse(&mut self, at: Timestamp, hop: Hop, cause: Cause) {
        // It asks again every few seconds; the same answer is told once.
        let again =
            self.view.state == BootState::Stopped && self.view.cause.as_ref() == Some(&cause);
        if again {
            return;
        }
        if hop > Hop::Ipxe {
            self.complete(at, Hop::Ipxe);
        }
        self.fail(at, hop, cause);
    }

    fn index(hop: Hop) -> usize {
        hop as usize
    }

    /// Whether this hop or a later one has begun.
    fn reached(&self, hop: Hop) -> bool {
        self.view.hops[Self::index(hop)..]
            .iter()
            .any(|h| !matches!(h.state, HopState::Pending | HopState::Skipped))
    }

    /// The hop that the next sign is expected of.
    fn waiting_at(&self) -> Hop {
        if let Some(h) = self.view.hops.iter().find(|h| h.state == HopState::Now) {
            return h.hop;
        }
        // Between two hops: after the address comes the script, unless a loader was asked for.
        let last = self
            .view
            .hops
            .iter()
            .rposition(|h| h.state == HopState::Done)
            .unwrap_or(0);
        match Hop::ALL[last] {
            Hop::Dhcp | Hop::Loader => Hop::Ipxe,
            hop => hop,
        }
    }

    fn silence(&self, at: Timestamp) -> f64 {
        let last = self
            .view
            .notes
            .last()
            .map_or(self.view.started_at, |n| n.at);
        last.seconds_to(at)
    }

    /// This hop begins: those before it are over, or were not needed.
    fn advance(&mut self, at: Timestamp, hop: Hop) {
        let i = Self::index(hop);
        for h in &mut self.view.hops[..i] {
            match h.state {
                HopState::Pending => h.state = HopState::Skipped,
                HopState::Now | HopState::Failed => {
                    h.state = HopState::Done;
                    h.finished_at = Some(at);
                }
                HopState::Done | HopState::Skipped => {}
            }
        }
        // From the end of the hop before: what a machine does between two signs of life is on the
        // way to the second, and so the hops add up to the whole boot.
        let ends = self.view.hops[..i].iter().filter_map(|h| h.finished_at);
        let begun = ends.max().unwrap_or(at);
        let h = &mut self.view.hops[i];
        if !matches!(h.state, HopState::Now | HopState::Done) {
            h.state = HopState::Now;
            h.started_at.get_or_insert(begun);
            h.finished_at = None;
        }
        // What goes on after it counted as stopped was only slow.
        // So does what was handed over, once it uses a disk of ours all the same.
        let goes_on = match self.view.state {
            BootState::Stopped => true,
            BootState::HandedOver => hop >= Hop::Disk,
            _ => false,
        };
        if goes_on {
            self.view.state = BootState::Booting;
            self.view.ended_at = None;
            self.view.cause = None;
        }
    }

    fn complete(&mut self, at: Timestamp, hop: Hop) {
        self.advance(at, hop);
        let h = &mut self.view.hops[Self::index(hop)];
        if h.state == HopState::Now {
            h.state = HopState::Done;
            h.finished_at = Some(at);
        }
    }

    fn fail(&mut self, at: Timestamp, hop: Hop, cause: Cause) {
        if self.view.state == BootState::Ready {
            return;
        }
        self.advance(at, hop);
        let h = &mut self.view.hops[Self::index(hop)];
        h.state = HopState::Failed;
        h.finished_at = Some(at);
        self.view.state = BootState::Stopped;
        self.view.ended_at = Some(at);
        self.note(at, hop, cause.title.clone());
        self.view.cause = Some(cause);
    }

    fn note(&mut self, at: Timestamp, hop: Hop, text: String) {
        if self.view.notes.len() < MAX_NOTES {
            self.view.notes.push(BootNote { at, hop, text });
        }
    }
}
