//! REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS (SPC-4 sections 6.34 and 6.35).

use super::sense::Sense;
use crate::iscsi::bytes::{put16, put32};

/// A command that we know: opcode, service action if it has one, and which bits of its block we read.
struct Known {
    opcode: u8,
    service: Option<u16>,
    usage: &'static [u8],
}

const fn plain(opcode: u8, usage: &'static [u8]) -> Known {
    Known {
        opcode,
        service: None,
        usage,
    }
}

const fn action(opcode: u8, service: u16, usage: &'static [u8]) -> Known {
    Known {
        opcode,
        service: Some(service),
        usage,
    }
}

const F: u8 = 0xff;
const USE_10: &[u8] = &[0, 0x18, F, F, F, F, 0, F, F, 0x04];
const USE_12: &[u8] = &[0, 0x18, F, F, F, F, F, F, F, F, 0, 0x04];
const USE_16: &[u8] = &[0, 0x18, F, F, F, F, F, F, F, F, F, F, F, F, 0, 0x04];
const USE_6: &[u8] = &[0, 0x1f, F, F, F, 0x04];
const LIST_10: &[u8] = &[0, 0, 0, 0, 0, 0, 0, F, F, 0x04];
const NONE_6: &[u8] = &[0, 0, 0, 0, 0, 0x04];
const CHECK_10: &[u8] = &[0, 0x16, F, F, F, F, 0, F, F, 0x04];
const CHECK_12: &[u8] = &[0, 0x16, F, F, F, F, F, F, F, F, 0, 0x04];
const CHECK_16: &[u8] = &[0, 0x16, F, F, F, F, F, F, F, F, F, F, F, F, 0, 0x04];
const SERVICE_16: &[u8] = &[0, 0x1f, F, F, F, F, F, F, F, F, F, F, F, F, 0, 0x04];
const IN_10: &[u8] = &[0, 0x1f, 0, 0, 0, 0, 0, F, F, 0x04];
const OUT_10: &[u8] = &[0, 0x1f, F, 0, 0, F, F, F, F, 0x04];

const KNOWN: &[Known] = &[
    plain(0x00, NONE_6),
    plain(0x03, &[0, 0x01, 0, 0, F, 0x04]),
    plain(0x08, USE_6),
    plain(0x0a, USE_6),
    plain(0x12, &[0, 0x01, F, F, F, 0x04]),
    plain(0x15, &[0, 0x11, 0, 0, F, 0x04]),
    plain(0x16, NONE_6),
    plain(0x17, NONE_6),
    plain(0x1a, &[0, 0x08, F, F, F, 0x04]),
    plain(0x1b, &[0, 0x01, 0, 0x0f, 0xf7, 0x04]),
    plain(0x25, &[0, 0, F, F, F, F, 0, 0, 0x01, 0x04]),
    plain(0x28, USE_10),
    plain(0x2a, USE_10),
    plain(0x2e, CHECK_10),
    plain(0x2f, CHECK_10),
    plain(0x34, &[0, 0x02, F, F, F, F, 0, F, F, 0x04]),
    plain(0x35, &[0, 0x02, F, F, F, F, 0, F, F, 0x04]),
    plain(0x41, &[0, 0x08, F, F, F, F, 0, F, F, 0x04]),
    plain(0x42, LIST_10),
    plain(0x55, &[0, 0x11, 0, 0, 0, 0, 0, F, F, 0x04]),
    plain(0x56, LIST_10),
    plain(0x57, LIST_10),
    plain(0x5a, &[0, 0x18, F, F, 0, 0, 0, F, F, 0x04]),
    action(0x5e, 0, IN_10),
    action(0x5e, 1, IN_10),
    action(0x5e, 2, IN_10),
    action(0x5e, 3, IN_10),
    action(0x5f, 0, OUT_10),
    action(0x5f, 1, OUT_10),
    action(0x5f, 2, OUT_10),
    action(0x5f, 3, OUT_10),
    action(0x5f, 4, OUT_10),
    action(0x5f, 5, OUT_10),
    action(0x5f, 6, OUT_10),
    plain(0x88, USE_16),
    plain(
        0x89,
        &[0, 0x18, F, F, F, F, F, F, F, F, 0, 0, 0, F, 0, 0x04],
    ),
    plain(0x8a, USE_16),
    plain(0x8b, USE_16),
    plain(0x8e, CHECK_16),
    plain(0x8f, CHECK_16),
    plain(
        0x90,
        &[0, 0x02, F, F, F, F, F, F, F, F, F, F, F, F, 0, 0x04],
    ),
    plain(
        0x91,
        &[0, 0x02, F, F, F, F, F, F, F, F, F, F, F, F, 0, 0x04],
    ),
    plain(
        0x93,
        &[0, 0x09, F, F, F, F, F, F, F, F, F, F, F, F, 0, 0x04],
    ),
    action(0x9e, 0x10, SERVICE_16),
    action(0x9e, 0x12, SERVICE_16),
    plain(0xa0, &[0, 0, F, 0, 0, 0, F, F, F, F, 0, 0x04]),
    action(0xa3, 0x0c, &[0, 0x1f, 0x87, F, F, F, F, F, F, F, 0, 0x04]),
    action(0xa3, 0x0d, &[0, 0x1f, 0, 0, 0, 0, F, F, F, F, 0, 0x04]),
    plain(0xa8, USE_12),
    plain(0xaa, USE_12),
    plain(0xae, CHECK_12),
    plain(0xaf, CHECK_12),
];

