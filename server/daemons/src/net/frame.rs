//! UDP to a computer that has no address yet: it can't answer ARP, so the packet is addressed to
//! its Ethernet address directly (RFC 2131 section 4.1).

use crate::sys;
use nix::libc;
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};
use types::MacAddr;

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// The most UDP payload of one unfragmented IPv4 packet.
const MAX_PAYLOAD: usize = 65_535 - IP_HEADER - UDP_HEADER;

/// Sends UDP packets on one interface to given Ethernet addresses.
pub struct FrameSender {
    socket: Socket,
    index: u32,
}

impl FrameSender {
    pub(super) fn open(index: u32) -> io::Result<FrameSender> {
        // Protocol 0: this socket never receives, so that it costs nothing while it waits.
        let socket = Socket::new(
            Domain::from(libc::AF_PACKET),
            Type::DGRAM.nonblocking().cloexec(),
            None,
        )?;
        Ok(FrameSender { socket, index })
    }

    /// Sends `payload` to the Ethernet address `to`, as from `source` to `destination`.
    pub fn send(
        &self,
        to: MacAddr,
        source: SocketAddrV4,
        destination: SocketAddrV4,
        payload: &[u8],
    ) -> io::Result<()> {
        let packet = udp_packet(source, destination, payload)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "payload too large"))?;
        let address = sys::link_address(self.index, sys::IPV4, to)?;
        self.socket.send_to(&packet, &address).map(drop)
    }
}

/// An IPv4 packet (RFC 791) with a UDP datagram (RFC 768) in it; None if the payload doesn't fit.
fn udp_packet(source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let udp_len = (UDP_HEADER + payload.len()) as u16;
    let total = (IP_HEADER as u16) + udp_len;
    let mut p = Vec::with_capacity(usize::from(total));
    p.extend([0x45, 0x10]); // version 4, five words; low delay, as every DHCP server sets
    p.extend(total.to_be_bytes());
    p.extend([0, 0, 0x40, 0]); // no identification, don't fragment
    p.extend([64, libc::IPPROTO_UDP as u8, 0, 0]);
    p.extend(source.ip().octets());
    p.extend(destination.ip().octets());
    let header_sum = checksum(0, &p);
    p[10..12].copy_from_slice(&header_sum.to_be_bytes());
    p.extend(source.port().to_be_bytes());
    p.extend(destination.port().to_be_bytes());
    p.extend(udp_len.to_be_bytes());
    p.extend([0, 0]);
    p.extend(payload);
    let pseudo = pseudo_header_sum(*source.ip(), *destination.ip(), udp_len);
    // A sum of zero would mean "no checksum" (RFC 768), its other form is all ones.
    let sum = match checksum(pseudo, &p[IP_HEADER..]) {
        0 => 0xffff,
        sum => sum,
    };
    p[26..28].copy_from_slice(&sum.to_be_bytes());
    Some(p)
}

fn pseudo_header_sum(source: Ipv4Addr, destination: Ipv4Addr, udp_len: u16) -> u32 {
    let halves = |a: Ipv4Addr| (a.to_bits() >> 16) + (a.to_bits() & 0xffff);
    halves(source) + halves(destination) + libc::IPPROTO_UDP as u32 + u32::from(udp_len)
}

/// The Internet checksum (RFC 1071) of `bytes`, starting from `sum`.
fn checksum(mut sum: u32, bytes: &[u8]) -> u16 {
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        // Folding as we go keeps the sum below 2^17 for any length.
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_verifies_with_its_own_checksums() {
        let source = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 67);
        let destination = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 100), 68);
        for payload in [&b""[..], b"x", b"odd", &[0xff; 300]] {
            let p = udp_packet(source, destination, payload).expect("fits");
            assert_eq!(p.len(), 28 + payload.len());
            assert_eq!(checksum(0, &p[..20]), 0);
            let pseudo =
                pseudo_header_sum(*source.ip(), *destination.ip(), (8 + payload.len()) as u16);
            assert_eq!(checksum(pseudo, &p[20..]), 0, "{payload:?}");
        }
        assert!(udp_packet(source, destination, &vec![0; 65_508]).is_none());
    }

    #[test]
    fn known_header_checksum() {
        // The worked example of the Wikipedia article "Internet checksum".
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(checksum(0, &header), 0xb861);
    }
}
