//! DHCP packets (RFC 2131, RFC 2132): bytes to types and back.
//!
//! Lossless and order-preserving: an unchanged packet encodes to the bytes it was decoded from,
//! also a damaged one. Total: any input gives a packet or an error, an odd option spoils no other.

use std::{borrow::Cow, fmt, net::Ipv4Addr};
use types::MacAddr;

/// Bytes before the options: the BOOTP header and the cookie.
const FIXED: usize = 240;
/// "99.130.83.99" (RFC 2131 section 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// The smallest BOOTP message (RFC 951); some boot ROMs drop anything shorter.
const MIN_LEN: usize = 300;
/// Bit of `flags` that asks for a broadcast answer.
const BROADCAST: u16 = 0x8000;
const PAD: u8 = 0;
const END: u8 = 255;

/// Option codes that we read or write; the IANA registry *BOOTP/DHCP Parameters* names all.
pub mod code {
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const BROADCAST_ADDRESS: u8 = 28;
    pub const VENDOR_SPECIFIC: u8 = 43;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const MESSAGE: u8 = 56;
    pub const RENEWAL_TIME: u8 = 58;
    pub const REBINDING_TIME: u8 = 59;
    pub const VENDOR_CLASS: u8 = 60;
    pub const CLIENT_ID: u8 = 61;
    pub const TFTP_SERVER: u8 = 66;
    pub const BOOT_FILE: u8 = 67;
    pub const USER_CLASS: u8 = 77;
    pub const RELAY_AGENT: u8 = 82;
    pub const ARCHITECTURE: u8 = 93;
    pub const MACHINE_ID: u8 = 97;
    pub const IPXE: u8 = 175;
}

/// Option 53 (RFC 2132 section 9.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

impl MessageType {
    fn from_byte(byte: u8) -> Option<MessageType> {
        use MessageType::*;
        [Discover, Offer, Request, Decline, Ack, Nak, Release, Inform]
            .into_iter()
            .find(|t| *t as u8 == byte)
    }
}

/// Why bytes are not a DHCP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    #[error("{0} bytes are too few for a DHCP packet, which has at least 240")]
    Short(usize),
    #[error("the DHCP cookie is missing, this is BOOTP or something else")]
    Cookie,
}

/// One element of the options field, as it stands there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A single zero byte.
    Pad,
    /// Code, length and this many bytes; long options take several of the same code (RFC 3396).
    Option { code: u8, data: Vec<u8> },
}

/// A DHCP packet. The fields are those of RFC 2131 figure 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// 1 is a request, 2 a reply.
    pub op: u8,
    pub htype: u8,
    pub hlen: u8,
    pub hops: u8,
    pub xid: u32,
    pub secs: u16,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub yiaddr: Ipv4Addr,
    pub siaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub chaddr: [u8; 16],
    pub sname: [u8; 64],
    pub file: [u8; 128],
    /// The options field up to its end mark.
    pub items: Vec<Item>,
    /// What follows the last item: the end mark and padding, or the rest of a cut-off option.
    pub tail: Vec<u8>,
}

