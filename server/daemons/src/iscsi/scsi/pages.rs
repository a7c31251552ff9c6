//! Answers that depend on no command before: INQUIRY and its pages, mode pages, capacity, the list
//! of commands (SPC-4 sections 6.6, 7.5 and 7.8; SBC-3 section 6).

use super::sense::Sense;
use crate::iscsi::bytes::{put16, put32, put64};
use std::sync::Arc;

/// Logical block length in bytes: 512, for BIOS and Windows.
pub const BLOCK: u64 = 512;
/// The most blocks of one WRITE SAME (64 MiB).
pub const MAX_WRITE_SAME: u64 = 0x2_0000;
/// The most blocks of one UNMAP (512 MiB).
pub const MAX_UNMAP_BLOCKS: u32 = 0x10_0000;
/// The most descriptors of one UNMAP.
pub const MAX_UNMAP_DESCRIPTORS: u32 = 256;
/// The most blocks of one COMPARE AND WRITE.
pub const MAX_COMPARE: u8 = 255;

/// What these answers depend on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub blocks: u64,
    /// Logical blocks per physical block, as a power of two.
    pub physical_exponent: u8,
    pub read_only: bool,
    pub serial: String,
    pub naa: u64,
    pub target: String,
    /// The numbers of all units of the target, in order.
    pub luns: Arc<[u16]>,
}

const VENDOR: &[u8; 8] = b"NSBOOT  ";
const PRODUCT: &[u8; 16] = b"Network disk    ";
const REVISION: &[u8; 4] = b"0001";

/// Standard INQUIRY data. `present` is false for a logical unit that does not exist.
pub fn inquiry(present: bool) -> Vec<u8> {
    let mut b = vec![0; 96];
    b[0] = if present { 0x00 } else { 0x7f };
    b[2] = 0x06; // SPC-4
    b[3] = 0x02; // response data format; HISUP 0
    b[4] = (b.len() - 5) as u8;
    b[7] = 0x02; // CMDQUE
    b[8..16].copy_from_slice(VENDOR);
    b[16..32].copy_from_slice(PRODUCT);
    b[32..36].copy_from_slice(REVISION);
    // SAM-5, iSCSI, SPC-4, SBC-3
    for (i, version) in [0x00a0u16, 0x0960, 0x0460, 0x04c0].into_iter().enumerate() {
        put16(&mut b, 58 + 2 * i, version);
    }
    b
}

/// A vital product data page.
pub fn vpd(page: u8, facts: &Facts) -> Result<Vec<u8>, Sense> {
    let body = match page {
        0x00 => vec![0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2],
        0x80 => facts.serial.as_bytes().to_vec(),
        0x83 => identification(facts),
        0xb0 => block_limits(facts),
        0xb1 => {
            let mut b = vec![0; 60];
            put16(&mut b, 0, 1); // non-rotating
            b
        }
        // LBPU, LBPWS, LBPWS10, LBPRZ; thin provisioned.
        0xb2 => vec![0, 0x80 | 0x40 | 0x20 | 0x04, 0x02, 0],
        _ => return Err(Sense::INVALID_FIELD_IN_CDB),
    };
    let mut b = vec![0, page, 0, 0];
    put16(&mut b, 2, body.len() as u16);
    b.extend_from_slice(&body);
    Ok(b)
}

/// Page 83h: NAA, T10 vendor id, target name and port.
fn identification(facts: &Facts) -> Vec<u8> {
    let mut b = Vec::with_capacity(96);
    let mut push = |code_set: u8, kind: u8, id: &[u8]| {
        let len = id.len().min(252);
        b.extend_from_slice(&[code_set, kind, 0, len as u8]);
        b.extend_from_slice(&id[..len]);
    };
    push(0x01, 0x03, &facts.naa.to_be_bytes());
    let mut t10 = VENDOR.to_vec();
    t10.extend_from_slice(facts.serial.as_bytes());
    push(0x02, 0x01, &t10);
    // SCSI name string of the target port: UTF-8, NUL-padded to four bytes.
    let mut port = format!("{},t,0x0001", facts.target).into_bytes();
    port.resize((port.len() + 1).next_multiple_of(4), 0);
    push(0x53, 0x98, &port);
    push(0x51, 0x94, &[0, 0, 0, 1]);
    b
}

fn block_limits(facts: &Facts) -> Vec<u8> {
    let mut b = vec![0; 60];
    b[0] = 0x01; // WSNZ: WRITE SAME of zero blocks is refused
    b[1] = MAX_COMPARE;
    put16(&mut b, 2, 1 << facts.physical_exponent); // optimal granularity
    // No maximum transfer length: data is moved burst by burst.
    put32(&mut b, 8, 2048); // optimal transfer length, 1 MiB
    put32(&mut b, 16, MAX_UNMAP_BLOCKS);
    put32(&mut b, 20, MAX_UNMAP_DESCRIPTORS);
    put32(&mut b, 24, 1 << facts.physical_exponent); // optimal unmap granularity
    put32(&mut b, 28, 0x8000_0000); // UGAVALID, alignment 0
    put64(&mut b, 32, MAX_WRITE_SAME);
    b
}

/// READ CAPACITY (10): the last address, or all ones when it does not fit.
pub fn capacity10(facts: &Facts) -> [u8; 8] {
    let mut b = [0; 8];
    let last = facts.blocks.saturating_sub(1);
    put32(&mut b, 0, u32::try_from(last).unwrap_or(u32::MAX));
    put32(&mut b, 4, BLOCK as u32);
    b
}

