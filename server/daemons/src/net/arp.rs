//! Asking a wire who uses an address: ARP (RFC 826), by the probe of RFC 5227.

use crate::sys::{self, ARP};
use nix::libc;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    io::{self, Read},
    net::{self, Ipv4Addr},
};
use tokio::{io::Interest, net::UdpSocket};
use types::MacAddr;

/// Ethernet and IPv4, with addresses of 6 and 4 bytes.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// Bytes of such a packet.
const LEN: usize = 28;
const REQUEST: u16 = 1;

/// Asks on one interface, and hears what is said there.
pub struct Arp {
    /// A datagram socket of packets: to the runtime it is as one of UDP.
    socket: UdpSocket,
    index: u32,
    mac: MacAddr,
}

/// A socket that [`Arp::new`] takes into the runtime.
pub struct ArpSocket {
    socket: net::UdpSocket,
    index: u32,
    mac: MacAddr,
}

impl ArpSocket {
    pub(super) fn open(index: u32, mac: MacAddr) -> io::Result<ArpSocket> {
        let protocol = Protocol::from(i32::from(ARP.to_be()));
        let socket = Socket::new(
            Domain::from(libc::AF_PACKET),
            Type::DGRAM.nonblocking().cloexec(),
            Some(protocol),
        )?;
        socket.bind(&sys::link_address(index, ARP, mac)?)?;
        Ok(ArpSocket {
            socket: socket.into(),
            index,
            mac,
        })
    }
}

impl Arp {
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the runtime can't watch the socket.
    pub fn new(opened: ArpSocket) -> io::Result<Arp> {
        Ok(Arp {
            socket: UdpSocket::from_std(opened.socket)?,
            index: opened.index,
            mac: opened.mac,
        })
    }

    /// Asks who has an address, without saying that it is ours.
    ///
    /// # Errors
    /// When the socket takes no more.
    pub fn ask(&self, address: Ipv4Addr) -> io::Result<()> {
        let to = sys::link_address(self.index, ARP, MacAddr([0xff; 6]))?;
        let packet = probe(self.mac, address);
        SockRef::from(&self.socket).send_to(&packet, &to).map(drop)
    }

    /// Forgets what was heard so far.
    pub fn drain(&self) {
        let read = || (&*SockRef::from(&self.socket)).read(&mut [0; LEN]);
        while self.socket.try_io(Interest::READABLE, read).is_ok() {}
    }

    /// The next one who says that an address is theirs. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the socket fails, e.g. because the interface went down.
    pub async fn hear(&self) -> io::Result<(Ipv4Addr, MacAddr)> {
        loop {
            self.socket.readable().await?;
            let mut packet = [0; LEN];
            // Padding of the frame is left out.
            let read = || (&*SockRef::from(&self.socket)).read(&mut packet);
            match self.socket.try_io(Interest::READABLE, read) {
                Ok(length) => match user(&packet[..length]) {
                    Some(user) => return Ok(user),
                    None => continue,
                },
                // Nothing after all.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(e) => return Err(e),
            }
        }
    }
}

/// A question with no sender's address in it, so that nobody learns a wrong one (RFC 5227 section 2.1.1).
fn probe(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut p = Vec::with_capacity(LEN);
    p.extend(KIND);
    p.extend(REQUEST.to_be_bytes());
    p.extend(mac.0);
    p.extend(Ipv4Addr::UNSPECIFIED.octets());
    p.extend([0; 6]);
    p.extend(address.octets());
    p
}

/// Who sent a packet, and the address that it has; None for a probe and for what is no such packet.
fn user(packet: &[u8]) -> Option<(Ipv4Addr, MacAddr)> {
    let packet: &[u8; LEN] = packet.try_into().ok()?;
    let address = Ipv4Addr::new(packet[14], packet[15], packet[16], packet[17]);
    let mac: [u8; 6] = packet[8..14].try_into().ok()?;
    let is_use = packet[..6] == KIND && !address.is_unspecified();
    (is_use && MacAddr(mac).is_unicast()).then_some((address, MacAddr(mac)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_says_nothing_and_an_answer_says_who() {
        let (us, them) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 9]));
        let address = Ipv4Addr::new(10, 77, 0, 100);
        let asked = probe(us, address);
        assert_eq!((asked.len(), user(&asked)), (LEN, None));
        let mut answer = asked;
        answer[7] = 2;
        answer[8..14].copy_from_slice(&them.0);
        answer[14..18].copy_from_slice(&address.octets());
        assert_eq!(user(&answer), Some((address, them)));
        for (at, byte) in [(1, 6), (3, 6), (4, 8), (5, 16), (8, 1)] {
            let mut odd = answer.clone();
            odd[at] = byte;
            assert_eq!(user(&odd), None, "{at}");
        }
        assert_eq!(user(&answer[..27]), None);
        assert_eq!(user(&[]), None);
    }
}
