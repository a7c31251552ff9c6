//! The talk before an export is chosen: options in, answers out. It knows no socket and no clock.

use super::{
    session::{BLOCK, MAX_PAYLOAD, SECTOR, Terms},
    wire::{self, ClientFlags, InfoRequest, MetaRequest, answer, info, option},
};
use engine::export::{Export, Refusal};

/// Options that one client may send; no client needs a tenth of it.
const MAX_OPTIONS: usize = 64;
/// The longest data of an option that is taken, bytes: a name and queries of the longest kind.
pub const MAX_OPTION_DATA: usize = 32 * 1024;
/// The one context that there is: which blocks hold data.
const ALLOCATION: &str = "base:allocation";
/// Its number in replies to `SET_META_CONTEXT` and in block status.
pub const ALLOCATION_ID: u32 = 1;

/// What one client may open.
pub trait Names {
    /// The export of that name; the empty name is the client's own.
    ///
    /// # Errors
    /// Why it may not.
    fn find(&self, name: &str) -> Result<Found, Refusal>;

    /// The names of all that it may open.
    fn list(&self) -> Vec<String>;
}

/// An export that a client may open.
#[derive(Clone)]
pub struct Found {
    pub name: String,
    pub export: Export,
}

/// What an option leads to.
pub struct Answer {
    /// To be sent.
    pub bytes: Vec<u8>,
    pub next: Next,
    /// The name that was asked for and refused, and why.
    pub refused: Option<(String, Refusal)>,
}

pub enum Next {
    /// Another option may come.
    Option,
    /// The connection ends.
    Close,
    /// Transmission begins, once the session has its place.
    Enter(Box<Entry>),
}

/// A client that is about to enter transmission.
pub struct Entry {
    pub found: Found,
    pub terms: Terms,
    /// To be sent when it may enter.
    pub accepted: Vec<u8>,
    option: u32,
}

impl Entry {
    /// To be sent when it may not enter after all; None when only closing says so.
    pub fn refused(&self, why: Refusal) -> Option<Vec<u8>> {
        (self.option == option::GO).then(|| refusal(self.option, why))
    }
}

/// The state of one client's handshake.
pub struct Handshake {
    flags: ClientFlags,
    structured: bool,
    /// The target for which `base:allocation` was chosen.
    allocation_of: Option<String>,
    options: usize,
}

impl Handshake {
    /// After the client's flags.
    pub fn new(flags: ClientFlags) -> Handshake {
        Handshake {
            flags,
            structured: false,
            allocation_of: None,
            options: 0,
        }
    }

    /// Takes in an option whose data was too long to be kept.
    pub fn on_too_long(&mut self, option: u32) -> Answer {
        match self.count() || option == option::EXPORT_NAME {
            true => close(),
            false => say(option, answer::TOO_BIG, "the option is too long"),
        }
    }

