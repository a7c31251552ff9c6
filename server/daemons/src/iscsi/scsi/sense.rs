//! Sense data and status codes (SPC-4 section 4.5, SAM-5 section 5.3.1).

use crate::iscsi::bytes::{put32, put64};

/// SCSI status bytes.
pub mod status {
    pub const GOOD: u8 = 0x00;
    pub const CHECK_CONDITION: u8 = 0x02;
    pub const RESERVATION_CONFLICT: u8 = 0x18;
}

/// Length of the sense data that we send: fixed format.
pub const SENSE_LEN: usize = 18;

/// Why a command failed, or what a unit has to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sense {
    pub key: u8,
    pub asc: u8,
    pub ascq: u8,
    /// The INFORMATION field: a block address or an offset, as the command defines.
    pub information: Option<u64>,
}

const fn sense(key: u8, asc: u8, ascq: u8) -> Sense {
    Sense {
        key,
        asc,
        ascq,
        information: None,
    }
}

impl Sense {
    pub const NONE: Sense = sense(0, 0, 0);
    pub const WRITE_ERROR: Sense = sense(0x03, 0x0c, 0x00);
    pub const READ_ERROR: Sense = sense(0x03, 0x11, 0x00);
    pub const PARAMETER_LIST_LENGTH: Sense = sense(0x05, 0x1a, 0x00);
    pub const INVALID_OPCODE: Sense = sense(0x05, 0x20, 0x00);
    pub const LBA_OUT_OF_RANGE: Sense = sense(0x05, 0x21, 0x00);
    pub const INVALID_FIELD_IN_CDB: Sense = sense(0x05, 0x24, 0x00);
    pub const LUN_NOT_SUPPORTED: Sense = sense(0x05, 0x25, 0x00);
    pub const INVALID_FIELD_IN_PARAMETERS: Sense = sense(0x05, 0x26, 0x00);
    pub const INVALID_RELEASE: Sense = sense(0x05, 0x26, 0x04);
    pub const SAVING_NOT_SUPPORTED: Sense = sense(0x05, 0x39, 0x00);
    pub const NO_ROOM_FOR_REGISTRATION: Sense = sense(0x05, 0x55, 0x04);
    pub const DEVICE_RESET: Sense = sense(0x06, 0x29, 0x03);
    pub const RESERVATIONS_PREEMPTED: Sense = sense(0x06, 0x2a, 0x03);
    pub const RESERVATIONS_RELEASED: Sense = sense(0x06, 0x2a, 0x04);
    pub const REGISTRATIONS_PREEMPTED: Sense = sense(0x06, 0x2a, 0x05);
    pub const WRITE_PROTECTED: Sense = sense(0x07, 0x27, 0x00);
    /// No space is left behind a thinly provisioned disk (SBC-3 section 4.7.3.6); guests tell it from a
    /// broken disk: Linux makes ENOSPC of it.
    pub const SPACE_ALLOCATION_FAILED: Sense = sense(0x07, 0x27, 0x07);
    pub const DATA_PHASE_ERROR: Sense = sense(0x0b, 0x4b, 0x00);
    pub const TOO_MUCH_WRITE_DATA: Sense = sense(0x0b, 0x0c, 0x0d);
    pub const MISCOMPARE: Sense = sense(0x0e, 0x1d, 0x00);

    /// The same sense with an INFORMATION field.
    pub const fn at(mut self, information: u64) -> Sense {
        self.information = Some(information);
        self
    }

    /// Fixed format (response code 70h), which every initiator reads.
    pub fn fixed(&self) -> [u8; SENSE_LEN] {
        let mut b = [0; SENSE_LEN];
        b[0] = 0x70;
        if let Some(information) = self.information.and_then(|i| u32::try_from(i).ok()) {
            b[0] |= 0x80;
            put32(&mut b, 3, information);
        }
        b[2] = self.key;
        b[7] = (SENSE_LEN - 8) as u8;
        b[12] = self.asc;
        b[13] = self.ascq;
        b
    }

    /// Descriptor format (response code 72h), for REQUEST SENSE with DESC set.
    pub fn descriptor(&self) -> Vec<u8> {
        let mut b = vec![0; 8];
        b[0] = 0x72;
        b[1] = self.key;
        b[2] = self.asc;
        b[3] = self.ascq;
        if let Some(information) = self.information {
            b[7] = 12;
            b.resize(20, 0);
            b[9] = 0x0a;
            b[10] = 0x80;
            put64(&mut b, 12, information);
        }
        b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_carry_key_code_and_information() {
        let s = Sense::MISCOMPARE.at(0x1234);
        let fixed = s.fixed();
        assert_eq!((fixed[0], fixed[2], fixed[12]), (0xf0, 0x0e, 0x1d));
        assert_eq!(fixed[3..7], [0, 0, 0x12, 0x34]);
        let d = s.descriptor();
        assert_eq!((d[0], d[1], d[2], d.len()), (0x72, 0x0e, 0x1d, 20));
        assert_eq!(d[12..20], 0x1234u64.to_be_bytes());
        assert_eq!(Sense::NONE.descriptor().len(), 8);
    }
}
