//! One DHCP port of one interface: taking packets, telling the boots, sending answers. What is decided
//! about a packet is the business of `dispatch` (full mode) and `beside` (proxy mode and port 4011).

use super::{
    reply::{Answer, Destination, Settings},
    session::{BootAdvisor, Decision},
    wire::Packet,
};
use crate::net::{FrameSender, Interface, NetError, NetThread, datagram};
use engine::{
    Counters,
    boot::{Signal, Who},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};
use tokio::{io::Interest, net::UdpSocket, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use types::{MacAddr, Timestamp};

/// Packets taken before the runtime gets a turn and the batch's leases are stored.
const BATCH: usize = 64;
/// Larger than any DHCP packet on Ethernet, jumbo frames included.
const BUFFER: usize = 9216;

/// Answers of one port that may be held back at a time.
const MAX_WAITING: usize = 1024;

/// What DHCP asks of, and tells, the boots. Calls must not block.
pub trait Boots: BootAdvisor + Send + Sync + 'static {
    /// Something was seen at that moment.
    fn signal(&self, who: Who, at: Timestamp, signal: Signal);
    /// This computer has, or is about to have, that address from another server.
    fn overheard(&self, mac: MacAddr, address: Ipv4Addr);
}

/// Where answers leave.
pub(super) trait Outlet: Send + Sync + 'static {
    /// Sends a packet.
    fn transmit(&self, bytes: &[u8], to: Destination) -> io::Result<()>;
}

/// What all that answers on one interface has in common, but for its socket.
pub(super) struct Port<O> {
    /// The boot network's, for the log.
    pub name: String,
    pub settings: Settings,
    /// Those of the administrators, as they are now.
    pub rules: engine::Settings,
    pub boots: Arc<dyn Boots>,
    pub outlet: O,
    pub counters: Arc<Counters>,
    pub held: Held,
}

/// Answers that are held back.
pub(super) struct Held {
    seats: Arc<Semaphore>,
    /// The port is no longer served: none of them leaves.
    over: CancellationToken,
}

impl Held {
    fn with_seats(seats: usize) -> Held {
        Held {
            seats: Arc::new(Semaphore::new(seats)),
            over: CancellationToken::new(),
        }
    }

    /// Drops those that wait, and all that come.
    pub fn end(&self) {
        self.over.cancel();
    }
}

impl Default for Held {
    fn default() -> Held {
        Held::with_seats(MAX_WAITING)
    }
}

impl<O: Outlet> Port<O> {
    /// The packet in a datagram; None, and counted, when it is none.
    pub fn read(&self, bytes: &[u8], source: Option<SocketAddrV4>) -> Option<Packet> {
        match Packet::decode(bytes) {
            Ok(packet) => {
                self.count(&packet);
                Some(packet)
            }
            Err(error) => {
                self.counters.dhcp.malformed.add(1);
                tracing::debug!(?source, %error, "not a DHCP packet");
                None
            }
        }
    }

    /// Whether option 61 goes back now.
    pub fn echoes_client_id(&self) -> bool {
        self.rules.with(|values| values.echo_client_id)
    }

    /// Tells the boots what a packet showed; the machine that it is about, unless it names none.
    pub fn tell(&self, decision: &mut Decision, at: Timestamp) -> Option<MacAddr> {
        let mac = decision.machine.as_ref()?.mac;
        if let Some(address) = decision.heard {
            self.boots.overheard(mac, address);
        }
        for signal in decision.seen.drain(..) {
            self.boots.signal(Who::Mac(mac), at, signal);
        }
        Some(mac)
    }

    /// Sends an answer, or holds it back as long as it says. Call it inside a tokio runtime.
    pub fn send(self: &Arc<Self>, mac: MacAddr, answer: Answer) {
        if answer.delay.is_zero() {
            return self.send_now(mac, answer);
        }
        let Ok(seat) = self.held.seats.clone().try_acquire_owned() else {
            tracing::debug!(%mac, "too many answers wait already; the computer will ask again");
            return;
        };
        let this = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(answer.delay) => this.send_now(mac, answer),
                () = this.held.over.cancelled() => {}
            }
            drop(seat);
        });
    }

    fn send_now(&self, mac: MacAddr, answer: Answer) {
        let bytes = answer.packet.encode_padded();
        if let Err(error) = self.outlet.transmit(&bytes, answer.to) {
            // Datagrams may get lost on any cable: the client asks again.
            tracing::warn!(scope = self.name, %mac, to = ?answer.to, %error, "a DHCP answer could not be sent");
            return;
        }
        self.count(&answer.packet);
        if let Some(signal) = answer.sent {
            self.boots.signal(Who::Mac(mac), engine::now(), signal);
        }
    }

    fn count(&self, packet: &Packet) {
        let kind = packet.message_type().map(|kind| kind as u8);
        self.counters.dhcp.message(kind);
    }
}

