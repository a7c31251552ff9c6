//! One transfer. Pure: packets and the passing of time in, what to send out.

use super::wire::{self, Packet, Request, code};
use std::{sync::Arc, time::Duration};

/// The largest block that fits Ethernet with room for a VLAN tag: 1500 - IP 20 - UDP 8 - TFTP 4.
const MAX_BLKSIZE: u64 = 1468;
/// Without the option (RFC 1350).
const DEFAULT_BLKSIZE: u64 = 512;
/// Gains level out near this; some clients fail beyond.
const MAX_WINDOW: u64 = 64;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest timeout that is agreed to, of the 255 s of RFC 2349.
const MAX_TIMEOUT: u64 = 10;
/// Repeats without an answer before the transfer is given up.
const MAX_REPEATS: u32 = 5;

/// What is agreed for a transfer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    pub blksize: u64,
    /// Blocks sent before an ACK is awaited (RFC 7440).
    pub window: u64,
    pub timeout: Duration,
    /// What the OACK says: only what was asked for, in that order. Empty: none is sent.
    pub answers: Vec<(&'static str, u64)>,
}

/// What a computer can take, below what it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest block, bytes.
    pub block: u64,
    /// The most blocks before an ACK is awaited.
    pub window: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            block: MAX_BLKSIZE,
            window: MAX_WINDOW,
        }
    }
}

/// Agrees to options, within the limits. A value that is no number, or out of its RFC's bounds, counts as
/// not asked for.
pub fn agree(request: &Request, file_len: u64, limits: Limits) -> Agreed {
    let mut agreed = Agreed {
        blksize: DEFAULT_BLKSIZE,
        window: 1,
        timeout: DEFAULT_TIMEOUT,
        answers: Vec::new(),
    };
    for (name, value) in &request.options {
        let Ok(asked) = value.trim().parse::<u64>() else {
            continue;
        };
        let answer = match name.as_str() {
            "blksize" if (8..=65464).contains(&asked) => {
                agreed.blksize = asked.min(MAX_BLKSIZE).min(limits.block);
                ("blksize", agreed.blksize)
            }
            "windowsize" if (1..=65535).contains(&asked) => {
                agreed.window = asked.min(MAX_WINDOW).min(limits.window);
                ("windowsize", agreed.window)
            }
            // More is left out of the answer: a client that is gone must not hold its place for hours.
            "timeout" if (1..=MAX_TIMEOUT).contains(&asked) => {
                agreed.timeout = Duration::from_secs(asked);
                ("timeout", asked)
            }
            "tsize" => ("tsize", file_len),
            _ => continue,
        };
        if !agreed.answers.iter().any(|(n, _)| *n == answer.0) {
            agreed.answers.push(answer);
        }
    }
    agreed
}

/// What the socket is to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the OACK.
    OptionAck,
    /// Send the blocks of [`Transfer::outgoing`].
    Blocks,
    /// Nothing: wait on.
    Wait,
    /// Everything arrived.
    Done,
    /// The client wanted no more after it knew the size; firmware asks so on purpose.
    Probed,
    /// It is over, for this reason.
    Failed(String),
    /// Nobody hears us any more; it may have been restarted.
    Left(String),
}

/// A transfer under way. Blocks are numbered from 1 without wrapping.
#[derive(Debug)]
pub struct Transfer {
    data: Arc<[u8]>,
    agreed: Agreed,
    /// The OACK awaits its ACK of block 0.
    opening: bool,
    acked: u64,
    /// Blocks sent since the last ACK: `acked + 1 ..= sent`.
    sent: u64,
    repeats: u32,
    /// A window was already sent again since the last progress; more duplicates change nothing
    /// (RFC 1123 section 4.2.3.1, the sorcerer's apprentice).
    rewound: bool,
}