impl Packet {
    /// Parses a UDP payload.
    pub fn decode(bytes: &[u8]) -> Result<Packet, WireError> {
        let Some((head, options)) = bytes.split_first_chunk::<FIXED>() else {
            return Err(WireError::Short(bytes.len()));
        };
        if head[236..] != COOKIE {
            return Err(WireError::Cookie);
        }
        let address = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]);
        let (items, used) = parse_items(options);
        let mut packet = Packet {
            op: head[0],
            htype: head[1],
            hlen: head[2],
            hops: head[3],
            xid: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            secs: u16::from_be_bytes([head[8], head[9]]),
            flags: u16::from_be_bytes([head[10], head[11]]),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            chaddr: [0; 16],
            sname: [0; 64],
            file: [0; 128],
            items,
            tail: options[used..].to_vec(),
        };
        packet.chaddr.copy_from_slice(&head[28..44]);
        packet.sname.copy_from_slice(&head[44..108]);
        packet.file.copy_from_slice(&head[108..236]);
        Ok(packet)
    }

    /// The exact bytes: of a decoded packet those it came from.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MIN_LEN + 64);
        out.extend([self.op, self.htype, self.hlen, self.hops]);
        out.extend(self.xid.to_be_bytes());
        out.extend(self.secs.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            out.extend(address.octets());
        }
        out.extend(self.chaddr);
        out.extend(self.sname);
        out.extend(self.file);
        out.extend(COOKIE);
        for item in &self.items {
            match item {
                Item::Pad => out.push(PAD),
                Item::Option { code, data } => {
                    // `push` and `decode` make no longer ones; a hand-made one is cut, not wrapped.
                    let data = &data[..data.len().min(255)];
                    out.extend([*code, data.len() as u8]);
                    out.extend(data);
                }
            }
        }
        out.extend(&self.tail);
        out
    }

    /// [`Packet::encode`], filled with zeros to the smallest size that every boot ROM takes.
    pub fn encode_padded(&self) -> Vec<u8> {
        let mut out = self.encode();
        out.resize(out.len().max(MIN_LEN), 0);
        out
    }

    /// An answer to `request` with the fields of RFC 2131 table 3 that are copied from it, and no options.
    pub fn reply_to(request: &Packet) -> Packet {
        Packet {
            op: 2,
            htype: request.htype,
            hlen: request.hlen,
            hops: 0,
            xid: request.xid,
            secs: 0,
            flags: request.flags,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: request.giaddr,
            chaddr: request.chaddr,
            sname: [0; 64],
            file: [0; 128],
            items: Vec::new(),
            tail: vec![END],
        }
    }

    /// Appends an option; more than 255 bytes are split over several (RFC 3396).
    pub fn push(&mut self, code: u8, data: &[u8]) {
        if data.is_empty() {
            self.items.push(Item::Option {
                code,
                data: Vec::new(),
            });
        }
        self.items.extend(data.chunks(255).map(|part| Item::Option {
            code,
            data: part.to_vec(),
        }));
    }

    /// Appends an option that holds one address.
    pub fn push_address(&mut self, code: u8, address: Ipv4Addr) {
        self.push(code, &address.octets());
    }

    /// Appends an option that holds 32 bits, as all times in seconds are.
    pub fn push_u32(&mut self, code: u8, value: u32) {
        self.push(code, &value.to_be_bytes());
    }

    /// Sets `file`, always NUL-terminated; false, and nothing changed, if it is longer than 127 bytes.
    pub fn set_file(&mut self, name: &str) -> bool {
        let fits = name.len() < self.file.len();
        if fits {
            self.file = [0; 128];
            self.file[..name.len()].copy_from_slice(name.as_bytes());
        }
        fits
    }

    /// Sets `sname`, the name of the boot server, always NUL-terminated; cut at 63 bytes.
    pub fn set_sname(&mut self, name: &str) {
        let len = name.len().min(self.sname.len() - 1);
        self.sname = [0; 64];
        self.sname[..len].copy_from_slice(&name.as_bytes()[..len]);
    }

    /// The value of an option: all parts of that code joined, those in an overloaded `file` and
    /// `sname` after those of the options field (RFC 3396 section 5, RFC 2132 section 9.3).
    pub fn option(&self, wanted: u8) -> Option<Cow<'_, [u8]>> {
        let mut value: Option<Cow<'_, [u8]>> = None;
        let mut join = |data: Cow<'_, [u8]>| match &mut value {
            None => value = Some(Cow::Owned(data.into_owned())),
            Some(value) => value.to_mut().extend_from_slice(&data),
        };
        let own: Vec<&[u8]> = parts(&self.items, wanted).collect();
        let overloaded = self.overloaded();
        // The common case borrows.
        if let (&[single], true) = (own.as_slice(), overloaded.is_empty()) {
            return Some(Cow::Borrowed(single));
        }
        for data in own {
            join(Cow::Borrowed(data));
        }
        for field in overloaded {
            for data in parts(&parse_items(field).0, wanted) {
                join(Cow::Borrowed(data));
            }
        }
        value
    }

    /// The fields that option 52 says hold options, in the order in which they are read.
    fn overloaded(&self) -> Vec<&[u8]> {
        // Only the options field can say so: an overload option inside `file` means nothing.
        let bits = match parts(&self.items, code::OVERLOAD).next() {
            Some([bits @ 1..=3]) => *bits,
            _ => 0,
        };
        let mut fields: Vec<&[u8]> = Vec::new();
        if bits & 1 != 0 {
            fields.push(&self.file);
        }
        if bits & 2 != 0 {
            fields.push(&self.sname);
        }
        fields
    }

    /// Option 53, if it is one byte with a meaning.
    pub fn message_type(&self) -> Option<MessageType> {
        match *self.option(code::MESSAGE_TYPE)? {
            [byte] => MessageType::from_byte(byte),
            _ => None,
        }
    }

    /// An option that holds one address; a longer or shorter one counts as absent.
    pub fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = (*self.option(code)?).try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    }

    /// An option that holds 32 bits; a longer or shorter one counts as absent.
    pub fn u32(&self, code: u8) -> Option<u32> {
        let bytes: [u8; 4] = (*self.option(code)?).try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// The sender's Ethernet address, unless it is none or can't be one computer's.
    pub fn mac(&self) -> Option<MacAddr> {
        let [a, b, c, d, e, f, ..] = self.chaddr;
        let mac = MacAddr([a, b, c, d, e, f]);
        (self.htype == 1 && self.hlen == 6 && mac.is_unicast()).then_some(mac)
    }

    /// Whether the sender asks for a broadcast answer.
    pub fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST != 0
    }

    /// Asks whoever delivers this packet to broadcast it (RFC 2131 section 4.3.2, NAK by a relay).
    pub fn set_broadcast(&mut self) {
        self.flags |= BROADCAST;
    }

    /// Whether the last option is cut off by the end of the packet.
    pub fn is_truncated(&self) -> bool {
        self.tail.first().is_some_and(|&first| first != END)
    }
}

