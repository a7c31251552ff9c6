//! The one module with unsafe code: a link-layer address for `sendto(2)`, which neither `socket2`
//! nor `nix` can build safely.
#![allow(unsafe_code)]

use nix::libc;
use socket2::SockAddr;
use std::{io, mem};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_and_length_are_those_of_a_link_address() {
        let address = link_address(7, IPV4, MacAddr([2, 0, 0, 0, 0, 9])).expect("a small index");
        assert_eq!(i32::from(address.family()), libc::AF_PACKET);
        assert_eq!(address.len() as usize, mem::size_of::<libc::sockaddr_ll>());
        assert!(link_address(u32::MAX, IPV4, MacAddr([0; 6])).is_err());
    }
}
