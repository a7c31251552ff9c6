//! What to try next when firmware did not come through: one step down a ladder for each way to fail.
//! Pure.

use crate::boot::{Firmware, choices};
use types::{LoaderKind, OfferForm, Quirks};

/// How long an OFFER is held back where nothing else helped: a few ROMs miss one that comes at once.
const DELAY_MS: u16 = 1000;
/// Blocks of TFTP that pass where full ones of 1468 bytes don't: old tunnels and VLANs, then RFC 1350's.
const BLOCKS: [u16; 2] = [1024, 512];
/// Paces for cards that hang when a fast server fills their buffers, KiB/s.
const PACES: [u32; 2] = [8192, 1024];

/// How a boot stopped before its script, as far as the firmware may be to blame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Our answer, or what it said to load, was not followed up.
    NotHeeded,
    /// The loader was asked for, and did not arrive whole.
    BrokeOff,
    /// What the script told it to load over HTTP did not arrive whole.
    FetchBrokeOff,
    /// The loader arrived whole, and did not ask for its script.
    NotStarted,
}

/// What can be chosen from for a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Means {
    pub firmware: Firmware,
    /// Another server hands out the addresses.
    pub is_proxy: bool,
    /// The loader that an administrator chose: no other is tried.
    pub chosen_loader: Option<LoaderKind>,
}

/// The way after `tried`, which failed so. After the last one it is the usual way again, as far as that
/// failure goes: what helped against another stays.
pub fn next(tried: Quirks, failure: Failure, means: Means) -> Quirks {
    match failure {
        Failure::NotHeeded => other_answer(tried, means).unwrap_or(Quirks {
            form: None,
            delay_ms: None,
            // Through our loader it went for the same reason.
            loader: tried.loader.filter(|_| means.firmware != Firmware::Ipxe),
            ..tried
        }),
        Failure::BrokeOff => gentler(tried, means).unwrap_or(Quirks {
            block_size: None,
            pace: None,
            ..tried
        }),
        Failure::FetchBrokeOff => Quirks {
            pace: slower(tried, &PACES),
            ..tried
        },
        Failure::NotStarted => Quirks {
            loader: other_loader(tried, means),
            ..tried
        },
    }
}

/// The forms that a machine can be answered in, the usual one first.
fn forms(means: Means) -> Vec<OfferForm> {
    let all = choices(means.firmware, means.is_proxy);
    all.iter().filter_map(|form| form.choosable()).collect()
}

/// Forms in their order, then a late OFFER in the usual one. iPXE knows one form only: it is led through
/// our own loader.
fn other_answer(tried: Quirks, means: Means) -> Option<Quirks> {
    if tried.delay_ms.is_some() {
        return None;
    }
    if means.firmware == Firmware::Ipxe && tried.loader.is_none() && means.chosen_loader.is_none() {
        return Some(Quirks {
            loader: other_loader(tried, means),
            ..tried
        });
    }
    let forms = forms(means);
    let at = forms.iter().position(|f| Some(*f) == tried.form);
    Some(match forms.get(at.unwrap_or(0) + 1) {
        Some(form) => Quirks {
            form: Some(*form),
            ..tried
        },
        None => Quirks {
            form: None,
            delay_ms: Some(DELAY_MS),
            ..tried
        },
    })
}

/// Smaller blocks, then a slower pace with them. What comes over HTTP has no blocks, and only UEFI asks
/// for several blocks at a time, which a pace ends.
fn gentler(tried: Quirks, means: Means) -> Option<Quirks> {
    let by_tftp = means.firmware != Firmware::UefiHttp;
    let smaller = BLOCKS
        .into_iter()
        .find(|b| tried.block_size.is_none_or(|t| *b < t));
    if let Some(block) = smaller.filter(|_| by_tftp) {
        return Some(Quirks {
            block_size: Some(block),
            ..tried
        });
    }
    let paces: &[u32] = match means.firmware {
        Firmware::UefiHttp => &PACES,
        Firmware::UefiPxe => &PACES[..1],
        _ => &[],
    };
    let pace = Some(slower(tried, paces)?);
    Some(Quirks { pace, ..tried })
}

/// The next of these paces; None after the last one.
fn slower(tried: Quirks, paces: &[u32]) -> Option<u32> {
    let is_slower = |pace: &u32| tried.pace.is_none_or(|now| *pace < now);
    paces.iter().copied().find(is_slower)
}

/// The other build: that with the firmware's network driver and that with iPXE's own fail on different
/// hardware. None after the last one, and where an administrator chose.
fn other_loader(tried: Quirks, means: Means) -> Option<LoaderKind> {
    if means.chosen_loader.is_some() {
        return None;
    }
    match (means.firmware, tried.loader) {
        (Firmware::Ipxe, None) => Some(LoaderKind::Snponly),
        (Firmware::Ipxe, Some(LoaderKind::Snponly)) => Some(LoaderKind::Ipxe),
        (Firmware::BiosPxe | Firmware::UefiPxe | Firmware::UefiHttp, None) => {
            Some(LoaderKind::Ipxe)
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
