//! iSCSI protocol data units of the initiator: 48-byte headers to types and back (RFC 7143 section
//! 11). Those of the target are in `reply`.
//!
//! Total functions on bytes; no socket, no clock. The data segment is the caller's: a header only
//! says how long it is.

use super::bytes::{be16, be24, be32, put16, put24, put32};

/// Length of the basic header segment.
pub const BHS_LEN: usize = 48;
/// "No tag": reserved value of the two task tags.
pub const NO_TAG: u32 = 0xffff_ffff;

/// A basic header segment as bytes.
pub type Bhs = [u8; BHS_LEN];

/// Lengths of what follows the header (RFC 7143 section 11.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lengths {
    /// Additional header segments, in bytes.
    pub ahs: usize,
    /// Data segment, in bytes, without padding.
    pub data: usize,
}

impl Lengths {
    pub fn of(bhs: &Bhs) -> Self {
        Lengths {
            ahs: usize::from(bhs[4]) * 4,
            data: be24(bhs, 5) as usize,
        }
    }

    /// The data segment with its padding to four bytes.
    pub fn padded_data(self) -> usize {
        self.data.next_multiple_of(4)
    }
}

/// Login stages (RFC 7143 section 11.12.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Security,
    Operational,
    FullFeature,
}

impl Stage {
    fn from_bits(bits: u8) -> Option<Stage> {
        match bits & 3 {
            0 => Some(Stage::Security),
            1 => Some(Stage::Operational),
            3 => Some(Stage::FullFeature),
            _ => None,
        }
    }

    pub(super) fn bits(self) -> u8 {
        match self {
            Stage::Security => 0,
            Stage::Operational => 1,
            Stage::FullFeature => 3,
        }
    }
}

/// Task management functions (RFC 7143 section 11.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskFunction {
    AbortTask,
    AbortTaskSet,
    ClearAca,
    ClearTaskSet,
    LogicalUnitReset,
    TargetWarmReset,
    TargetColdReset,
    TaskReassign,
    Other(u8),
}

impl TaskFunction {
    fn from_code(code: u8) -> Self {
        match code {
            1 => TaskFunction::AbortTask,
            2 => TaskFunction::AbortTaskSet,
            3 => TaskFunction::ClearAca,
            4 => TaskFunction::ClearTaskSet,
            5 => TaskFunction::LogicalUnitReset,
            6 => TaskFunction::TargetWarmReset,
            7 => TaskFunction::TargetColdReset,
            8 => TaskFunction::TaskReassign,
            other => TaskFunction::Other(other),
        }
    }

    fn code(self) -> u8 {
        match self {
            TaskFunction::AbortTask => 1,
            TaskFunction::AbortTaskSet => 2,
            TaskFunction::ClearAca => 3,
            TaskFunction::ClearTaskSet => 4,
            TaskFunction::LogicalUnitReset => 5,
            TaskFunction::TargetWarmReset => 6,
            TaskFunction::TargetColdReset => 7,
            TaskFunction::TaskReassign => 8,
            TaskFunction::Other(code) => code,
        }
    }
}

/// What an initiator sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    NopOut {
        ttt: u32,
    },
    Scsi {
        /// No unsolicited Data-Out follows.
        last: bool,
        read: bool,
        write: bool,
        /// Expected data transfer length, in bytes.
        expected: u32,
        cdb: [u8; 16],
    },
    TaskManagement {
        function: TaskFunction,
        referenced_tag: u32,
        referenced_cmd_sn: u32,
    },
    Login(LoginHeader),
    Text {
        last: bool,
        more: bool,
        ttt: u32,
    },
    DataOut {
        last: bool,
        ttt: u32,
        data_sn: u32,
        offset: u32,
    },
    Logout {
        reason: u8,
        cid: u16,
    },
    /// SNACK, or an opcode that an initiator may not send.
    Unsupported {
        opcode: u8,
    },
}

/// The fixed fields of a login request (RFC 7143 section 11.12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoginHeader {
    pub transit: bool,
    /// The C bit: more text follows in the next request.
    pub more: bool,
    /// None for the reserved stage 2.
    pub current: Option<Stage>,
    pub next: Option<Stage>,
    pub version_min: u8,
    pub isid: [u8; 6],
    pub tsih: u16,
    pub cid: u16,
}

/// A request with the fields that all of them share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pdu {
    /// Is not counted in the command sequence.
    pub immediate: bool,
    pub lun: u64,
    /// Initiator task tag.
    pub itt: u32,
    pub cmd_sn: u32,
    pub exp_stat_sn: u32,
    pub request: Request,
}

pub(super) mod opcode {
    pub const NOP_OUT: u8 = 0x00;
    pub const SCSI: u8 = 0x01;
    pub const TASK: u8 = 0x02;
    pub const LOGIN: u8 = 0x03;
    pub const TEXT: u8 = 0x04;
    pub const DATA_OUT: u8 = 0x05;
    pub const LOGOUT: u8 = 0x06;
    pub const NOP_IN: u8 = 0x20;
    pub const SCSI_RESPONSE: u8 = 0x21;
    pub const TASK_RESPONSE: u8 = 0x22;
    pub const LOGIN_RESPONSE: u8 = 0x23;
    pub const TEXT_RESPONSE: u8 = 0x24;
    pub const DATA_IN: u8 = 0x25;
    pub const LOGOUT_RESPONSE: u8 = 0x26;
    pub const R2T: u8 = 0x31;
    pub const ASYNC: u8 = 0x32;
    pub const REJECT: u8 = 0x3f;
}

