//! Command descriptor blocks: bytes to what is asked (SPC-4 section 6, SBC-3 section 5).
//!
//! Checks what can be judged from the block alone; what depends on the disk is judged in `unit`.

use super::sense::Sense;
use crate::iscsi::bytes::{be16, be24, be32, be64};

/// A run of logical blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub lba: u64,
    pub blocks: u32,
}

/// What a command asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    TestUnitReady,
    RequestSense {
        descriptor: bool,
        alloc: usize,
    },
    Inquiry {
        /// The vital product data page, if one is asked.
        page: Option<u8>,
        alloc: usize,
    },
    ModeSense {
        ten: bool,
        no_descriptor: bool,
        long: bool,
        control: u8,
        page: u8,
        subpage: u8,
        alloc: usize,
    },
    ModeSelect {
        ten: bool,
        save: bool,
        page_format: bool,
        len: usize,
    },
    ReportLuns {
        select: u8,
        alloc: usize,
    },
    ReadCapacity10,
    ReadCapacity16 {
        alloc: usize,
    },
    Read(Span),
    Write {
        span: Span,
        /// Force unit access, or the medium has to be verified: flushed before the status.
        fua: bool,
        compare: bool,
    },
    Verify {
        span: Span,
        check: Check,
    },
    SynchronizeCache {
        span: Span,
        immediate: bool,
    },
    Unmap {
        len: usize,
    },
    WriteSame {
        span: Span,
        unmap: bool,
        /// No data-out buffer: the block is all zeros.
        no_data: bool,
    },
    CompareAndWrite {
        lba: u64,
        blocks: u8,
        fua: bool,
    },
    OrWrite {
        span: Span,
        fua: bool,
    },
    Prefetch(Span),
    GetLbaStatus {
        lba: u64,
        alloc: usize,
    },
    StartStop {
        power_condition: u8,
        load_eject: bool,
        start: bool,
    },
    PersistentIn {
        action: u8,
        alloc: usize,
    },
    PersistentOut {
        action: u8,
        scope: u8,
        kind: u8,
        len: usize,
    },
    Reserve,
    Release,
    ReportOpcodes {
        timeouts: bool,
        options: u8,
        opcode: u8,
        service: u16,
        alloc: usize,
    },
    ReportTaskFunctions {
        alloc: usize,
    },
}

/// What VERIFY compares with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// Nothing: the medium is only read.
    Medium,
    /// The data-out buffer, block by block.
    Data,
    /// One block, again and again.
    OneBlock,
}

/// A raw command block.
pub type Cdb = [u8; 16];

fn span10(c: &Cdb) -> Span {
    Span {
        lba: be32(c, 2).into(),
        blocks: be16(c, 7).into(),
    }
}

fn span12(c: &Cdb) -> Span {
    Span {
        lba: be32(c, 2).into(),
        blocks: be32(c, 6),
    }
}

fn span16(c: &Cdb) -> Span {
    Span {
        lba: be64(c, 2),
        blocks: be32(c, 10),
    }
}

fn span6(c: &Cdb) -> Span {
    Span {
        lba: (be24(c, 1) & 0x1f_ffff).into(),
        // Zero means 256 in the six-byte commands.
        blocks: if c[4] == 0 { 256 } else { c[4].into() },
    }
}

fn len16(c: &Cdb, at: usize) -> usize {
    be16(c, at).into()
}

fn len32(c: &Cdb, at: usize) -> usize {
    be32(c, at) as usize
}

