//! The socket loop of one boot network.
//!
//! Each wake-up takes a batch of packets, decides about them in memory, answers what needs no
//! record at once, and stores the leases of the batch together; their ACKs leave when the store
//! says that they are durable. The loop itself never waits for the database.

use super::{
    reply::{Answer, Destination, Settings},
    session::{self, Arrival, BootAdvisor, Decision, Outcome},
    wire::Packet,
};
use crate::net::{FrameSender, NetError, NetThread, datagram};
use engine::{
    Networks,
    boot::{Signal, Who},
    leases::{Lease, Scope},
};
use std::{io, net::SocketAddrV4, sync::Arc, time::Duration};
use tokio::{io::Interest, net::UdpSocket, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use types::{MacAddr, Timestamp};

/// Packets taken before the runtime gets a turn and the batch's leases are stored.
const BATCH: usize = 64;
/// Batches that may wait for the disk; beyond, the kernel's buffer fills and clients ask again.
const MAX_COMMITS: usize = 256;
/// Larger than any DHCP packet on Ethernet, jumbo frames included.
const BUFFER: usize = 9216;
/// How often the page learns how full the range is, if that changed.
const USAGE_PERIOD: Duration = Duration::from_secs(1);
/// Pause after the socket failed, e.g. because the interface went down.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// What DHCP asks of, and tells, the boots. Calls must not block.
pub trait Boots: BootAdvisor + Send + Sync + 'static {
    /// Something was seen at that moment.
    fn signal(&self, who: Who, at: Timestamp, signal: Signal);
}

/// DHCP on one interface, ready to run.
pub struct Dhcp {
    wire: Arc<Wire>,
    scope: Arc<Scope>,
    boots: Arc<dyn Boots>,
    networks: Networks,
}

/// What sends. Shared with the tasks that wait for the disk.
struct Wire {
    settings: Settings,
    socket: UdpSocket,
    frames: FrameSender,
    device: String,
}

/// The leases of a batch and the answers that wait for them.
#[derive(Default)]
struct Batch {
    leases: Vec<Lease>,
    answers: Vec<(MacAddr, Box<Answer>)>,
}

impl Dhcp {
    /// Opens the sockets of `device` inside the namespace of `net`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the interface is not there or port 67 of it is taken.
    pub fn open(
        net: &NetThread,
        device: &str,
        settings: Settings,
        scope: Arc<Scope>,
        boots: Arc<dyn Boots>,
        networks: Networks,
    ) -> Result<Dhcp, NetError> {
        let interface = net.interface(device)?;
        let socket = UdpSocket::from_std(net.dhcp(device)?).map_err(|source| NetError::Socket {
            what: format!("watch the DHCP socket of {device}"),
            source,
        })?;
        let wire = Wire {
            settings,
            socket,
            frames: net.frames(&interface)?,
            device: device.to_owned(),
        };
        Ok(Dhcp {
            wire: Arc::new(wire),
            scope,
            boots,
            networks,
        })
    }