fn copied<const N: usize>(bhs: &Bhs, at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bhs[at..at + N]);
    out
}

impl Pdu {
    /// Reads a header. Every 48 bytes mean something, if only [`Request::Unsupported`].
    pub fn parse(bhs: &Bhs) -> Pdu {
        let last = bhs[1] & 0x80 != 0;
        let request = match bhs[0] & 0x3f {
            opcode::NOP_OUT => Request::NopOut { ttt: be32(bhs, 20) },
            opcode::SCSI => Request::Scsi {
                last,
                read: bhs[1] & 0x40 != 0,
                write: bhs[1] & 0x20 != 0,
                expected: be32(bhs, 20),
                cdb: copied(bhs, 32),
            },
            opcode::TASK => Request::TaskManagement {
                function: TaskFunction::from_code(bhs[1] & 0x7f),
                referenced_tag: be32(bhs, 20),
                referenced_cmd_sn: be32(bhs, 32),
            },
            opcode::LOGIN => Request::Login(LoginHeader {
                transit: last,
                more: bhs[1] & 0x40 != 0,
                current: Stage::from_bits(bhs[1] >> 2),
                next: Stage::from_bits(bhs[1]),
                version_min: bhs[3],
                isid: copied(bhs, 8),
                tsih: be16(bhs, 14),
                cid: be16(bhs, 20),
            }),
            opcode::TEXT => Request::Text {
                last,
                more: bhs[1] & 0x40 != 0,
                ttt: be32(bhs, 20),
            },
            opcode::DATA_OUT => Request::DataOut {
                last,
                ttt: be32(bhs, 20),
                data_sn: be32(bhs, 36),
                offset: be32(bhs, 40),
            },
            opcode::LOGOUT => Request::Logout {
                reason: bhs[1] & 0x7f,
                cid: be16(bhs, 20),
            },
            opcode => Request::Unsupported { opcode },
        };
        let login = matches!(request, Request::Login(_));
        Pdu {
            immediate: bhs[0] & 0x40 != 0,
            // A login has its ISID and TSIH where the others have the LUN.
            lun: if login {
                0
            } else {
                u64::from_be_bytes(copied(bhs, 8))
            },
            itt: be32(bhs, 16),
            cmd_sn: be32(bhs, 24),
            exp_stat_sn: be32(bhs, 28),
            request,
        }
    }

    /// The header as an initiator would send it, with that data segment length (used by tests and
    /// our own probes).
    pub fn encode(&self, data_len: usize) -> Bhs {
        let mut b = [0; BHS_LEN];
        put24(&mut b, 5, data_len as u32);
        b[8..16].copy_from_slice(&self.lun.to_be_bytes());
        put32(&mut b, 16, self.itt);
        put32(&mut b, 24, self.cmd_sn);
        put32(&mut b, 28, self.exp_stat_sn);
        let last_bit = |last: bool| u8::from(last) << 7;
        let more_bit = |more: bool| u8::from(more) << 6;
        let code = match self.request {
            Request::NopOut { ttt } => {
                b[1] = 0x80;
                put32(&mut b, 20, ttt);
                opcode::NOP_OUT
            }
            Request::Scsi {
                last,
                read,
                write,
                expected,
                cdb,
            } => {
                b[1] = last_bit(last) | u8::from(read) << 6 | u8::from(write) << 5;
                put32(&mut b, 20, expected);
                b[32..48].copy_from_slice(&cdb);
                opcode::SCSI
            }
            Request::TaskManagement {
                function,
                referenced_tag,
                referenced_cmd_sn,
            } => {
                b[1] = 0x80 | function.code();
                put32(&mut b, 20, referenced_tag);
                put32(&mut b, 32, referenced_cmd_sn);
                opcode::TASK
            }
            Request::Login(ref l) => {
                let stage = |s: Option<Stage>| s.map_or(2, Stage::bits);
                b[1] = last_bit(l.transit) | more_bit(l.more) | stage(l.current) << 2;
                b[1] |= stage(l.next);
                b[3] = l.version_min;
                b[8..14].copy_from_slice(&l.isid);
                put16(&mut b, 14, l.tsih);
                put16(&mut b, 20, l.cid);
                opcode::LOGIN
            }
            Request::Text { last, more, ttt } => {
                b[1] = last_bit(last) | more_bit(more);
                put32(&mut b, 20, ttt);
                opcode::TEXT
            }
            Request::DataOut {
                last,
                ttt,
                data_sn,
                offset,
            } => {
                b[1] = last_bit(last);
                put32(&mut b, 20, ttt);
                put32(&mut b, 36, data_sn);
                put32(&mut b, 40, offset);
                opcode::DATA_OUT
            }
            Request::Logout { reason, cid } => {
                b[1] = 0x80 | reason;
                put16(&mut b, 20, cid);
                opcode::LOGOUT
            }
            Request::Unsupported { opcode } => opcode,
        };
        b[0] = code | u8::from(self.immediate) << 6;
        b
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
