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
    /// A file was asked for, and did not arrive whole.
    BrokeOff,
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

/// The way after `tried`, which failed so. After the last one it is the usual way again.
pub fn next(tried: Quirks, failure: Failure, means: Means) -> Quirks {
    let step = match failure {
        Failure::NotHeeded => other_answer(tried, means),
        Failure::BrokeOff => gentler(tried, means),
        Failure::NotStarted => other_loader(tried, means),
    };
    step.unwrap_or_default()
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
    if means.firmware == Firmware::Ipxe && tried.loader.is_none() {
        return other_loader(tried, means);
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
            loader: tried.loader.filter(|_| means.firmware != Firmware::Ipxe),
            delay_ms: Some(DELAY_MS),
            ..tried
        },
    })
}

/// Smaller blocks, then a slower pace with them. What comes over HTTP has no blocks.
fn gentler(tried: Quirks, means: Means) -> Option<Quirks> {
    let by_tftp = matches!(
        means.firmware,
        Firmware::BiosPxe | Firmware::UefiPxe | Firmware::RaspberryPi
    ) || tried.loader.is_some();
    let smaller = BLOCKS
        .into_iter()
        .find(|b| tried.block_size.is_none_or(|t| *b < t));
    if let Some(block) = smaller.filter(|_| by_tftp) {
        return Some(Quirks {
            block_size: Some(block),
            ..tried
        });
    }
    let slower = PACES
        .into_iter()
        .find(|p| tried.pace.is_none_or(|t| *p < t))?;
    Some(Quirks {
        pace: Some(slower),
        ..tried
    })
}

/// The other build: that with the firmware's network driver and that with iPXE's own fail on different
/// hardware.
fn other_loader(tried: Quirks, means: Means) -> Option<Quirks> {
    if means.chosen_loader.is_some() {
        return None;
    }
    let next = match (means.firmware, tried.loader) {
        (Firmware::Ipxe, None) => LoaderKind::Snponly,
        (Firmware::Ipxe, Some(LoaderKind::Snponly)) => LoaderKind::Ipxe,
        (Firmware::BiosPxe | Firmware::UefiPxe | Firmware::UefiHttp, None) => LoaderKind::Ipxe,
        _ => return None,
    };
    Some(Quirks {
        loader: Some(next),
        ..tried
    })
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
