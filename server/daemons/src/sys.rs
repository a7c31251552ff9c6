//! The one module with unsafe code: a link-layer address for `sendto(2)` and a socket option, which
//! neither `socket2` nor `nix` has.
#![allow(unsafe_code)]

use nix::libc;
use socket2::SockAddr;
use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
};
use types::MacAddr;

/// EtherType of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub(crate) const ARP: u16 = 0x0806;

/// The `sockaddr_ll` of a protocol that sends out of interface `index` to the Ethernet address `to`.
pub(crate) fn link_address(index: u32, protocol: u16, to: MacAddr) -> io::Result<SockAddr> {
    let sll_ifindex = libc::c_int::try_from(index)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "interface index too large"))?;
    let mut sll_addr = [0u8; 8];
    sll_addr[..6].copy_from_slice(&to.0);
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: protocol.to_be(),
        sll_ifindex,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr,
    };
    // SAFETY: `sockaddr_storage` is larger than `sockaddr_ll` and aligned for every socket address
    // (POSIX), it is zeroed by `try_init`, and family and length are those of `sockaddr_ll`.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, len| {
            storage.cast::<libc::sockaddr_ll>().write(address);
            *len = mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })
    }?;
    Ok(address)
}

/// Sends no faster than this over a TCP socket, spread evenly (`SO_MAX_PACING_RATE`, socket(7); TCP does
/// it by itself since Linux 4.13).
///
/// # Errors
/// Of the kernel.
pub fn pace(socket: &impl AsFd, bytes_per_second: u32) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the option takes a 32-bit number, which lives until the call returns, and the descriptor is
    // borrowed for as long.
    let status = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            std::ptr::from_ref(&bytes_per_second).cast(),
            mem::size_of::<u32>() as libc::socklen_t,
        )
    };
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn a_paced_socket_takes_its_time() {
        const BYTES: usize = 2 << 20;
        let took = |rate: Option<u32>| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
            let to = listener.local_addr().expect("bound");
            let writer = thread::spawn(move || {
                let (mut socket, _) = listener.accept().expect("a peer");
                if let Some(rate) = rate {
                    pace(&socket, rate).expect("Linux 4.13");
                }
                socket.write_all(&vec![7; BYTES]).expect("written");
            });
            let begun = Instant::now();
            let mut all = Vec::new();
            let mut peer = TcpStream::connect(to).expect("listening");
            peer.read_to_end(&mut all).expect("read");
            writer.join().expect("no panic");
            assert_eq!(all.len(), BYTES);
            begun.elapsed()
        };
        // The kernel paces from the tenth segment on, here of 64 KiB: what is left takes 0.7 s.
        assert!(took(Some(2 << 20)) >= Duration::from_millis(400));
        assert!(took(None) < took(Some(2 << 20)));
    }

    #[test]
    fn family_and_length_are_those_of_a_link_address() {
        let address = link_address(7, IPV4, MacAddr([2, 0, 0, 0, 0, 9])).expect("a small index");
        assert_eq!(i32::from(address.family()), libc::AF_PACKET);
        assert_eq!(address.len() as usize, mem::size_of::<libc::sockaddr_ll>());
        assert!(link_address(u32::MAX, IPV4, MacAddr([0; 6])).is_err());
    }
}