/// The sockets of one port.
pub(super) struct Sockets {
    socket: UdpSocket,
    frames: FrameSender,
    server: Ipv4Addr,
}

impl Sockets {
    /// Opens a port of an interface. Call it inside a tokio runtime.
    pub fn open(net: &NetThread, interface: &Interface, port: u16) -> Result<Sockets, NetError> {
        let socket = net.dhcp(&interface.name, port)?;
        Ok(Sockets {
            socket: UdpSocket::from_std(socket).map_err(|source| NetError::Socket {
                what: format!("watch UDP port {port} of {}", interface.name),
                source,
            })?,
            frames: net.frames(interface)?,
            server: interface.address,
        })
    }

    /// Waits until there is something to take.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes what waits, up to a batch.
    ///
    /// # Errors
    /// Of the socket, unless something was taken before.
    pub fn take(
        &self,
        room: &mut Room,
        mut take: impl FnMut(&[u8], datagram::Datagram),
    ) -> io::Result<()> {
        let Room { buffer, control } = room;
        for taken in 0..BATCH {
            let received = self.socket.try_io(Interest::READABLE, || {
                datagram::receive(&self.socket, buffer, control)
            });
            match received {
                Ok(datagram) => take(&buffer[..datagram.len], datagram),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::InvalidData => tracing::debug!(error = %e),
                // What was taken before the failure is served all the same.
                Err(e) if taken == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(())
    }
}

impl Outlet for Sockets {
    fn transmit(&self, bytes: &[u8], to: Destination) -> io::Result<()> {
        let to = match to {
            Destination::Relay(relay) => SocketAddrV4::new(relay, 67),
            Destination::Unicast(client) => SocketAddrV4::new(client, 68),
            Destination::Broadcast => SocketAddrV4::new(Ipv4Addr::BROADCAST, 68),
            Destination::Port(asker) => asker,
            Destination::Frame(mac, client) => {
                let from = SocketAddrV4::new(self.server, 67);
                return self
                    .frames
                    .send(mac, from, SocketAddrV4::new(client, 68), bytes);
            }
        };
        datagram::send(&self.socket, bytes, self.server, to)
    }
}

/// Room for one datagram and what the kernel says of it.
pub(super) struct Room {
    buffer: Vec<u8>,
    control: datagram::Control,
}

impl Default for Room {
    fn default() -> Self {
        Room {
            buffer: vec![0; BUFFER],
            control: datagram::Control::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::wire::tests::sample;
    use engine::boot::{Advice, Machine};
    use std::{sync::Mutex, time::Duration};
    use tokio::time::Instant;

    struct NoBoots;
    impl BootAdvisor for NoBoots {
        fn advise(&self, _: &Machine) -> Advice {
            unreachable!("nothing is decided here")
        }
        fn host_name(&self, _: MacAddr) -> Option<String> {
            None
        }
    }
    impl Boots for NoBoots {
        fn signal(&self, _: Who, _: Timestamp, _: Signal) {}
        fn overheard(&self, _: MacAddr, _: Ipv4Addr) {}
    }

    /// When packets left.
    #[derive(Default)]
    struct Left(Mutex<Vec<Instant>>);
    impl Outlet for Left {
        fn transmit(&self, _: &[u8], _: Destination) -> io::Result<()> {
            self.0.lock().expect("whole").push(Instant::now());
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_held_back_as_long_as_it_says_and_only_so_many() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = engine::EngineConfig {
            data_dir: folder.path().to_owned(),
            ..engine::EngineConfig::default()
        };
        let engine = engine::Engine::open(config).expect("a fresh folder");
        let port = Arc::new(Port {
            name: "br0".into(),
            settings: Settings::bare(Ipv4Addr::new(10, 77, 0, 1), 24),
            rules: engine.settings().clone(),
            boots: Arc::new(NoBoots),
            outlet: Left::default(),
            counters: Arc::default(),
            held: Held::with_seats(2),
        });
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let begun = Instant::now();
        let after = |millis| Answer {
            packet: sample(),
            to: Destination::Broadcast,
            sent: None,
            delay: Duration::from_millis(millis),
        };
        let late = || after(1000);
        for answer in [after(0), late(), late(), late()] {
            port.send(mac, answer);
        }
        let left = || {
            let all = port.outlet.0.lock().expect("whole");
            all.iter()
                .map(|at| (*at - begun).as_millis())
                .collect::<Vec<_>>()
        };
        assert_eq!(left(), [0]);
        let seats = port.held.seats.acquire_many(2).await.expect("never closed");
        assert_eq!(
            left(),
            [0, 1000, 1000],
            "two seats, so the third was dropped"
        );
        drop(seats);
        // Of a network that is given up none leaves any more.
        port.send(mac, late());
        port.held.end();
        let seats = port.held.seats.acquire_many(2).await.expect("never closed");
        assert_eq!((left().len(), begun.elapsed().as_millis()), (3, 1000));
        drop(seats);
    }
}
