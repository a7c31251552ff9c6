//! Sockets on a chosen interface, also inside a named network namespace.
//!
//! A socket belongs to the namespace it was created in, for ever. So one plain thread enters the
//! namespace (`setns(2)` changes the calling thread only, which rules out the runtime's threads),
//! creates the sockets there and hands them out. Everything else runs where it always does.

pub mod arp;
pub mod datagram;
pub mod echo;
mod frame;

pub use arp::ArpSocket;
pub use echo::EchoSocket;
pub use frame::FrameSender;

use nix::{
    ifaddrs::getifaddrs,
    net::if_::InterfaceFlags,
    sched::{CloneFlags, setns},
    sys::socket::{
        setsockopt,
        sockopt::{Ipv4PacketInfo, RcvBufForce, ReceiveTimestamp},
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, TcpListener, UdpSocket},
    sync::mpsc,
    thread,
};
use types::MacAddr;

/// Connections that may wait to be accepted; a classroom that starts at once fits.
const BACKLOG: i32 = 1024;
/// Receive buffer of the DHCP socket in bytes: a thousand machines that start in one second.
const DHCP_RECEIVE_BUFFER: usize = 4 << 20;

/// Why the network could not be used: what was tried, why it failed, what to do.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The name can't be one of a namespace.
    #[error("network namespace name {0:?} is not valid; use the name that `ip netns list` shows")]
    NamespaceName(String),
    /// The namespace is not there or may not be entered.
    #[error(
        "cannot enter network namespace {name}: {source}; create it with `ip netns add {name}` and run as root"
    )]
    Namespace {
        name: String,
        #[source]
        source: io::Error,
    },
    /// No such interface in this namespace.
    #[error("network interface {0} does not exist here; `ip link` lists those that do")]
    NoInterface(String),
    /// The interface has no IPv4 address.
    #[error("network interface {0} has no IPv4 address; give it one with `ip address add`")]
    NoAddress(String),
    /// A socket call failed.
    #[error("cannot {what}: {source}{}", advice(.source))]
    Socket {
        what: String,
        #[source]
        source: io::Error,
    },
    /// The thread is gone, which only happens when it panicked or the process ends.
    #[error("the network thread has ended; restart the server")]
    Gone,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port, find it with `ss -lnp` and stop it"
        }
        io::ErrorKind::PermissionDenied => {
            "; run as root or give CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; the interface has lost this address",
        _ => "",
    }
}

/// An interface as it was when asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    pub name: String,
    /// Number of the interface in its namespace.
    pub index: u32,
    /// None on a loopback or tunnel.
    pub mac: Option<MacAddr>,
    /// The first IPv4 address.
    pub address: Ipv4Addr,
    pub prefix_len: u8,
    /// Administratively up.
    pub is_up: bool,
}

impl Interface {
    /// The network mask of the prefix.
    pub fn netmask(&self) -> Ipv4Addr {
        netmask(self.prefix_len)
    }
}