/// Reads a command block.
pub fn parse(c: &Cdb) -> Result<Command, Sense> {
    // NACA asks for auto contingent allegiance, which we do not have; the control byte's place is
    // fixed by the length group.
    let control = match c[0] >> 5 {
        0 => c[5],
        1 | 2 => c[9],
        5 => c[11],
        4 => c[15],
        _ => 0,
    };
    if control & 0x04 != 0 {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    match c[0] {
        0x08 | 0x28 | 0xa8 | 0x88 | 0x0a | 0x2a | 0xaa | 0x8a | 0x2e | 0xae | 0x8e | 0x2f
        | 0xaf | 0x8f | 0x8b | 0x89 | 0x34 | 0x90 | 0x35 | 0x91 | 0x41 | 0x93 | 0x42 => {
            parse_block(c)
        }
        _ => parse_primary(c),
    }
}

/// The commands of SBC: those that name blocks.
fn parse_block(c: &Cdb) -> Result<Command, Sense> {
    let group = c[0] >> 5;
    let span = match group {
        0 => span6(c),
        1 | 2 => span10(c),
        5 => span12(c),
        _ => span16(c),
    };
    // RDPROTECT, WRPROTECT, VRPROTECT, ORPROTECT: we keep no protection information.
    let protect = group != 0 && c[1] & 0xe0 != 0;
    let fua = group != 0 && c[1] & 0x08 != 0;
    let prefetch_or_sync = matches!(c[0], 0x34 | 0x90 | 0x35 | 0x91 | 0x42);
    if protect && !prefetch_or_sync {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    Ok(match c[0] {
        0x08 | 0x28 | 0xa8 | 0x88 => Command::Read(span),
        0x0a | 0x2a | 0xaa | 0x8a => Command::Write {
            span,
            fua,
            compare: false,
        },
        0x2e | 0xae | 0x8e => match c[1] >> 1 & 3 {
            check @ (0 | 1) => Command::Write {
                span,
                fua: true,
                compare: check == 1,
            },
            _ => return Err(Sense::INVALID_FIELD_IN_CDB),
        },
        0x2f | 0xaf | 0x8f => Command::Verify {
            span,
            check: match c[1] >> 1 & 3 {
                0 => Check::Medium,
                1 => Check::Data,
                3 => Check::OneBlock,
                _ => return Err(Sense::INVALID_FIELD_IN_CDB),
            },
        },
        0x8b => Command::OrWrite { span, fua },
        0x89 => Command::CompareAndWrite {
            lba: be64(c, 2),
            blocks: c[13],
            fua,
        },
        0x34 | 0x90 => Command::Prefetch(span),
        0x35 | 0x91 => Command::SynchronizeCache {
            span,
            immediate: c[1] & 0x02 != 0,
        },
        0x41 | 0x93 => return write_same(c, span),
        _ => {
            if c[1] & 0x01 != 0 {
                // ANCHOR: we have no anchored blocks.
                return Err(Sense::INVALID_FIELD_IN_CDB);
            }
            Command::Unmap { len: len16(c, 7) }
        }
    })
}

fn write_same(c: &Cdb, span: Span) -> Result<Command, Sense> {
    let (anchor, unmap) = (c[1] & 0x10 != 0, c[1] & 0x08 != 0);
    let obsolete = c[1] & 0x06 != 0;
    let no_data = c[0] == 0x93 && c[1] & 0x01 != 0;
    if anchor || obsolete || (no_data && !unmap) {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    Ok(Command::WriteSame {
        span,
        unmap,
        no_data,
    })
}

/// The commands of SPC and those of SBC that name no blocks to move.
fn parse_primary(c: &Cdb) -> Result<Command, Sense> {
    Ok(match c[0] {
        0x00 => Command::TestUnitReady,
        0x03 => Command::RequestSense {
            descriptor: c[1] & 1 != 0,
            alloc: c[4].into(),
        },
        0x12 => {
            let evpd = c[1] & 1 != 0;
            // CMDDT is obsolete; a page without EVPD makes no sense.
            if c[1] & 0x02 != 0 || (!evpd && c[2] != 0) {
                return Err(Sense::INVALID_FIELD_IN_CDB);
            }
            Command::Inquiry {
                page: evpd.then_some(c[2]),
                alloc: len16(c, 3),
            }
        }
        0x1a | 0x5a => Command::ModeSense {
            ten: c[0] == 0x5a,
            no_descriptor: c[1] & 0x08 != 0,
            long: c[0] == 0x5a && c[1] & 0x10 != 0,
            control: c[2] >> 6,
            page: c[2] & 0x3f,
            subpage: c[3],
            alloc: if c[0] == 0x5a {
                len16(c, 7)
            } else {
                c[4].into()
            },
        },
        0x15 | 0x55 => Command::ModeSelect {
            ten: c[0] == 0x55,
            save: c[1] & 0x01 != 0,
            page_format: c[1] & 0x10 != 0,
            len: if c[0] == 0x55 {
                len16(c, 7)
            } else {
                c[4].into()
            },
        },
        0x16 | 0x56 => Command::Reserve,
        0x17 | 0x57 => Command::Release,
        0x1b => Command::StartStop {
            power_condition: c[4] >> 4,
            load_eject: c[4] & 0x02 != 0,
            start: c[4] & 0x01 != 0,
        },
        0x25 => {
            // Without PMI the address must be zero.
            if c[8] & 1 == 0 && be32(c, 2) != 0 {
                return Err(Sense::INVALID_FIELD_IN_CDB);
            }
            Command::ReadCapacity10
        }
        0x5e => Command::PersistentIn {
            action: c[1] & 0x1f,
            alloc: len16(c, 7),
        },
        0x5f => Command::PersistentOut {
            action: c[1] & 0x1f,
            scope: c[2] >> 4,
            kind: c[2] & 0x0f,
            len: len32(c, 5),
        },
        0x9e => match c[1] & 0x1f {
            0x10 => Command::ReadCapacity16 {
                alloc: len32(c, 10),
            },
            0x12 => Command::GetLbaStatus {
                lba: be64(c, 2),
                alloc: len32(c, 10),
            },
            _ => return Err(Sense::INVALID_FIELD_IN_CDB),
        },
        0xa0 => Command::ReportLuns {
            select: c[2],
            alloc: len32(c, 6),
        },
        0xa3 => match c[1] & 0x1f {
            0x0c => Command::ReportOpcodes {
                timeouts: c[2] & 0x80 != 0,
                options: c[2] & 7,
                opcode: c[3],
                service: be16(c, 4),
                alloc: len32(c, 6),
            },
            0x0d => Command::ReportTaskFunctions { alloc: len32(c, 6) },
            _ => return Err(Sense::INVALID_FIELD_IN_CDB),
        },
        _ => return Err(Sense::INVALID_OPCODE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cdb(bytes: &[u8]) -> Cdb {
        let mut c = [0; 16];
        c[..bytes.len()].copy_from_slice(bytes);
        c
    }

    #[test]
    fn reads_of_every_length() {
        let six = parse(&cdb(&[0x08, 0x1f, 0xff, 0xfe, 0]));
        let read = |lba, blocks| Ok(Command::Read(Span { lba, blocks }));
        assert_eq!(six, read(0x1f_fffe, 256));
        assert_eq!(
            parse(&cdb(&[0x28, 0, 1, 2, 3, 4, 0, 5, 6])),
            read(0x0102_0304, 0x0506)
        );
        assert_eq!(
            parse(&cdb(&[0xa8, 0, 0, 0, 0, 9, 0, 1, 0, 0])),
            read(9, 0x1_0000)
        );
        assert_eq!(
            parse(&cdb(&[0x88, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3])),
            read(1 << 56 | 2, 3)
        );
    }

    #[test]
    fn fields_that_we_do_not_support_are_refused() {
        for bad in [
            &[0x28u8, 0x20][..],
            &[0x41, 0x10],
            &[0x93, 0x01],
            &[0x42, 0x01],
            &[0x12, 0, 0x80],
            &[0x00, 0, 0, 0, 0, 0x04],
            &[0x9e, 0x1f],
        ] {
            assert_eq!(
                parse(&cdb(bad)),
                Err(Sense::INVALID_FIELD_IN_CDB),
                "{bad:x?}"
            );
        }
        assert_eq!(parse(&cdb(&[0xff])), Err(Sense::INVALID_OPCODE));
        assert_eq!(
            parse(&cdb(&[0x83])),
            Err(Sense::INVALID_OPCODE),
            "EXTENDED COPY"
        );
    }
}