/// A command timeouts descriptor that names no time.
const TIMEOUTS: [u8; 12] = [0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The answer to REPORT SUPPORTED OPERATION CODES.
pub fn report(timeouts: bool, options: u8, opcode: u8, service: u16) -> Result<Vec<u8>, Sense> {
    match options {
        0 => Ok(all(timeouts)),
        1..=3 => {
            let of_opcode = || KNOWN.iter().filter(|k| k.opcode == opcode);
            let has_actions = of_opcode().any(|k| k.service.is_some());
            // Option 1 is for commands without, 2 for those with a service action; 3 takes either.
            if (options == 1 && has_actions)
                || (options == 2 && !has_actions && of_opcode().next().is_some())
            {
                return Err(Sense::INVALID_FIELD_IN_CDB);
            }
            let found = of_opcode().find(|k| k.service.is_none_or(|s| s == service));
            Ok(one(timeouts, found))
        }
        _ => Err(Sense::INVALID_FIELD_IN_CDB),
    }
}

fn all(timeouts: bool) -> Vec<u8> {
    let mut b = vec![0; 4];
    for k in KNOWN {
        let mut d = [0; 8];
        d[0] = k.opcode;
        put16(&mut d, 2, k.service.unwrap_or(0));
        d[5] = u8::from(timeouts) << 1 | u8::from(k.service.is_some());
        put16(&mut d, 6, k.usage.len() as u16);
        b.extend_from_slice(&d);
        if timeouts {
            b.extend_from_slice(&TIMEOUTS);
        }
    }
    let len = b.len() - 4;
    put32(&mut b, 0, len as u32);
    b
}

fn one(timeouts: bool, known: Option<&Known>) -> Vec<u8> {
    let mut b = vec![0, 0x01, 0, 0]; // SUPPORT: not supported
    if let Some(k) = known {
        b[1] = 0x03 | u8::from(timeouts) << 7;
        put16(&mut b, 2, k.usage.len() as u16);
        b.extend_from_slice(k.usage);
        b[4] = k.opcode;
        if let Some(service) = k.service {
            b[5] = (b[5] & !0x1f) | service as u8;
        }
        if timeouts {
            b.extend_from_slice(&TIMEOUTS);
        }
    }
    b
}

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: abort task and set, clear set, unit and target reset.
pub fn task_functions() -> [u8; 4] {
    // ATS, ATSS, CTSS, LURS, TRS
    [0x80 | 0x40 | 0x10 | 0x08 | 0x02, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::scsi::cdb;

    /// What is reported is what is parsed, and nothing else.
    #[test]
    fn the_list_matches_the_parser() {
        for opcode in 0..=255u8 {
            let mut c = [0; 16];
            c[0] = opcode;
            let parsed = cdb::parse(&c) != Err(Sense::INVALID_OPCODE);
            let listed = KNOWN.iter().any(|k| k.opcode == opcode);
            assert_eq!(parsed, listed, "{opcode:02x}");
        }
        let block = report(true, 0, 0, 0).unwrap();
        assert_eq!(block.len(), 4 + KNOWN.len() * 20);
        assert!(report(false, 4, 0, 0).is_err());
        assert!(report(false, 1, 0x9e, 0).is_err());
        assert_eq!(report(false, 1, 0x83, 0).unwrap()[1], 1);
        assert_eq!(report(false, 2, 0x9e, 0x10).unwrap()[1], 3);
    }
}
