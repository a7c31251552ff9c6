//! The bytes of the NBD protocol and what they mean: `doc/proto.md` of the NetworkBlockDevice project,
//! fixed newstyle only. Everything is big-endian. Total: no input panics, and no length is trusted
//! before it was compared with what there is.

/// Why a stream can't be read on.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    #[error("the client's handshake flags {0:#x} are not those of fixed newstyle")]
    ClientFlags(u32),
    #[error("what should be an option has the magic {0:#x}")]
    OptionMagic(u64),
    #[error("what should be a request has the magic {0:#x}")]
    RequestMagic(u32),
}

/// `NBDMAGIC`, with which a server begins.
const SERVER: u64 = 0x4e42_444d_4147_4943;
/// `IHAVEOPT`, before each option and in the server's greeting.
const OPTION: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const SIMPLE_REPLY: u32 = 0x6744_6698;
const CHUNK: u32 = 0x668e_33ef;

/// Handshake flags: both sides use the same bits.
const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;

/// What follows the answer to `EXPORT_NAME` unless the client wants no zeros.
pub const ZEROES: [u8; 124] = [0; 124];
/// Length of the client's handshake flags.
pub const CLIENT_FLAGS_LEN: usize = 4;
/// Length of what is before an option's data.
pub const OPTION_LEN: usize = 16;
/// Length of a request without its payload.
pub const REQUEST_LEN: usize = 28;
/// The longest string that the protocol knows, in bytes.
pub const MAX_STRING: usize = 4096;

/// What the server says first.
pub fn greeting() -> [u8; 18] {
    let mut bytes = [0; 18];
    bytes[..8].copy_from_slice(&SERVER.to_be_bytes());
    bytes[8..16].copy_from_slice(&OPTION.to_be_bytes());
    bytes[16..].copy_from_slice(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes());
    bytes
}

/// What the client answers to the greeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFlags {
    /// It wants no [`ZEROES`].
    pub no_zeroes: bool,
}

impl ClientFlags {
    /// # Errors
    /// [`WireError::ClientFlags`] for another handshake than fixed newstyle, and for bits that we did
    /// not offer.
    pub fn parse(bytes: [u8; CLIENT_FLAGS_LEN]) -> Result<Self, WireError> {
        let flags = u32::from_be_bytes(bytes);
        let (fixed, no_zeroes) = (u32::from(FIXED_NEWSTYLE), u32::from(NO_ZEROES));
        match flags & !no_zeroes == fixed {
            true => Ok(ClientFlags {
                no_zeroes: flags & no_zeroes != 0,
            }),
            false => Err(WireError::ClientFlags(flags)),
        }
    }
}

/// Options of the handshake that are understood; the others are answered by their number.
pub mod option {
    pub const EXPORT_NAME: u32 = 1;
    pub const ABORT: u32 = 2;
    pub const LIST: u32 = 3;
    pub const INFO: u32 = 6;
    pub const GO: u32 = 7;
    pub const STRUCTURED_REPLY: u32 = 8;
    pub const LIST_META_CONTEXT: u32 = 9;
    pub const SET_META_CONTEXT: u32 = 10;
}

/// Types of answers to options.
pub mod answer {
    pub const ACK: u32 = 1;
    pub const SERVER: u32 = 2;
    pub const INFO: u32 = 3;
    pub const META_CONTEXT: u32 = 4;
    pub const UNSUPPORTED: u32 = ERROR | 1;
    pub const POLICY: u32 = ERROR | 2;
    pub const INVALID: u32 = ERROR | 3;
    pub const UNKNOWN: u32 = ERROR | 6;
    pub const TOO_BIG: u32 = ERROR | 9;
    const ERROR: u32 = 1 << 31;
}

/// What is told of an export.
pub mod info {
    pub const EXPORT: u16 = 0;
    pub const NAME: u16 = 1;
    pub const DESCRIPTION: u16 = 2;
    pub const BLOCK_SIZE: u16 = 3;
}

/// Transmission flags: what an export can do.
pub mod can {
    pub const HAS_FLAGS: u16 = 1;
    pub const READ_ONLY: u16 = 1 << 1;
    pub const FLUSH: u16 = 1 << 2;
    pub const FUA: u16 = 1 << 3;
    pub const TRIM: u16 = 1 << 5;
    pub const WRITE_ZEROES: u16 = 1 << 6;
    pub const DF: u16 = 1 << 7;
    pub const MULTI_CONN: u16 = 1 << 8;
    pub const FAST_ZERO: u16 = 1 << 11;
}

/// Flags of a request.
pub mod flag {
    pub const FUA: u16 = 1;
    pub const NO_HOLE: u16 = 1 << 1;
    pub const DF: u16 = 1 << 2;
    pub const REQ_ONE: u16 = 1 << 3;
    pub const FAST_ZERO: u16 = 1 << 4;
}

/// What is before the data of an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionHeader {
    pub option: u32,
    /// Length of the data in bytes, whatever the client wrote there.
    pub len: u32,
}

impl OptionHeader {
    /// # Errors
    /// [`WireError::OptionMagic`].
    pub fn parse(bytes: &[u8; OPTION_LEN]) -> Result<Self, WireError> {
        let mut fields = Fields(bytes);
        let magic = fields.u64().unwrap_or_default();
        if magic != OPTION {
            return Err(WireError::OptionMagic(magic));
        }
        Ok(OptionHeader {
            option: fields.u32().unwrap_or_default(),
            len: fields.u32().unwrap_or_default(),
        })
    }
}

/// The data of `INFO` and `GO`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InfoRequest<'a> {
    pub name: &'a str,
    /// What is to be told of the export, of [`info`] and unknown ones.
    pub wanted: Vec<u16>,
}

