//! What a machine is to load next: a loader that suits its firmware, or, once iPXE runs, its script.

use super::{
    Advice, BootFile, Boots, Firmware, Form, Machine, Signal, Who, causes, form, script::Plane,
};
use crate::{
    firmware::{Means, Way},
    now,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use types::{LoaderKind, MacAddr, Timestamp};

/// After our loader arrived, an iPXE that lacks features is not sent for it again for so long: it
/// may be ours that lacks them, and a script that fails says more than a circle.
const ONCE_SECONDS: f64 = 180.0;
/// Machines that are remembered to have had our loader.
const MAX_CHAINED: usize = 4096;

/// Who goes through our loader though its ROM is iPXE.
#[derive(Default)]
pub(super) struct Chain {
    /// To go through it at the next boot, by the admin's wish.
    wanted: Mutex<HashSet<MacAddr>>,
    /// When our loader last arrived whole.
    done: Mutex<HashMap<MacAddr, Timestamp>>,
}

impl Chain {
    pub fn want(&self, mac: MacAddr) {
        lock(&self.wanted).insert(mac);
    }

    /// Our loader arrived whole at that machine.
    pub fn arrived(&self, mac: MacAddr, at: Timestamp) {
        lock(&self.wanted).remove(&mac);
        let mut done = lock(&self.done);
        if done.len() >= MAX_CHAINED {
            done.retain(|_, then| then.seconds_to(at) <= ONCE_SECONDS);
        }
        if done.len() < MAX_CHAINED {
            done.insert(mac, at);
        }
    }

    /// That loader got its script: the next one that lacks features is of another boot.
    pub fn passed(&self, mac: MacAddr) {
        lock(&self.done).remove(&mac);
    }

    /// Whether an iPXE that asks now is to load ours first; `led`: its kind boots better so.
    fn first_ours(&self, machine: &Machine, led: bool, at: Timestamp) -> bool {
        if lock(&self.wanted).contains(&machine.mac) {
            return true;
        }
        let had_it = lock(&self.done)
            .get(&machine.mac)
            .is_some_and(|then| then.seconds_to(at) <= ONCE_SECONDS);
        (led || !machine.ipxe.suffice()) && !had_it
    }
}

impl Boots {
    /// What this machine is to load next, and how it is told; `plane` is where it asks.
    pub fn decide(&self, machine: &Machine, plane: &Plane) -> Advice {
        if machine.firmware == Firmware::Other {
            return Advice {
                file: BootFile::None,
                form: Form::None,
                delay: Duration::ZERO,
            };
        }
        let at = now();
        let is_proxy = !plane.assigns_addresses;
        let Way { quirks, failed, .. } = self.way(machine, is_proxy, at);
        if let Some(failed) = failed {
            self.signal(Who::Mac(machine.mac), at, Signal::WayFailed { failed });
        }
        let form = form(machine.firmware, is_proxy, quirks.form);
        let delay = Duration::from_millis(quirks.delay_ms.unwrap_or(0).into());
        let loader = self.loader(machine);
        let is_led = quirks.loader.is_some();
        let is_script = machine.firmware == Firmware::Ipxe
            && !(self.chain().first_ours(machine, is_led, at) && loader.is_some());
        if is_script {
            return Advice {
                file: BootFile::Url(plane.script_url(machine.mac)),
                form,
                delay,
            };
        }
        let file = match (machine.firmware, loader) {
            // It names the files itself; the TFTP root is all it wants to know.
            (Firmware::RaspberryPi, _) => BootFile::Loader(String::new()),
            (Firmware::Other, _) | (_, None) => BootFile::None,
            (Firmware::UefiHttp, Some(name)) => BootFile::Url(plane.file_url(&name)),
            (_, Some(name)) => BootFile::Loader(name),
        };
        let form = match file {
            BootFile::None => Form::None,
            _ => form,
        };
        if file == BootFile::None {
            let cause = causes::no_loader(machine.arch);
            self.signal(Who::Mac(machine.mac), at, Signal::NoLoader { cause });
        }
        Advice { file, form, delay }
    }

    /// How its firmware wants to be booted, as far as that is known.
    fn way(&self, machine: &Machine, is_proxy: bool, at: Timestamp) -> Way {
        let means = Means {
            firmware: machine.firmware,
            is_proxy,
            chosen_loader: self.chosen_loader(machine.mac),
        };
        let firmware = &self.needs().firmware;
        let class = &machine.vendor_class;
        firmware.way(machine.mac, class, means, machine.is_discover, at)
    }

    /// The loader of a machine: of the set and kind that its client, group or all are to have.
    fn loader(&self, machine: &Machine) -> Option<String> {
        let needs = self.needs();
        let client = needs.clients.find_mac(machine.mac);
        let chosen = client.and_then(|client| self.choice(&client).ok());
        let (set, kind) = chosen.map_or((None, None), |c| (c.loader_set, c.loader));
        let learned = || needs.firmware.loader(machine.mac).map(|(kind, _)| kind);
        let kind = kind.or_else(learned).unwrap_or(LoaderKind::Snponly);
        let arch = machine.arch.unwrap_or(0);
        needs.loaders.loader(set.as_deref(), kind, arch)
    }

    /// Sends a machine whose ROM is iPXE through the loader at its next boot, once.
    pub fn force_loader_once(&self, mac: MacAddr) {
        self.chain().want(mac);
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::Features;

    const AT: Timestamp = Timestamp(1_800_000_000_000_000);

    fn rom(http: bool, iscsi: bool) -> Machine {
        Machine {
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            firmware: Firmware::Ipxe,
            arch: Some(0),
            uuid: None,
            ipxe: Features { http, iscsi },
            vendor_class: "PXEClient:Arch:00000:UNDI:002001".into(),
            is_discover: true,
        }
    }

    #[test]
    fn an_old_ipxe_loads_ours_once_and_not_in_a_circle() {
        let chain = Chain::default();
        assert!(!chain.first_ours(&rom(true, true), false, AT));
        for lacking in [rom(false, true), rom(true, false), rom(false, false)] {
            assert!(chain.first_ours(&lacking, false, AT), "{lacking:?}");
        }
        chain.arrived(rom(false, false).mac, AT);
        // What we sent lacks it, too: its script will say so.
        assert!(!chain.first_ours(&rom(false, false), false, AT.plus_seconds(20)));
        // The next boot of its ROM.
        assert!(chain.first_ours(&rom(false, false), false, AT.plus_seconds(600)));
    }

    #[test]
    fn an_ipxe_that_boots_better_through_ours_is_led_there_once() {
        let chain = Chain::default();
        let able = rom(true, true);
        assert!(chain.first_ours(&able, true, AT));
        chain.arrived(able.mac, AT);
        assert!(!chain.first_ours(&able, true, AT.plus_seconds(20)));
        assert!(chain.first_ours(&able, true, AT.plus_seconds(600)));
    }

    #[test]
    fn a_wish_holds_until_the_loader_arrived() {
        let chain = Chain::default();
        let able = rom(true, true);
        chain.want(able.mac);
        assert!(chain.first_ours(&able, false, AT));
        assert!(chain.first_ours(&able, false, AT), "it asks again");
        chain.arrived(able.mac, AT);
        assert!(!chain.first_ours(&able, false, AT));
    }
}