    /// Serves until `cancel`; then waits for the leases under way, so that none is half given.
    pub async fn run(self, cancel: CancellationToken) {
        let mut buffer = vec![0; BUFFER];
        let mut control = datagram::Control::default();
        let mut commits: JoinSet<()> = JoinSet::new();
        let mut tick = tokio::time::interval(USAGE_PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(_) = commits.join_next() => continue,
                _ = tick.tick() => {
                    self.report_usage();
                    continue;
                }
                ready = self.wire.socket.readable(), if commits.len() < MAX_COMMITS => {
                    let taken = ready.and_then(|()| self.take_batch(&mut buffer, &mut control));
                    match taken {
                        Ok(batch) if batch.leases.is_empty() => {}
                        Ok(batch) => self.store(batch, &mut commits),
                        Err(error) => {
                            let device = &self.wire.device;
                            tracing::warn!(device, %error, "DHCP can't receive; is the interface up?");
                            tokio::time::sleep(FAILURE_PAUSE).await;
                        }
                    }
                }
            }
        }
        while commits.join_next().await.is_some() {}
    }

    fn take_batch(&self, buffer: &mut [u8], control: &mut datagram::Control) -> io::Result<Batch> {
        let socket = &self.wire.socket;
        let mut batch = Batch::default();
        for _ in 0..BATCH {
            let received = socket.try_io(Interest::READABLE, || {
                datagram::receive(socket, buffer, control)
            });
            match received {
                Ok(datagram) => self.packet(&buffer[..datagram.len], datagram, &mut batch),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::InvalidData => tracing::debug!(error = %e),
                // What was taken before the failure is served all the same.
                Err(e) if batch.leases.is_empty() => return Err(e),
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    fn packet(&self, bytes: &[u8], datagram: datagram::Datagram, batch: &mut Batch) {
        let packet = match Packet::decode(bytes) {
            Ok(packet) => packet,
            Err(error) => {
                tracing::debug!(source = ?datagram.source, %error, "not a DHCP packet");
                return;
            }
        };
        let settings = &self.wire.settings;
        let arrival = Arrival {
            packet: &packet,
            to_us: datagram.to == Some(settings.server),
            at: datagram.at.unwrap_or_else(engine::now),
        };
        let decision = self
            .scope
            .with_pool(|pool| session::decide(arrival, settings, pool, &*self.boots));
        self.act(decision, arrival.at, batch);
    }

    fn act(&self, decision: Decision, at: Timestamp, batch: &mut Batch) {
        let Some(mac) = decision.machine.map(|m| m.mac) else {
            if let Outcome::Silent(why) = decision.outcome {
                tracing::debug!(why, "a DHCP packet is not answered");
            }
            return;
        };
        for signal in decision.seen {
            self.boots.signal(Who::Mac(mac), at, signal);
        }
        match decision.outcome {
            Outcome::Silent(why) => tracing::debug!(%mac, why, "a DHCP packet is not answered"),
            Outcome::Answer(answer) => self.wire.send(&*self.boots, mac, *answer),
            Outcome::Commit(lease, answer) => {
                batch.leases.push(lease);
                batch.answers.extend(answer.map(|answer| (mac, answer)));
            }
        }
    }

    /// Queues the batch for the disk at once, so that the order of batches holds; answers when it is there.
    fn store(&self, batch: Batch, commits: &mut JoinSet<()>) {
        let durable = self.scope.commit(batch.leases.clone());
        let (wire, scope, boots) = (self.wire.clone(), self.scope.clone(), self.boots.clone());
        commits.spawn(async move {
            if let Err(error) = durable.await {
                let count = batch.leases.len();
                tracing::error!(%error, count, "leases could not be stored, so they were not acknowledged; the computers will ask again");
                return;
            }
            for (mac, answer) in batch.answers {
                wire.send(&*boots, mac, *answer);
            }
            scope.announce(&batch.leases);
        });
    }

    fn report_usage(&self) {
        let (active, total) = self.scope.usage();
        self.networks.update(self.scope.name(), |view| {
            view.leases_active = active;
            view.leases_total = total;
        });
    }
}

impl Wire {
    fn send(&self, boots: &dyn Boots, mac: MacAddr, answer: Answer) {
        let bytes = answer.packet.encode_padded();
        if let Err(error) = self.transmit(&bytes, answer.to) {
            // Datagrams may get lost on any cable: the client asks again.
            tracing::warn!(device = self.device, to = ?answer.to, %error, "a DHCP answer could not be sent");
            return;
        }
        if let Some(signal) = answer.sent {
            boots.signal(Who::Mac(mac), engine::now(), signal);
        }
    }

    fn transmit(&self, bytes: &[u8], to: Destination) -> io::Result<()> {
        let server = self.settings.server;
        let to = match to {
            Destination::Relay(relay) => SocketAddrV4::new(relay, 67),
            Destination::Unicast(client) => SocketAddrV4::new(client, 68),
            Destination::Broadcast => SocketAddrV4::new(std::net::Ipv4Addr::BROADCAST, 68),
            Destination::Frame(mac, client) => {
                let (from, to) = (SocketAddrV4::new(server, 67), SocketAddrV4::new(client, 68));
                return self.frames.send(mac, from, to, bytes);
            }
        };
        datagram::send(&self.socket, bytes, server, to)
    }
}
