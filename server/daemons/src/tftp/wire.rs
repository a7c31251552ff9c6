//! TFTP packets: bytes to types and back.

/// Longest request that is looked at; RFC 2347 section 2 sets 512 bytes.
const MAX_REQUEST: usize = 512;

/// A packet of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// RRQ.
    Read(Request),
    /// WRQ; we are read only.
    Write,
    /// DATA: nothing that a client has to send us.
    Data,
    /// ACK of a block.
    Ack(u16),
    /// ERROR with its code and text.
    Error(u16, String),
    /// OACK, which only servers send.
    OptionAck,
}

/// What a client asks to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// As sent: firmware writes names in many ways.
    pub file: Vec<u8>,
    pub mode: Mode,
    /// Options in their order; names in lower case.
    pub options: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Octet,
    /// Line ends would have to be changed; loaders are no text.
    Netascii,
    /// `mail`, or anything else.
    Other,
}

/// Why bytes are no TFTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    #[error("the packet is shorter than its kind needs")]
    Short,
    #[error("{0} is not the number of a TFTP packet")]
    Opcode(u16),
    #[error("a text in the request does not end")]
    Unterminated,
    #[error("the request is longer than 512 bytes")]
    Long,
}

/// ERROR codes (RFC 1350 section 5, RFC 2347).
pub mod code {
    pub const NOT_FOUND: u16 = 1;
    pub const ACCESS: u16 = 2;
    pub const ILLEGAL: u16 = 4;
    pub const UNKNOWN_TID: u16 = 5;
    pub const OPTIONS: u16 = 8;
}

impl Packet {
    /// Reads a packet.
    pub fn decode(bytes: &[u8]) -> Result<Packet, WireError> {
        let opcode = u16_at(bytes, 0)?;
        match opcode {
            1 => request(bytes).map(Packet::Read),
            2 => Ok(Packet::Write),
            3 => Ok(Packet::Data),
            4 => u16_at(bytes, 2).map(Packet::Ack),
            5 => {
                let text = bytes.get(4..).unwrap_or_default();
                let end = text
                    .iter()
                    .position(|&b| b == 0)
                    .unwrap_or(text.len())
                    .min(MAX_REQUEST);
                let text = String::from_utf8_lossy(&text[..end])
                    .chars()
                    .filter(|c| !c.is_control())
                    .collect();
                Ok(Packet::Error(u16_at(bytes, 2)?, text))
            }
            6 => Ok(Packet::OptionAck),
            other => Err(WireError::Opcode(other)),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, WireError> {
    let pair = bytes.get(at..at + 2).ok_or(WireError::Short)?;
    Ok(u16::from_be_bytes([pair[0], pair[1]]))
}

fn request(bytes: &[u8]) -> Result<Request, WireError> {
    if bytes.len() > MAX_REQUEST {
        return Err(WireError::Long);
    }
    let mut rest = &bytes[2..];
    let mut text = || -> Result<&[u8], WireError> {
        let end = rest
            .iter()
            .position(|&b| b == 0)
            .ok_or(WireError::Unterminated)?;
        let (text, after) = rest.split_at(end);
        rest = &after[1..];
        Ok(text)
    };
    let file = text()?.to_vec();
    let mode = match text()?.to_ascii_lowercase().as_slice() {
        b"octet" => Mode::Octet,
        b"netascii" => Mode::Netascii,
        _ => Mode::Other,
    };
    let mut options = Vec::new();
    // Some ROMs pad the request with zeros, or end within an option: what is whole counts.
    while let (Ok(name), Ok(value)) = (text(), text()) {
        if name.is_empty() {
            break;
        }
        options.push((
            String::from_utf8_lossy(name).to_ascii_lowercase(),
            String::from_utf8_lossy(value).into_owned(),
        ));
    }
    Ok(Request {
        file,
        mode,
        options,
    })
}

impl Request {
    /// The bytes of this RRQ.
    pub fn encode(&self) -> Vec<u8> {
        let mode: &[u8] = match self.mode {
            Mode::Octet => b"octet",
            Mode::Netascii => b"netascii",
            Mode::Other => b"mail",
        };
        let mut out = vec![0, 1];
        let options = self
            .options
            .iter()
            .flat_map(|(n, v)| [n.as_bytes(), v.as_bytes()]);
        for text in [self.file.as_slice(), mode].into_iter().chain(options) {
            out.extend_from_slice(text);
            out.push(0);
        }
        out
    }
}

/// Puts a DATA packet into `out`, in place of what was there.
pub fn data(block: u16, bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0, 3]);
    out.extend_from_slice(&block.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// An OACK packet.
pub fn option_ack(options: &[(&'static str, u64)]) -> Vec<u8> {
    let mut out = vec![0, 6];
    for (name, value) in options {
        out.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    out
}

/// An ERROR packet.
pub fn error(code: u16, text: &str) -> Vec<u8> {
    let mut out = vec![0, 5];
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
    out
}
