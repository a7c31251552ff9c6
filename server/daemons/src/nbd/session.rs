//! What becomes of a request, without doing it.

use super::wire::{Command, NbdError, Request, can, flag};
use std::io;

/// The smallest unit of offsets and lengths, bytes.
pub const SECTOR: u64 = 512;
/// What requests should be made of, bytes: the blocks of an overlay.
pub const BLOCK: u64 = 4096;
/// The longest read and the longest payload of a write, bytes.
pub const MAX_PAYLOAD: u32 = 32 << 20;

/// What both sides agreed on for an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Bytes, whole sectors.
    pub size: u64,
    pub read_only: bool,
    /// Reads and block status are answered in chunks.
    pub structured: bool,
    /// The client may ask which blocks are allocated (`base:allocation`).
    pub allocation: bool,
}

/// What is to be done. Ranges lie within the export and are whole sectors, none of them empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    Read {
        offset: u64,
        len: u32,
        /// In one piece, whatever is a hole.
        whole: bool,
    },
    /// The payload follows the request.
    Write {
        offset: u64,
        len: u32,
        durable: bool,
    },
    Flush,
    /// The range reads as zeros from now on, and its space is given back.
    Discard {
        offset: u64,
        len: u32,
        durable: bool,
    },
    /// The range is filled with zeros that take up space.
    WriteZeros {
        offset: u64,
        len: u32,
        durable: bool,
    },
    Status {
        offset: u64,
        len: u32,
        /// Only the first run is wanted.
        one: bool,
    },
    /// An empty range: there is nothing to do.
    Nothing,
    /// The client leaves and wants no answer.
    Disconnect,
    Refuse {
        error: NbdError,
        /// Bytes that follow the request and mean nothing.
        payload: u32,
    },
}

impl Terms {
    /// The terms of a disk of that many bytes. What is beyond its last whole sector can't be reached.
    pub fn new(size: u64, read_only: bool) -> Terms {
        Terms {
            size: size - size % SECTOR,
            read_only,
            structured: false,
            allocation: false,
        }
    }

    /// The transmission flags. A flush is of the whole device, whichever connection wrote, so several
    /// connections are allowed; giving space back takes no longer than a moment, so it may be hurried.
    pub fn flags(&self) -> u16 {
        let all = can::HAS_FLAGS | can::FLUSH | can::MULTI_CONN;
        let by_mode = match self.read_only {
            true => can::READ_ONLY,
            false => can::FUA | can::TRIM | can::WRITE_ZEROES | can::FAST_ZERO,
        };
        let chunks = if self.structured { can::DF } else { 0 };
        all | by_mode | chunks
    }

    /// What is to be done about a request.
    pub fn decide(&self, request: &Request) -> Work {
        match self.check(request) {
            Ok(work) => work,
            Err(error) => Work::Refuse {
                error,
                payload: match request.command {
                    Command::Write => request.len,
                    _ => 0,
                },
            },
        }
    }

    fn check(&self, request: &Request) -> Result<Work, NbdError> {
        let &Request { offset, len, .. } = request;
        let has = |bit: u16| request.flags & bit != 0;
        if request.flags & !self.known_flags(request.command) != 0 {
            return Err(NbdError::Invalid);
        }
        let durable = has(flag::FUA);
        match request.command {
            Command::Disconnect => return Ok(Work::Disconnect),
            Command::Flush => return Ok(Work::Flush),
            Command::Other(_) => return Err(NbdError::Invalid),
            Command::BlockStatus if !self.allocation || len == 0 => return Err(NbdError::Invalid),
            _ => self.check_range(request)?,
        }
        Ok(match request.command {
            _ if len == 0 => Work::Nothing,
            Command::Read => Work::Read {
                offset,
                len,
                whole: has(flag::DF),
            },
            Command::Write => Work::Write {
                offset,
                len,
                durable,
            },
            Command::WriteZeroes if has(flag::NO_HOLE) => {
                // Writing so many zeros is as slow as writing anything.
                if has(flag::FAST_ZERO) {
                    return Err(NbdError::NotSupported);
                }
                Work::WriteZeros {
                    offset,
                    len,
                    durable,
                }
            }
            Command::BlockStatus => Work::Status {
                offset,
                len,
                one: has(flag::REQ_ONE),
            },
            _ => Work::Discard {
                offset,
                len,
                durable,
            },
        })
    }

    /// A client may set FUA on any command; where nothing is written it means nothing.
    fn known_flags(&self, command: Command) -> u16 {
        let own = match command {
            Command::Read if self.structured => flag::DF,
            Command::WriteZeroes => flag::NO_HOLE | flag::FAST_ZERO,
            Command::BlockStatus => flag::REQ_ONE,
            _ => 0,
        };
        own | flag::FUA
    }

    fn check_range(&self, request: &Request) -> Result<(), NbdError> {
        let &Request { offset, len, .. } = request;
        let fills = matches!(request.command, Command::Write | Command::WriteZeroes);
        let writes = fills || request.command == Command::Trim;
        let has_payload = matches!(request.command, Command::Read | Command::Write);
        if writes && self.read_only {
            return Err(NbdError::Permission);
        }
        if has_payload && len > MAX_PAYLOAD {
            return Err(NbdError::Invalid);
        }
        let end = offset.checked_add(u64::from(len));
        if end.is_none_or(|end| end > self.size) {
            return Err(match fills {
                true => NbdError::NoSpace,
                false => NbdError::Invalid,
            });
        }
        match offset.is_multiple_of(SECTOR) && u64::from(len).is_multiple_of(SECTOR) {
            true => Ok(()),
            false => Err(NbdError::Invalid),
        }
    }
}

impl NbdError {
    /// What a client is told of an error of the disk.
    pub fn of(error: &io::Error) -> NbdError {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => NbdError::Permission,
            Kind::OutOfMemory => NbdError::NoMemory,
            Kind::InvalidInput => NbdError::Invalid,
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => NbdError::NoSpace,
            Kind::Unsupported => NbdError::NotSupported,
            _ => NbdError::Io,
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