impl<'a> InfoRequest<'a> {
    /// None when it is malformed.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let name = fields.string()?;
        let count = fields.u16()?;
        let wanted = (0..count)
            .map(|_| fields.u16())
            .collect::<Option<Vec<u16>>>()?;
        fields.0.is_empty().then_some(InfoRequest { name, wanted })
    }
}

/// The data of `LIST_META_CONTEXT` and `SET_META_CONTEXT`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaRequest<'a> {
    pub name: &'a str,
    pub queries: Vec<&'a str>,
}

impl<'a> MetaRequest<'a> {
    /// None when it is malformed.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let name = fields.string()?;
        let count = fields.u32()?;
        let mut queries = Vec::new();
        // No room is made for the count: each query takes bytes that are there.
        for _ in 0..count {
            queries.push(fields.string()?);
        }
        fields.0.is_empty().then_some(MetaRequest { name, queries })
    }
}

/// The name that `EXPORT_NAME` has for data; None when it is no string of the protocol.
pub fn export_name(data: &[u8]) -> Option<&str> {
    text(data)
}

/// Appends an answer to an option.
pub fn put_answer(out: &mut Vec<u8>, option: u32, kind: u32, data: &[&[u8]]) {
    let len = data.iter().map(|d| d.len() as u32).sum::<u32>();
    out.extend_from_slice(&OPTION_REPLY.to_be_bytes());
    for field in [option, kind, len] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    data.iter().for_each(|d| out.extend_from_slice(d));
}

/// What a client may ask of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Read,
    Write,
    Disconnect,
    Flush,
    Trim,
    WriteZeroes,
    BlockStatus,
    Other(u16),
}

impl Command {
    fn of(number: u16) -> Command {
        match number {
            0 => Command::Read,
            1 => Command::Write,
            2 => Command::Disconnect,
            3 => Command::Flush,
            4 => Command::Trim,
            6 => Command::WriteZeroes,
            7 => Command::BlockStatus,
            other => Command::Other(other),
        }
    }

    fn number(self) -> u16 {
        match self {
            Command::Read => 0,
            Command::Write => 1,
            Command::Disconnect => 2,
            Command::Flush => 3,
            Command::Trim => 4,
            Command::WriteZeroes => 6,
            Command::BlockStatus => 7,
            Command::Other(other) => other,
        }
    }
}

/// A request of the transmission phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Bits of [`flag`], and unknown ones.
    pub flags: u16,
    pub command: Command,
    /// The client's own number, which its replies carry.
    pub cookie: u64,
    /// In bytes.
    pub offset: u64,
    /// In bytes; of a write, also that of the payload that follows.
    pub len: u32,
}

impl Request {
    /// # Errors
    /// [`WireError::RequestMagic`].
    pub fn parse(bytes: &[u8; REQUEST_LEN]) -> Result<Self, WireError> {
        let mut fields = Fields(bytes);
        let magic = fields.u32().unwrap_or_default();
        if magic != REQUEST {
            return Err(WireError::RequestMagic(magic));
        }
        Ok(Request {
            flags: fields.u16().unwrap_or_default(),
            command: Command::of(fields.u16().unwrap_or_default()),
            cookie: fields.u64().unwrap_or_default(),
            offset: fields.u64().unwrap_or_default(),
            len: fields.u32().unwrap_or_default(),
        })
    }

    /// The same as bytes.
    pub fn encode(&self) -> [u8; REQUEST_LEN] {
        let mut bytes = [0; REQUEST_LEN];
        bytes[..4].copy_from_slice(&REQUEST.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.flags.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.command.number().to_be_bytes());
        bytes[8..16].copy_from_slice(&self.cookie.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_be_bytes());
        bytes[24..].copy_from_slice(&self.len.to_be_bytes());
        bytes
    }
}

/// What went wrong, as a client is told: the numbers of Linux, wherever it runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NbdError {
    Permission = 1,
    Io = 5,
    NoMemory = 12,
    Invalid = 22,
    NoSpace = 28,
    NotSupported = 95,
}

/// A simple reply; the data of a read follows when there is no error.
pub fn simple_reply(error: Option<NbdError>, cookie: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&SIMPLE_REPLY.to_be_bytes());
    bytes[4..8].copy_from_slice(&error.map_or(0, |e| e as u32).to_be_bytes());
    bytes[8..].copy_from_slice(&cookie.to_be_bytes());
    bytes
}

/// Kinds of chunks, of which a structured reply is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkKind {
    None = 0,
    OffsetData = 1,
    OffsetHole = 2,
    BlockStatus = 5,
    Error = (1 << 15) + 1,
    ErrorOffset = (1 << 15) + 2,
}

/// Length of what is before a chunk's payload.
pub const CHUNK_LEN: usize = 20;

/// What is before a chunk's payload of `len` bytes. The last chunk of a reply says that it is.
pub fn chunk(kind: ChunkKind, is_last: bool, cookie: u64, len: u32) -> [u8; CHUNK_LEN] {
    let mut bytes = [0; CHUNK_LEN];
    bytes[..4].copy_from_slice(&CHUNK.to_be_bytes());
    bytes[4..6].copy_from_slice(&u16::from(is_last).to_be_bytes());
    bytes[6..8].copy_from_slice(&(kind as u16).to_be_bytes());
    bytes[8..16].copy_from_slice(&cookie.to_be_bytes());
    bytes[16..].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// Fields that are taken off the front of some bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A string behind its length.
    fn string(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        text(bytes)
    }
}

/// A string of the protocol: UTF-8, not too long, without NUL.
fn text(bytes: &[u8]) -> Option<&str> {
    let fits = bytes.len() <= MAX_STRING && !bytes.contains(&0);
    fits.then(|| std::str::from_utf8(bytes).ok())?
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
