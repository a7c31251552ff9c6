//! iSCSI protocol data units: 48-byte headers to types and back (RFC 7143 section 11).
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

    fn bits(self) -> u8 {
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

mod opcode {
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

/// Sequence numbers that go into a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers {
    pub stat_sn: u32,
    pub exp_cmd_sn: u32,
    pub max_cmd_sn: u32,
}

/// How much less or more than expected was to be moved (RFC 7143 section 11.4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Residual {
    #[default]
    None,
    Underflow(u32),
    Overflow(u32),
}

impl Residual {
    /// Between what the initiator expected and what the command moves.
    pub fn between(expected: u32, actual: u64) -> Self {
        let expected = u64::from(expected);
        let clip = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        match actual {
            a if a < expected => Residual::Underflow(clip(expected - a)),
            a if a > expected => Residual::Overflow(clip(a - expected)),
            _ => Residual::None,
        }
    }

    fn bits_and_count(self) -> (u8, u32) {
        match self {
            Residual::None => (0, 0),
            Residual::Underflow(n) => (0x02, n),
            Residual::Overflow(n) => (0x04, n),
        }
    }
}

/// What a target sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    NopIn {
        lun: u64,
        itt: u32,
        ttt: u32,
    },
    Scsi {
        itt: u32,
        status: u8,
        residual: Residual,
        exp_data_sn: u32,
    },
    TaskManagement {
        itt: u32,
        response: u8,
    },
    Login {
        transit: bool,
        more: bool,
        current: Stage,
        next: Option<Stage>,
        isid: [u8; 6],
        tsih: u16,
        itt: u32,
        class: u8,
        detail: u8,
    },
    Text {
        last: bool,
        more: bool,
        itt: u32,
        ttt: u32,
    },
    DataIn {
        /// End of a burst, or of the data.
        last: bool,
        /// Good status with its residual, when this PDU carries it.
        status: Option<Residual>,
        itt: u32,
        data_sn: u32,
        offset: u32,
    },
    R2t {
        lun: u64,
        itt: u32,
        ttt: u32,
        r2t_sn: u32,
        offset: u32,
        length: u32,
    },
    Logout {
        itt: u32,
        response: u8,
    },
    Async {
        event: u8,
        /// Parameter 2 of event 2: seconds to wait before a new login.
        wait: u16,
    },
    Reject {
        reason: u8,
    },
}

impl Reply {
    /// The header, with that data segment length.
    pub fn encode(&self, n: Numbers, data_len: usize) -> Bhs {
        let mut b = [0; BHS_LEN];
        b[1] = 0x80;
        put24(&mut b, 5, data_len as u32);
        put32(&mut b, 16, NO_TAG);
        put32(&mut b, 24, n.stat_sn);
        put32(&mut b, 28, n.exp_cmd_sn);
        put32(&mut b, 32, n.max_cmd_sn);
        match *self {
            Reply::DataIn {
                last,
                status,
                itt,
                data_sn,
                offset,
            } => {
                b[0] = opcode::DATA_IN;
                b[1] = u8::from(last) << 7;
                match status {
                    Some(residual) => {
                        let (bits, count) = residual.bits_and_count();
                        b[1] |= bits | 0x01;
                        put32(&mut b, 44, count);
                    }
                    // StatSN is reserved without status (RFC 7143 section 11.7.4).
                    None => put32(&mut b, 24, 0),
                }
                put32(&mut b, 16, itt);
                put32(&mut b, 20, NO_TAG);
                put32(&mut b, 36, data_sn);
                put32(&mut b, 40, offset);
            }
            Reply::Scsi {
                itt,
                status,
                residual,
                exp_data_sn,
            } => {
                let (bits, count) = residual.bits_and_count();
                b[0] = opcode::SCSI_RESPONSE;
                b[1] |= bits;
                b[3] = status;
                put32(&mut b, 16, itt);
                put32(&mut b, 36, exp_data_sn);
                put32(&mut b, 44, count);
            }
            Reply::R2t {
                lun,
                itt,
                ttt,
                r2t_sn,
                offset,
                length,
            } => {
                b[0] = opcode::R2T;
                b[8..16].copy_from_slice(&lun.to_be_bytes());
                put32(&mut b, 16, itt);
                put32(&mut b, 20, ttt);
                put32(&mut b, 36, r2t_sn);
                put32(&mut b, 40, offset);
                put32(&mut b, 44, length);
            }
            ref other => other.encode_rare(&mut b),
        }
        b
    }

    fn encode_rare(&self, b: &mut Bhs) {
        match *self {
            Reply::NopIn { lun, itt, ttt } => {
                b[0] = opcode::NOP_IN;
                b[8..16].copy_from_slice(&lun.to_be_bytes());
                put32(b, 16, itt);
                put32(b, 20, ttt);
            }
            Reply::TaskManagement { itt, response } => {
                b[0] = opcode::TASK_RESPONSE;
                b[2] = response;
                put32(b, 16, itt);
            }
            Reply::Login {
                transit,
                more,
                current,
                next,
                isid,
                tsih,
                itt,
                class,
                detail,
            } => {
                b[0] = opcode::LOGIN_RESPONSE;
                b[1] = u8::from(transit) << 7 | u8::from(more) << 6 | current.bits() << 2;
                b[1] |= next.filter(|_| transit).map_or(0, Stage::bits);
                b[8..14].copy_from_slice(&isid);
                put16(b, 14, tsih);
                put32(b, 16, itt);
                b[36] = class;
                b[37] = detail;
            }
            Reply::Text {
                last,
                more,
                itt,
                ttt,
            } => {
                b[0] = opcode::TEXT_RESPONSE;
                b[1] = u8::from(last) << 7 | u8::from(more) << 6;
                put32(b, 16, itt);
                put32(b, 20, ttt);
            }
            Reply::Logout { itt, response } => {
                b[0] = opcode::LOGOUT_RESPONSE;
                b[2] = response;
                put32(b, 16, itt);
            }
            Reply::Async { event, wait } => {
                b[0] = opcode::ASYNC;
                b[36] = event;
                put16(b, 40, wait);
            }
            Reply::Reject { reason } => {
                b[0] = opcode::REJECT;
                b[2] = reason;
            }
            // The frequent ones are encoded above.
            Reply::DataIn { .. } | Reply::Scsi { .. } | Reply::R2t { .. } => {}
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