impl Transfer {
    /// Begins one; the first step is to be done at once.
    pub fn begin(data: Arc<[u8]>, agreed: Agreed) -> (Transfer, Step) {
        let opening = !agreed.answers.is_empty();
        let mut t = Transfer {
            data,
            agreed,
            opening,
            acked: 0,
            sent: 0,
            repeats: 0,
            rewound: false,
        };
        let step = if opening {
            Step::OptionAck
        } else {
            t.next_window()
        };
        (t, step)
    }

    /// The OACK's bytes.
    pub fn option_ack(&self) -> Vec<u8> {
        wire::option_ack(&self.agreed.answers)
    }

    /// The blocks that [`Step::Blocks`] sends, each with its number on the wire.
    pub fn outgoing(&self) -> impl Iterator<Item = (u16, &[u8])> {
        (self.acked + 1..=self.sent).map(|n| {
            let start = ((n - 1) * self.agreed.blksize).min(self.data.len() as u64) as usize;
            let end = (n * self.agreed.blksize).min(self.data.len() as u64) as usize;
            // Numbers wrap from 65535 to 0, as every client that reads large files expects.
            (n as u16, &self.data[start..end])
        })
    }

    /// The last block that has arrived, counted without wrapping; 0 before the first.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// How long to wait for an answer; longer after each repeat.
    pub fn patience(&self) -> Duration {
        self.agreed.timeout * 2u32.pow(self.repeats.min(3))
    }

    /// A packet came from the client.
    pub fn packet(&mut self, packet: &Packet) -> Step {
        match packet {
            Packet::Ack(block) if self.opening => {
                if *block != 0 {
                    return Step::Wait;
                }
                self.opening = false;
                self.repeats = 0;
                self.next_window()
            }
            Packet::Ack(block) => self.ack(*block),
            // EDK2 reads the size and ends with code 8; others with code 0.
            Packet::Error(c, _) if self.acked == 0 && (*c == code::OPTIONS || *c == 0) => {
                Step::Probed
            }
            Packet::Error(c, text) => {
                Step::Failed(format!("the computer ended it with error {c} {text:?}"))
            }
            _ => Step::Wait,
        }
    }

    /// Nothing came for [`Transfer::patience`].
    pub fn silence(&mut self) -> Step {
        if self.repeats >= MAX_REPEATS {
            let bytes = (self.acked * self.agreed.blksize).min(self.data.len() as u64);
            return Step::Failed(format!(
                "no answer after {bytes} of {} bytes; check the cable and UDP port 69",
                self.data.len()
            ));
        }
        self.repeats += 1;
        if self.opening {
            Step::OptionAck
        } else {
            Step::Blocks
        }
    }

    /// The client's port is closed: nobody hears us any more.
    pub fn closed(&self) -> Step {
        if self.acked == 0 && (self.opening || self.last_block() > self.sent) {
            // EDK2 closes its port without a word after reading the size.
            return Step::Probed;
        }
        if self.sent == self.last_block() {
            // It left after the last block: what was lost is its last ACK.
            return Step::Done;
        }
        let bytes = (self.acked * self.agreed.blksize).min(self.data.len() as u64);
        Step::Left(format!(
            "the computer stopped listening after {bytes} of {} bytes; it may have been restarted",
            self.data.len()
        ))
    }

    fn last_block(&self) -> u64 {
        // A file of whole blocks ends with an empty one.
        self.data.len() as u64 / self.agreed.blksize + 1
    }

    fn ack(&mut self, block: u16) -> Step {
        if block == self.acked as u16 {
            // With windows this says that the first block of one was lost (RFC 7440 section 4).
            if self.agreed.window > 1 && !self.rewound && self.sent > self.acked {
                self.rewound = true;
                return Step::Blocks;
            }
            return Step::Wait;
        }
        let Some(n) = (self.acked + 1..=self.sent).find(|n| *n as u16 == block) else {
            return Step::Wait;
        };
        self.acked = n;
        self.repeats = 0;
        self.rewound = false;
        if n == self.last_block() {
            return Step::Done;
        }
        self.next_window()
    }

    fn next_window(&mut self) -> Step {
        self.sent = (self.acked + self.agreed.window).min(self.last_block());
        Step::Blocks
    }
}