/// The mask with `prefix_len` leading ones; more than 32 counts as 32.
pub fn netmask(prefix_len: u8) -> Ipv4Addr {
    let zeros = 32 - u32::from(prefix_len.min(32));
    Ipv4Addr::from_bits(u32::MAX.checked_shl(zeros).unwrap_or(0))
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread inside a network namespace, or in the host's own. Cheap to clone; the thread ends with
/// the last clone, the sockets it made live on.
#[derive(Clone)]
pub struct NetThread {
    jobs: mpsc::Sender<Job>,
    namespace: Option<String>,
}

impl NetThread {
    /// Starts the thread; it enters `/run/netns/NAME` before this returns.
    pub fn enter(namespace: Option<&str>) -> Result<NetThread, NetError> {
        let target = namespace.map(open_namespace).transpose()?;
        let name = namespace.unwrap_or("host").to_owned();
        let (jobs, queue) = mpsc::channel::<Job>();
        let (ready, entered) = mpsc::channel();
        thread::Builder::new()
            .name(format!("net-{name}").chars().take(15).collect())
            .spawn(move || {
                let result = target.map_or(Ok(()), |file| setns(file, CloneFlags::CLONE_NEWNET));
                let failed = result.is_err();
                if ready.send(result).is_err() || failed {
                    return;
                }
                for job in queue {
                    job();
                }
            })
            .map_err(|source| NetError::Socket {
                what: "start the network thread".into(),
                source,
            })?;
        entered
            .recv()
            .map_err(|_| NetError::Gone)?
            .map_err(|errno| NetError::Namespace {
                name,
                source: errno.into(),
            })?;
        Ok(NetThread {
            jobs,
            namespace: namespace.map(str::to_owned),
        })
    }

    /// The namespace that was entered.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Runs `job` on the thread and waits for it. For calls that end at once.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NetError> {
        let (answer, result) = mpsc::channel();
        self.jobs
            .send(Box::new(move || {
                // The asker waits below, so a failed send means that it panicked meanwhile.
                let _ = answer.send(job());
            }))
            .map_err(|_| NetError::Gone)?;
        result.recv().map_err(|_| NetError::Gone)
    }

    /// Address, prefix, MAC and number of an interface, as they are now.
    pub fn interface(&self, name: &str) -> Result<Interface, NetError> {
        let name = name.to_owned();
        self.run(move || read_interface(name))?
    }

    /// A DHCP socket of an interface: port 67 or 4011, broadcast, with the kernel's receive times and
    /// packet infos for [`datagram::receive`]; hears and answers on `device` only. Non-blocking.
    pub fn dhcp(&self, device: &str, port: u16) -> Result<UdpSocket, NetError> {
        let device = device.to_owned();
        self.run(move || {
            make(
                format!("listen for DHCP on port {port} of {device}"),
                || -> io::Result<UdpSocket> {
                    let socket =
                        bound_to_device(Domain::IPV4, Type::DGRAM, Protocol::UDP, &device)?;
                    socket.set_reuse_address(true)?;
                    socket.set_broadcast(true)?;
                    // Past `net.core.rmem_max`, which caps what may be asked for without the right.
                    if setsockopt(&socket, RcvBufForce, &DHCP_RECEIVE_BUFFER).is_err() {
                        socket.set_recv_buffer_size(DHCP_RECEIVE_BUFFER)?;
                    }
                    setsockopt(&socket, ReceiveTimestamp, &true)?;
                    setsockopt(&socket, Ipv4PacketInfo, &true)?;
                    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
                    Ok(socket.into())
                },
            )
        })?
    }

    /// A UDP socket on a local address and `device`; port 0 picks a free one, as each TFTP
    /// transfer needs. Non-blocking.
    pub fn udp(&self, device: &str, local: SocketAddrV4) -> Result<UdpSocket, NetError> {
        let device = device.to_owned();
        self.run(move || {
            make(format!("open UDP {local} on {device}"), || {
                let socket = bound_to_device(Domain::IPV4, Type::DGRAM, Protocol::UDP, &device)?;
                socket.bind(&local.into())?;
                Ok(socket.into())
            })
        })?
    }

    /// A raw ICMPv6 socket that hears what is sent to all routers of the link (RFC 4291 section
    /// 2.7.1). It is a datagram socket to its user, and the port of an address in it is 0. Non-blocking.
    pub fn solicitations(&self, interface: &Interface) -> Result<UdpSocket, NetError> {
        const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
        let (device, index) = (interface.name.clone(), interface.index);
        self.run(move || {
            make(format!("hear router solicitations on {device}"), || {
                let socket = bound_to_device(Domain::IPV6, Type::RAW, Protocol::ICMPV6, &device)?;
                socket.join_multicast_v6(&ALL_ROUTERS, index)?;
                // Proof of the same link to who receives it (RFC 4861 section 6.1.2).
                socket.set_unicast_hops_v6(255)?;
                Ok(socket.into())
            })
        })?
    }

    /// A TCP listener on a local address, reachable through `device` only. Non-blocking.
    pub fn tcp_listen(&self, device: &str, local: SocketAddrV4) -> Result<TcpListener, NetError> {
        let device = device.to_owned();
        self.run(move || {
            make(format!("listen on TCP {local} of {device}"), || {
                let socket = bound_to_device(Domain::IPV4, Type::STREAM, Protocol::TCP, &device)?;
                // A restarted server must not wait for old connections to time out.
                socket.set_reuse_address(true)?;
                socket.bind(&local.into())?;
                socket.listen(BACKLOG)?;
                Ok(socket.into())
            })
        })?
    }

    /// A socket that asks who uses an address; None on an interface without Ethernet.
    pub fn arp(&self, interface: &Interface) -> Result<Option<ArpSocket>, NetError> {
        let Some(mac) = interface.mac else {
            return Ok(None);
        };
        let index = interface.index;
        let what = format!("open an ARP socket on {}", interface.name);
        self.run(move || make(what, || ArpSocket::open(index, mac).map(Some)))?
    }

    /// A socket that asks by way of `interface` whether an address is used.
    pub fn echo(&self, interface: &Interface) -> Result<EchoSocket, NetError> {
        let device = interface.name.clone();
        let what = format!("open an ICMP socket on {device}");
        self.run(move || make(what, || EchoSocket::open(&device)))?
    }

    /// Our own address on the way to another one, by the routes as they are now. Nothing is sent.
    pub fn source_to(&self, address: Ipv4Addr) -> Result<Option<Ipv4Addr>, NetError> {
        self.run(move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
            socket.connect((address, 9)).ok()?;
            match socket.local_addr().ok()?.ip() {
                IpAddr::V4(ours) => Some(ours),
                IpAddr::V6(_) => None,
            }
        })
    }

    /// A sender of UDP packets to computers that have no address yet.
    pub fn frames(&self, interface: &Interface) -> Result<FrameSender, NetError> {
        let index = interface.index;
        let what = format!("open a packet socket on {}", interface.name);
        self.run(move || make(what, || FrameSender::open(index)))?
    }
}

