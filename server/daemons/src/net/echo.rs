//! Asking whether an address is used where ARP does not reach: an ICMP echo (RFC 792), as RFC 2131
//! section 2.2 has it.

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    collections::HashMap,
    io,
    net::{self, Ipv4Addr, SocketAddr, SocketAddrV4},
};
use tokio::net::UdpSocket;

const REQUEST: u8 = 8;
const REPLY: u8 = 0;
/// Identifier and number of a question. Drawn for each, as the answer must bring it back: nobody but who
/// got a question can answer it, and who got one can't answer for others.
type Token = [u8; 4];

/// Asks by way of one interface, and hears the answers.
pub struct Echo {
    /// A raw socket: to the runtime it is as one of UDP.
    socket: UdpSocket,
    asked: HashMap<Ipv4Addr, Token>,
}

/// A socket that [`Echo::new`] takes into the runtime.
pub struct EchoSocket(net::UdpSocket);

impl EchoSocket {
    pub(super) fn open(device: &str) -> io::Result<EchoSocket> {
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4))?;
        socket.bind_device(Some(device.as_bytes()))?;
        Ok(EchoSocket(socket.into()))
    }
}

impl Echo {
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the runtime can't watch the socket.
    pub fn new(opened: EchoSocket) -> io::Result<Echo> {
        let socket = UdpSocket::from_std(opened.0)?;
        let asked = HashMap::new();
        Ok(Echo { socket, asked })
    }

    /// Asks whoever has an address to answer.
    ///
    /// # Errors
    /// When there is no way to it, or the socket takes no more.
    pub fn ask(&mut self, address: Ipv4Addr) -> io::Result<()> {
        let mut token = Token::default();
        getrandom::fill(&mut token).map_err(|e| io::Error::other(e.to_string()))?;
        let to = SocketAddr::V4(SocketAddrV4::new(address, 0));
        self.socket.try_send_to(&question(token), to)?;
        self.asked.insert(address, token);
        Ok(())
    }

    /// Forgets what was asked and heard so far.
    pub fn drain(&mut self) {
        self.asked.clear();
        while self.socket.try_recv(&mut [0; 1]).is_ok() {}
    }

    /// The next address that answers what it was asked. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the socket failed.
    pub async fn hear(&self) -> io::Result<Ipv4Addr> {
        // Options of IP and eight bytes of ours: what comes behind them does not matter.
        let mut packet = [0; 68];
        loop {
            let len = self.socket.recv(&mut packet).await?;
            if let Some(address) = answerer(&packet[..len], &self.asked) {
                return Ok(address);
            }
        }
    }
}

/// Type, code, checksum, identifier and number.
fn question([a, b, c, d]: Token) -> [u8; 8] {
    let mut p = [REQUEST, 0, 0, 0, a, b, c, d];
    let sum = checksum(&p).to_be_bytes();
    p[2..4].copy_from_slice(&sum);
    p
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(folded as u16)
}

/// Who sent a packet of IP, if it is the answer to what that address was asked.
fn answerer(packet: &[u8], asked: &HashMap<Ipv4Addr, Token>) -> Option<Ipv4Addr> {
    let (version, words) = (packet.first()? >> 4, packet.first()? & 0xf);
    let message = packet.get(usize::from(words) * 4..)?;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let token: Token = message.get(4..8)?.try_into().ok()?;
    let is_reply = version == 4 && words >= 5 && message.first() == Some(&REPLY);
    let source = Ipv4Addr::from(source);
    (is_reply && asked.get(&source) == Some(&token)).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_whole_and_only_its_answer_says_who() {
        let (who, other) = (Ipv4Addr::new(10, 20, 0, 7), Ipv4Addr::new(10, 20, 0, 8));
        let asked = HashMap::from([(who, [1, 2, 3, 4]), (other, [5, 6, 7, 8])]);
        let answerer = |packet: &[u8]| answerer(packet, &asked);
        let question = question(asked[&who]);
        assert_eq!(checksum(&question), 0);
        let mut packet = [0_u8; 28];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&who.octets());
        packet[20..].copy_from_slice(&question);
        assert_eq!(answerer(&packet), None, "a question");
        packet[20] = REPLY;
        assert_eq!(answerer(&packet), Some(who));
        // The last three: made up, or by one who speaks for another.
        for (at, byte) in [
            (0, 0x65),
            (0, 0x44),
            (0, 0x4f),
            (20, 3),
            (24, 9),
            (27, 9),
            (15, 8),
        ] {
            let mut odd = packet;
            odd[at] = byte;
            assert_eq!(answerer(&odd), None, "{at}");
        }
        for len in 0..28 {
            assert_eq!(answerer(&packet[..len]), None, "{len}");
        }
    }
}