/// One line for logs and tests: what the packet is, then its options in order.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hardware = &self.chaddr[..usize::from(self.hlen).min(16)];
        write!(
            f,
            "op={} xid={:08x} secs={} flags={:04x} ci={} yi={} si={} gi={} ch={:02x?}",
            self.op,
            self.xid,
            self.secs,
            self.flags,
            self.ciaddr,
            self.yiaddr,
            self.siaddr,
            self.giaddr,
            hardware
        )?;
        for (name, field) in [("sname", &self.sname[..]), ("file", &self.file[..])] {
            let text = field.split(|&b| b == 0).next().unwrap_or(&[]);
            if !text.is_empty() {
                write!(f, " {name}=\"{}\"", text.escape_ascii())?;
            }
        }
        for item in &self.items {
            if let Item::Option { code, data } = item {
                write!(f, "\n  {code}: {}", data.escape_ascii())?;
            }
        }
        Ok(())
    }
}

/// Items up to the end mark or a cut-off option, and how many bytes they took.
fn parse_items(bytes: &[u8]) -> (Vec<Item>, usize) {
    let mut items = Vec::new();
    let mut at = 0;
    loop {
        match bytes.get(at..).unwrap_or(&[]) {
            [PAD, ..] => {
                items.push(Item::Pad);
                at += 1;
            }
            [code, len, rest @ ..] if *code != END && rest.len() >= usize::from(*len) => {
                let data = rest[..usize::from(*len)].to_vec();
                at += 2 + data.len();
                items.push(Item::Option { code: *code, data });
            }
            _ => return (items, at),
        }
    }
}

/// The parts of one option, in order.
fn parts(items: &[Item], wanted: u8) -> impl Iterator<Item = &[u8]> {
    items.iter().filter_map(move |item| match item {
        Item::Option { code, data } if *code == wanted => Some(data.as_slice()),
        _ => None,
    })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
pub(crate) mod tests;
