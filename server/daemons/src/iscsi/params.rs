//! Operational keys of a session and how each is agreed (RFC 7143 section 13).

use super::text::{Answer, number};

/// Our own limit on a data segment that we receive, in bytes.
pub const OUR_MAX_SEGMENT: u32 = 256 * 1024;
const OUR_MAX_BURST: u32 = 1024 * 1024;
const OUR_FIRST_BURST: u32 = 256 * 1024;
/// Data segment limit of both sides until it is declared otherwise.
pub const DEFAULT_SEGMENT: u32 = 8192;

/// What both sides have agreed on; starts with the defaults of the standard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Params {
    pub header_digest: bool,
    pub data_digest: bool,
    /// The longest data segment that the initiator takes, in bytes.
    pub their_segment: u32,
    /// The longest data segment that we have declared to take, in bytes.
    pub our_segment: u32,
    pub max_burst: u32,
    pub first_burst: u32,
    pub initial_r2t: bool,
    pub immediate_data: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            header_digest: false,
            data_digest: false,
            their_segment: DEFAULT_SEGMENT,
            our_segment: DEFAULT_SEGMENT,
            max_burst: 262_144,
            first_burst: 65_536,
            initial_r2t: true,
            immediate_data: true,
        }
    }
}

impl Params {
    /// Takes one key that the initiator offers and puts our answer; false for a key that is none of
    /// the operational ones.
    pub fn negotiate(&mut self, key: &str, value: &str, answer: &mut Answer) -> bool {
        match key {
            "HeaderDigest" => self.header_digest = digest(key, value, answer),
            "DataDigest" => self.data_digest = digest(key, value, answer),
            "InitialR2T" => {
                if let Some(theirs) = boolean(key, value, answer) {
                    // OR function; ours is No.
                    self.initial_r2t = theirs;
                    answer.put(key, yes_no(theirs));
                }
            }
            "ImmediateData" => {
                if let Some(theirs) = boolean(key, value, answer) {
                    // AND function; ours is Yes.
                    self.immediate_data = theirs;
                    answer.put(key, yes_no(theirs));
                }
            }
            "MaxRecvDataSegmentLength" => {
                if let Some(n) = in_range(key, value, 512..=0xff_ffff, answer) {
                    self.their_segment = n;
                }
            }
            "MaxBurstLength" => {
                if let Some(n) = in_range(key, value, 512..=0xff_ffff, answer) {
                    self.max_burst = n.min(OUR_MAX_BURST);
                    answer.put(key, self.max_burst);
                }
            }
            "FirstBurstLength" => {
                if let Some(n) = in_range(key, value, 512..=0xff_ffff, answer) {
                    self.first_burst = n.min(OUR_FIRST_BURST);
                    answer.put(key, self.first_burst);
                }
            }
            _ => return fixed(key, value, answer),
        }
        true
    }

    /// Declares our own segment limit, once per login.
    pub fn declare_ours(&mut self, answer: &mut Answer) {
        if self.our_segment != OUR_MAX_SEGMENT {
            self.our_segment = OUR_MAX_SEGMENT;
            answer.put("MaxRecvDataSegmentLength", OUR_MAX_SEGMENT);
        }
    }

    /// The first burst may not be longer than any burst; keys come in any order, so this is checked
    /// when the login ends.
    pub fn settle(&mut self) {
        self.first_burst = self.first_burst.min(self.max_burst);
    }
}

/// Keys whose outcome never differs: one connection, no recovery within a session, data in order.
fn fixed(key: &str, value: &str, answer: &mut Answer) -> bool {
    match key {
        "MaxConnections" | "MaxOutstandingR2T" => {
            if in_range(key, value, 1..=65_535, answer).is_some() {
                answer.put(key, 1);
            }
        }
        "DefaultTime2Wait" => {
            if let Some(n) = in_range(key, value, 0..=3600, answer) {
                // Maximum function; ours is 0.
                answer.put(key, n);
            }
        }
        "DefaultTime2Retain" => {
            if in_range(key, value, 0..=3600, answer).is_some() {
                answer.put(key, 0);
            }
        }
        "ErrorRecoveryLevel" => {
            if in_range(key, value, 0..=2, answer).is_some() {
                answer.put(key, 0);
            }
        }
        "DataPDUInOrder" | "DataSequenceInOrder" => {
            if boolean(key, value, answer).is_some() {
                answer.put(key, "Yes");
            }
        }
        // Markers are gone since RFC 7143, but older initiators still ask.
        "IFMarker" | "OFMarker" => {
            if boolean(key, value, answer).is_some() {
                answer.put(key, "No");
            }
        }
        "IFMarkInt" | "OFMarkInt" => answer.put(key, "Irrelevant"),
        "iSCSIProtocolLevel" => {
            if in_range(key, value, 0..=31, answer).is_some() {
                answer.put(key, 1);
            }
        }
        "TaskReporting" => match value.split(',').any(|v| v == "RFC3720") {
            true => answer.put(key, "RFC3720"),
            false => answer.put(key, "Reject"),
        },
        _ => return false,
    }
    true
}

/// Picks the first that we know from the initiator's list; true for CRC32C.
fn digest(key: &str, value: &str, answer: &mut Answer) -> bool {
    let chosen = value.split(',').find(|v| matches!(*v, "None" | "CRC32C"));
    answer.put(key, chosen.unwrap_or("Reject"));
    chosen == Some("CRC32C")
}

fn boolean(key: &str, value: &str, answer: &mut Answer) -> Option<bool> {
    match value {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => {
            answer.put(key, "Reject");
            None
        }
    }
}

fn yes_no(v: bool) -> &'static str {
    if v { "Yes" } else { "No" }
}

fn in_range(
    key: &str,
    value: &str,
    range: std::ops::RangeInclusive<u32>,
    answer: &mut Answer,
) -> Option<u32> {
    let n = number(value).filter(|n| range.contains(n));
    if n.is_none() {
        answer.put(key, "Reject");
    }
    n
}
