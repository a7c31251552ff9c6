//! What a machine is to load next: a loader that suits its firmware, or, once iPXE runs, its script.

use super::{
    Advice, BootFile, Boots, Firmware, Form, Machine, Signal, Who, causes, choices, script::Plane,
};
use crate::now;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use types::{MacAddr, Timestamp};

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

    /// Whether an iPXE that asks now is to load ours first.
    fn first_ours(&self, machine: &Machine, at: Timestamp) -> bool {
        if lock(&self.wanted).contains(&machine.mac) {
            return true;
        }
        let had_it = lock(&self.done)
            .get(&machine.mac)
            .is_some_and(|then| then.seconds_to(at) <= ONCE_SECONDS);
        !machine.ipxe.suffice() && !had_it
    }
}

impl Boots {
    /// What this machine is to load next, and how it is told; `plane` is where it asks.
    pub fn decide(&self, machine: &Machine, plane: &Plane) -> Advice {
        let usual = |firmware| choices(firmware, !plane.assigns_addresses)[0];
        let is_script = machine.firmware == Firmware::Ipxe
            && !(self.chain().first_ours(machine, now()) && loader(machine.arch).is_some());
        if is_script {
            return Advice {
                file: BootFile::Url(plane.script_url(machine.mac)),
                form: usual(Firmware::Ipxe),
            };
        }
        let file = match (machine.firmware, loader(machine.arch)) {
            (Firmware::Other, _) | (_, None) => BootFile::None,
            // It names the files itself; the TFTP root is all it wants to know.
            (Firmware::RaspberryPi, _) => BootFile::Loader(String::new()),
            (Firmware::UefiHttp, Some(name)) => BootFile::Url(plane.file_url(name)),
            (_, Some(name)) => BootFile::Loader(name.into()),
        };
        let form = match file {
            BootFile::None => Form::None,
            _ => usual(machine.firmware),
        };
        if file == BootFile::None && machine.firmware != Firmware::Other {
            let cause = causes::no_loader(machine.arch);
            self.signal(Who::Mac(machine.mac), now(), Signal::NoLoader { cause });
        }
        Advice { file, form }
    }

    /// Sends a machine whose ROM is iPXE through the loader at its next boot, once.
    pub fn force_loader_once(&self, mac: MacAddr) {
        self.chain().want(mac);
    }
}

/// The distribution's loader for an architecture of IANA's list *Processor Architecture Types*. RFC
/// 4578 says 9 for x64 and its errata, like the field, 7; both are met, and 8 as well.
fn loader(arch: Option<u16>) -> Option<&'static str> {
    match arch.unwrap_or(0) {
        0 => Some("undionly.kpxe"),
        // 16: x64 by HTTP.
        7..=9 | 16 => Some("snponly.efi"),
        _ => None,
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
        }
    }

    #[test]
    fn an_old_ipxe_loads_ours_once_and_not_in_a_circle() {
        let chain = Chain::default();
        assert!(!chain.first_ours(&rom(true, true), AT));
        for lacking in [rom(false, true), rom(true, false), rom(false, false)] {
            assert!(chain.first_ours(&lacking, AT), "{lacking:?}");
        }
        chain.arrived(rom(false, false).mac, AT);
        // What we sent lacks it, too: its script will say so.
        assert!(!chain.first_ours(&rom(false, false), AT.plus_seconds(20)));
        // The next boot of its ROM.
        assert!(chain.first_ours(&rom(false, false), AT.plus_seconds(600)));
    }

    #[test]
    fn a_wish_holds_until_the_loader_arrived() {
        let chain = Chain::default();
        let able = rom(true, true);
        chain.want(able.mac);
        assert!(chain.first_ours(&able, AT));
        assert!(chain.first_ours(&able, AT), "it asks again");
        chain.arrived(able.mac, AT);
        assert!(!chain.first_ours(&able, AT));
    }

    #[test]
    fn each_architecture_has_the_loader_that_runs_on_it() {
        for (arch, want) in [
            (None, Some("undionly.kpxe")),
            (Some(0), Some("undionly.kpxe")),
            (Some(7), Some("snponly.efi")),
            (Some(8), Some("snponly.efi")),
            (Some(9), Some("snponly.efi")),
            (Some(16), Some("snponly.efi")),
            (Some(6), None),
            (Some(11), None),
            (Some(19), None),
            (Some(27), None),
        ] {
            assert_eq!(loader(arch), want, "{arch:?}");
        }
    }
}