    /// Takes in an option with its data.
    pub fn on_option(&mut self, option: u32, data: &[u8], names: &dyn Names) -> Answer {
        if self.count() {
            return close();
        }
        match option {
            option::EXPORT_NAME => self.export_name(data, names),
            option::ABORT => Answer {
                next: Next::Close,
                ..ack(option)
            },
            option::LIST => list(data, names),
            option::INFO | option::GO => self.info(option, data, names),
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.structured = true;
                ack(option)
            }
            option::STRUCTURED_REPLY => invalid(option),
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => self.meta(option, data, names),
            // TLS and extended headers among them.
            _ => say(option, answer::UNSUPPORTED, ""),
        }
    }

    /// One more option; whether that is one too many.
    fn count(&mut self) -> bool {
        self.options += 1;
        self.options > MAX_OPTIONS
    }

    fn terms(&self, found: &Found) -> Terms {
        let device = &found.export.device;
        Terms {
            structured: self.structured,
            allocation: self.allocation_of.as_ref() == Some(&found.export.target),
            ..Terms::new(device.size_bytes(), device.read_only())
        }
    }

    /// The oldest way in. It knows no error but the end of the connection.
    fn export_name(&self, data: &[u8], names: &dyn Names) -> Answer {
        let Some(name) = wire::export_name(data) else {
            return close();
        };
        let found = match names.find(name) {
            Ok(found) => found,
            Err(why) => {
                return Answer {
                    refused: Some((name.to_owned(), why)),
                    ..close()
                };
            }
        };
        let terms = self.terms(&found);
        let mut accepted = terms.size.to_be_bytes().to_vec();
        accepted.extend(terms.flags().to_be_bytes());
        if !self.flags.no_zeroes {
            accepted.extend(wire::ZEROES);
        }
        enter(option::EXPORT_NAME, found, terms, accepted)
    }

    fn info(&self, option: u32, data: &[u8], names: &dyn Names) -> Answer {
        let Some(request) = InfoRequest::parse(data) else {
            return invalid(option);
        };
        let found = match names.find(request.name) {
            Ok(found) => found,
            Err(why) => return refuse(option, request.name, why),
        };
        let terms = self.terms(&found);
        let mut bytes = Vec::new();
        let mut tell = |kind: u16, data: &[u8]| {
            let parts = [&kind.to_be_bytes()[..], data];
            wire::put_answer(&mut bytes, option, answer::INFO, &parts);
        };
        let size = [&terms.size.to_be_bytes()[..], &terms.flags().to_be_bytes()];
        tell(info::EXPORT, &size.concat());
        let sizes = [SECTOR as u32, BLOCK as u32, MAX_PAYLOAD];
        tell(info::BLOCK_SIZE, &sizes.map(u32::to_be_bytes).concat());
        if request.wanted.contains(&info::NAME) {
            tell(info::NAME, found.name.as_bytes());
        }
        if request.wanted.contains(&info::DESCRIPTION) {
            let description = format!("the NSBoot disk of {}", found.name);
            tell(info::DESCRIPTION, description.as_bytes());
        }
        wire::put_answer(&mut bytes, option, answer::ACK, &[]);
        match option {
            option::GO => enter(option, found, terms, bytes),
            _ => Answer {
                bytes,
                ..ack(option)
            },
        }
    }

    /// Lists or chooses contexts. What was chosen before counts no more, whatever comes of it.
    fn meta(&mut self, option: u32, data: &[u8], names: &dyn Names) -> Answer {
        let chooses = option == option::SET_META_CONTEXT;
        if chooses {
            self.allocation_of = None;
        }
        let Some(request) = MetaRequest::parse(data).filter(|_| self.structured) else {
            return invalid(option);
        };
        let found = match names.find(request.name) {
            Ok(found) => found,
            Err(why) => return refuse(option, request.name, why),
        };
        let by_name = request.queries.contains(&ALLOCATION);
        let by_wildcard = request.queries.is_empty() || request.queries.contains(&"base:");
        let mut bytes = Vec::new();
        if by_name || !chooses && by_wildcard {
            let id = if chooses { ALLOCATION_ID } else { 0 };
            let parts = [&id.to_be_bytes()[..], ALLOCATION.as_bytes()];
            wire::put_answer(&mut bytes, option, answer::META_CONTEXT, &parts);
        }
        if chooses && by_name {
            self.allocation_of = Some(found.export.target);
        }
        wire::put_answer(&mut bytes, option, answer::ACK, &[]);
        Answer {
            bytes,
            ..ack(option)
        }
    }
}

fn list(data: &[u8], names: &dyn Names) -> Answer {
    if !data.is_empty() {
        return invalid(option::LIST);
    }
    let mut bytes = Vec::new();
    for name in names.list() {
        let parts = [&(name.len() as u32).to_be_bytes()[..], name.as_bytes()];
        wire::put_answer(&mut bytes, option::LIST, answer::SERVER, &parts);
    }
    wire::put_answer(&mut bytes, option::LIST, answer::ACK, &[]);
    Answer {
        bytes,
        ..ack(option::LIST)
    }
}

fn enter(option: u32, found: Found, terms: Terms, accepted: Vec<u8>) -> Answer {
    let entry = Entry {
        found,
        terms,
        accepted,
        option,
    };
    Answer {
        bytes: Vec::new(),
        next: Next::Enter(Box::new(entry)),
        refused: None,
    }
}

fn say(option: u32, kind: u32, text: &str) -> Answer {
    let mut bytes = Vec::new();
    wire::put_answer(&mut bytes, option, kind, &[text.as_bytes()]);
    Answer {
        bytes,
        next: Next::Option,
        refused: None,
    }
}

fn ack(option: u32) -> Answer {
    say(option, answer::ACK, "")
}

fn invalid(option: u32) -> Answer {
    say(option, answer::INVALID, "the option is malformed")
}

fn close() -> Answer {
    Answer {
        bytes: Vec::new(),
        next: Next::Close,
        refused: None,
    }
}

fn refuse(option: u32, name: &str, why: Refusal) -> Answer {
    Answer {
        bytes: refusal(option, why),
        next: Next::Option,
        refused: Some((name.to_owned(), why)),
    }
}

fn refusal(option: u32, why: Refusal) -> Vec<u8> {
    let kind = match why {
        Refusal::NoSuchName | Refusal::NoSuchTarget => answer::UNKNOWN,
        _ => answer::POLICY,
    };
    let mut bytes = Vec::new();
    wire::put_answer(&mut bytes, option, kind, &[why.text().as_bytes()]);
    bytes
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