/// READ CAPACITY (16), with LBPME and LBPRZ: unmapped blocks read as zeros.
pub fn capacity16(facts: &Facts) -> [u8; 32] {
    let mut b = [0; 32];
    put64(&mut b, 0, facts.blocks.saturating_sub(1));
    put32(&mut b, 8, BLOCK as u32);
    b[13] = facts.physical_exponent;
    b[14] = 0xc0;
    b
}

/// Mode pages by number: recovery, caching, control, informational exceptions.
const MODE_PAGES: [u8; 4] = [0x01, 0x08, 0x0a, 0x1c];

/// One mode page; nothing in it can be changed.
fn mode_page(page: u8, read_only: bool) -> Vec<u8> {
    let mut b = match page {
        0x01 => vec![0; 12],
        0x08 => {
            let mut b = vec![0; 20];
            // WCE: writes are durable after a flush or FUA only.
            b[2] = 0x04;
            b
        }
        0x0a => {
            let mut b = vec![0; 12];
            b[3] = 0x10; // unrestricted reordering
            if read_only {
                b[4] = 0x08; // SWP
            }
            put16(&mut b, 8, 0xffff); // busy timeout: unlimited
            b
        }
        _ => {
            let mut b = vec![0; 12];
            b[2] = 0x08; // DEXCPT: nothing is reported
            b
        }
    };
    b[0] = page;
    b[1] = (b.len() - 2) as u8;
    b
}

/// What MODE SENSE asks for.
#[derive(Clone, Copy, Debug)]
pub struct ModeSense {
    pub ten: bool,
    pub no_descriptor: bool,
    pub long: bool,
    pub control: u8,
    pub page: u8,
    pub subpage: u8,
}

/// The answer to MODE SENSE (6) and (10).
pub fn mode_sense(ask: ModeSense, facts: &Facts) -> Result<Vec<u8>, Sense> {
    if ask.control == 3 {
        return Err(Sense::SAVING_NOT_SUPPORTED);
    }
    let all = ask.page == 0x3f;
    if ask.subpage != 0 && !(all && ask.subpage == 0xff) {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    let mut pages = Vec::with_capacity(64);
    for page in MODE_PAGES.into_iter().filter(|p| all || *p == ask.page) {
        let mut body = mode_page(page, facts.read_only);
        if ask.control == 1 {
            // Changeable values: none.
            body[2..].fill(0);
        }
        pages.extend_from_slice(&body);
    }
    if pages.is_empty() {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    let mut descriptor = Vec::new();
    if !ask.no_descriptor {
        if ask.long {
            descriptor.resize(16, 0);
            put64(&mut descriptor, 0, facts.blocks);
            put32(&mut descriptor, 12, BLOCK as u32);
        } else {
            descriptor.resize(8, 0);
            put32(
                &mut descriptor,
                0,
                u32::try_from(facts.blocks).unwrap_or(u32::MAX),
            );
            // Byte 4 is the density code; the block length has three bytes.
            let density_and_length = BLOCK as u32;
            put32(&mut descriptor, 4, density_and_length);
        }
    }
    // WP and DPOFUA.
    let device = if facts.read_only { 0x90 } else { 0x10 };
    let total = descriptor.len() + pages.len();
    let mut b = if ask.ten {
        let mut h = vec![0; 8];
        put16(&mut h, 0, (total + 6) as u16);
        h[3] = device;
        h[4] = u8::from(ask.long && !descriptor.is_empty());
        put16(&mut h, 6, descriptor.len() as u16);
        h
    } else {
        vec![(total + 3) as u8, 0, device, descriptor.len() as u8]
    };
    b.extend_from_slice(&descriptor);
    b.extend_from_slice(&pages);
    Ok(b)
}

/// MODE SELECT: accepted when it asks for what already is, since nothing can be changed.
pub fn mode_select(ten: bool, data: &[u8], facts: &Facts) -> Result<(), Sense> {
    if data.is_empty() {
        return Ok(());
    }
    let header = if ten { 8 } else { 4 };
    let descriptor = match (ten, data.len() >= header) {
        (_, false) => return Err(Sense::PARAMETER_LIST_LENGTH),
        (true, _) => usize::from(data[6]) << 8 | usize::from(data[7]),
        (false, _) => usize::from(data[3]),
    };
    let mut rest = data
        .get(header + descriptor..)
        .ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    while let [page, len, ..] = *rest {
        let len = usize::from(len) + 2;
        if page & 0x40 != 0 || !MODE_PAGES.contains(&(page & 0x3f)) {
            return Err(Sense::INVALID_FIELD_IN_PARAMETERS);
        }
        let asked = rest.get(..len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
        let current = mode_page(page & 0x3f, facts.read_only);
        if asked.get(1..) != current.get(1..) {
            return Err(Sense::INVALID_FIELD_IN_PARAMETERS);
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Sense::PARAMETER_LIST_LENGTH)
    }
}

/// REPORT LUNS: the units of the target, by their numbers (peripheral addressing, one level).
pub fn report_luns(select: u8, luns: &[u16]) -> Result<Vec<u8>, Sense> {
    let luns = match select {
        0 | 2 => luns,
        // Well-known units: none.
        1 => &[],
        _ => return Err(Sense::INVALID_FIELD_IN_CDB),
    };
    let mut b = vec![0; 8 + luns.len() * 8];
    put32(&mut b, 0, (luns.len() * 8) as u32);
    for (i, lun) in luns.iter().enumerate() {
        put64(&mut b, 8 + i * 8, u64::from(*lun) << 48);
    }
    Ok(b)
}