fn open_namespace(name: &str) -> Result<File, NetError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(NetError::NamespaceName(name.to_owned()));
    }
    File::open(format!("/run/netns/{name}")).map_err(|source| NetError::Namespace {
        name: name.to_owned(),
        source,
    })
}

fn make<T>(what: String, open: impl FnOnce() -> io::Result<T>) -> Result<T, NetError> {
    open().map_err(|source| NetError::Socket { what, source })
}

fn bound_to_device(
    family: Domain,
    kind: Type,
    protocol: Protocol,
    device: &str,
) -> io::Result<Socket> {
    let socket = Socket::new(family, kind.nonblocking().cloexec(), Some(protocol))?;
    socket.bind_device(Some(device.as_bytes()))?;
    Ok(socket)
}

fn read_interface(name: String) -> Result<Interface, NetError> {
    let all = getifaddrs().map_err(|errno| NetError::Socket {
        what: "list the network interfaces".into(),
        source: errno.into(),
    })?;
    let (mut link, mut inet) = (None, None);
    for entry in all.filter(|entry| entry.interface_name == name) {
        let Some(address) = entry.address else {
            continue;
        };
        if let Some(l) = address.as_link_addr() {
            link = Some((l.ifindex(), l.addr(), entry.flags));
        }
        if let (None, Some(v4)) = (inet, address.as_sockaddr_in()) {
            let mask = entry
                .netmask
                .and_then(|m| m.as_sockaddr_in().map(|m| m.ip().to_bits()))
                .unwrap_or(u32::MAX);
            inet = Some((v4.ip(), mask.leading_ones() as u8));
        }
    }
    let Some((index, mac, flags)) = link else {
        return Err(NetError::NoInterface(name));
    };
    let Some((address, prefix_len)) = inet else {
        return Err(NetError::NoAddress(name));
    };
    Ok(Interface {
        index: u32::try_from(index).unwrap_or(0),
        mac: mac.map(MacAddr).filter(|m| m.0 != [0; 6]),
        address,
        prefix_len,
        is_up: flags.contains(InterfaceFlags::IFF_UP),
        name,
    })
}

#[cfg(test)]
mod tests;
