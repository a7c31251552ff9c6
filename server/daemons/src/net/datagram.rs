//! Datagrams with what the kernel knows about them: when they came in and to which address.

use nix::{
    libc,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg},
};
use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsRawFd, RawFd},
};
use types::Timestamp;

/// A received datagram; its bytes are in the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Bytes in the buffer.
    pub len: usize,
    /// The sender; None if the kernel named none.
    pub source: Option<SocketAddrV4>,
    /// The address in the packet's header, also a broadcast one.
    pub to: Option<Ipv4Addr>,
    /// When the kernel received it (`SO_TIMESTAMP`).
    pub at: Option<Timestamp>,
}

/// Room for the control messages that [`receive`] reads.
pub struct Control(Vec<u8>);

impl Default for Control {
    fn default() -> Self {
        Control(nix::cmsg_space!(libc::timeval, libc::in_pktinfo))
    }
}

/// Takes one datagram from a non-blocking socket; `WouldBlock` when there is none. One that does
/// not fit the buffer is an error of kind `InvalidData`, and gone.
pub fn receive(
    socket: &impl AsRawFd,
    buffer: &mut [u8],
    control: &mut Control,
) -> io::Result<Datagram> {
    let fd: RawFd = socket.as_raw_fd();
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control.0), MsgFlags::empty())?;
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the datagram is larger than any DHCP packet",
        ));
    }
    let mut datagram = Datagram {
        len: message.bytes,
        source: message.address.map(SocketAddrV4::from),
        to: None,
        at: None,
    };
    // An error says that something was cut off; the packet is good without it.
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::ScmTimestamp(t) => {
                datagram.at = Some(Timestamp(t.tv_sec() * 1_000_000 + t.tv_usec()));
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                datagram.to = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()));
            }
            _ => {}
        }
    }
    Ok(datagram)
}

/// Sends one datagram from the local address `from`, which an interface with several addresses
/// would not choose by itself.
pub fn send(
    socket: &impl AsRawFd,
    payload: &[u8],
    from: Ipv4Addr,
    to: SocketAddrV4,
) -> io::Result<()> {
    let info = libc::in_pktinfo {
        // The socket is bound to its interface already.
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(from.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    let slices = [IoSlice::new(payload)];
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    sendmsg(
        socket.as_raw_fd(),
        &slices,
        &control,
        MsgFlags::empty(),
        Some(&SockaddrIn::from(to)),
    )?;
    Ok(())
}
