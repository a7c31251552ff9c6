//! iSCSI protocol data units of the target: types to 48-byte headers (RFC 7143 section 11).

use super::{
    bytes::{put16, put24, put32},
    wire::{BHS_LEN, Bhs, NO_TAG, Stage, opcode},
};

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
