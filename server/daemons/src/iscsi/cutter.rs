//! Data for the initiator, cut into Data-In PDUs (RFC 7143 section 11.7).

use super::{frame::MAX_SEGMENT_OUT, params::Params};

/// Block length that reads are aligned to, in bytes.
pub const BLOCK: u64 = 512;

/// One Data-In PDU of a sequence.
pub struct Piece {
    pub offset: u32,
    pub len: usize,
    pub sn: u32,
    pub burst_end: bool,
    pub end: bool,
}

/// Cuts data into PDUs that respect the segment and burst limits, at block boundaries.
pub struct Cutter {
    total: u64,
    at: u64,
    in_burst: u64,
    segment: u64,
    burst: u64,
    sn: u32,
}

impl Cutter {
    /// Of `total` bytes.
    pub fn new(params: &Params, total: u64) -> Self {
        let blocks = |n: u32| (u64::from(n) / BLOCK * BLOCK).max(BLOCK);
        Cutter {
            total,
            at: 0,
            in_burst: 0,
            segment: blocks(params.their_segment).min(MAX_SEGMENT_OUT as u64),
            burst: blocks(params.max_burst),
            sn: 0,
        }
    }

    /// The next one; None after the last.
    pub fn next(&mut self) -> Option<Piece> {
        let left = self.total - self.at;
        if left == 0 {
            return None;
        }
        let len = left.min(self.segment).min(self.burst - self.in_burst);
        let piece = Piece {
            offset: self.at as u32,
            len: len as usize,
            sn: self.sn,
            burst_end: len == left || self.in_burst + len == self.burst,
            end: len == left,
        };
        self.at += len;
        self.in_burst = if piece.burst_end {
            0
        } else {
            self.in_burst + len
        };
        self.sn = self.sn.wrapping_add(1);
        Some(piece)
    }
}
