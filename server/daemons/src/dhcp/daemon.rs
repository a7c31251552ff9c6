//! The socket loop of one boot network.
//!
//! Each wake-up takes a batch of packets, decides about them in memory, answers what needs no
//! record at once, and stores the leases of the batch together; their ACKs leave when the store
//! says that they are durable. The loop itself never waits for the database.

use super::{
    boots::EngineBoots,
    dispatch::{Batch, Dispatch},
    port::{Boots, Held, Port, Room, Sockets},
    probe::{self, Prober, Whose},
    reply::Settings,
};
use crate::net::{NetError, NetThread};
use engine::{BootNetworkConfig, Engine, boot::Plane, leases::OwnNetwork};
use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use types::{AddressRange, DhcpMode};

/// Batches that may wait for the disk; beyond, the kernel's buffer fills and clients ask again.
const MAX_COMMITS: usize = 256;
/// How often the page learns how full the range is, if that changed.
const USAGE_PERIOD: Duration = Duration::from_secs(1);
/// Pause after the socket failed, e.g. because the interface went down.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// Why DHCP does not run on an interface.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// The scope can't be opened; with what to do about it.
    #[error("{}", advised(.0))]
    Engine(#[from] engine::Error),
    /// Mode full needs to know what to hand out.
    #[error("boot network {0} has mode full but no range; set `range = \"FIRST-LAST\"` for it")]
    NoRange(String),
    /// Addresses that clients could not use.
    #[error(
        "range {}-{} is not inside {address}/{prefix_len} of {interface}; choose addresses of that network",
        .range.first, .range.last
    )]
    RangeOutside {
        range: AddressRange,
        address: Ipv4Addr,
        prefix_len: u8,
        interface: String,
    },
}

fn advised(error: &engine::Error) -> String {
    format!("{error}. {}", error.problem().hint)
}

/// DHCP on one interface, ready to run.
pub struct Dhcp {
    dispatch: Arc<Dispatch<Sockets>>,
    /// None for its own wire where that is no Ethernet.
    probers: Vec<Prober>,
    engine: Engine,
}

impl Dhcp {
    /// Opens the scope of a boot network and the sockets of its interface. None unless its mode
    /// is full. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the range does not fit the interface, the interface is not there, or port 67 is taken.
    pub fn open(
        net: &NetThread,
        engine: &Engine,
        network: &BootNetworkConfig,
        plane: Plane,
    ) -> Result<Option<Dhcp>, DhcpError> {
        let boots = EngineBoots::of(engine, plane, network);
        Dhcp::with_boots(net, engine, network, Arc::new(boots))
    }

    /// As [`Dhcp::open`], with something else that answers for the boots.
    ///
    /// # Errors
    /// As [`Dhcp::open`].
    pub fn with_boots(
        net: &NetThread,
        engine: &Engine,
        network: &BootNetworkConfig,
        boots: Arc<dyn Boots>,
    ) -> Result<Option<Dhcp>, DhcpError> {
        if network.mode != DhcpMode::Full {
            return Ok(None);
        }
        let interface = net.interface(&network.interface)?;
        let range = network
            .range
            .ok_or_else(|| DhcpError::NoRange(network.scope()))?;
        let settings = Settings::bare(interface.address, interface.prefix_len);
        if !settings.is_local(range.first) || !settings.is_local(range.last) {
            return Err(DhcpError::RangeOutside {
                range,
                address: interface.address,
                prefix_len: interface.prefix_len,
                interface: interface.name,
            });
        }
        let outlet = Sockets::open(net, &interface, 67)?;
        let own = OwnNetwork {
            interface: interface.name.clone(),
            server: interface.address,
            prefix_len: interface.prefix_len,
            range,
            router: network.router,
            dns: network.dns.clone(),
            lease_seconds: network.lease_seconds,
        };
        let (arp, echo) = (probe::arp(net, &interface)?, probe::echo(net, &interface)?);
        // Last: whatever can't be had must leave no scope open.
        let scope = engine.leases().open_scope(&network.scope(), own)?;
        let own = arp.map(|way| Prober {
            way,
            whose: Whose::Own(scope.clone()),
        });
        let relayed = Prober {
            way: echo,
            whose: Whose::Relayed {
                leases: engine.leases().clone(),
                net: net.clone(),
                interface,
            },
        };
        Ok(Some(Dhcp {
            dispatch: Arc::new(Dispatch {
                port: Arc::new(Port {
                    name: network.scope(),
                    settings,
                    rules: engine.settings().clone(),
                    boots,
                    outlet,
                    counters: engine.counters().clone(),
                    held: Held::default(),
                }),
                scope,
                leases: engine.leases().clone(),
            }),
            probers: own.into_iter().chain([relayed]).collect(),
            engine: engine.clone(),
        }))
    }

    /// Serves until `cancel`; then waits for the leases under way, so that none is half given.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut looking: JoinSet<()> = JoinSet::new();
        for prober in std::mem::take(&mut self.probers) {
            looking.spawn(prober.run(cancel.child_token()));
        }
        let sockets = &self.dispatch.port.outlet;
        let mut room = Room::default();
        let mut commits: JoinSet<()> = JoinSet::new();
        let mut tick = tokio::time::interval(USAGE_PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(_) = commits.join_next() => {}
                _ = tick.tick() => self.report_usage(),
                ready = sockets.readable(), if commits.len() < MAX_COMMITS => {
                    let taken = ready.and_then(|()| self.take_batch(&mut room));
                    match taken {
                        Ok(batch) if batch.is_empty() => {}
                        Ok(batch) => drop(commits.spawn(self.dispatch.store(batch))),
                        Err(error) => {
                            let scope = self.dispatch.scope.name();
                            tracing::warn!(scope, %error, "DHCP can't receive; is the interface up?");
                            tokio::time::sleep(FAILURE_PAUSE).await;
                        }
                    }
                }
            }
        }
        self.dispatch.port.held.end();
        while commits.join_next().await.is_some() {}
        while looking.join_next().await.is_some() {}
        self.engine.leases().close_scope(self.dispatch.scope.name());
    }

    fn take_batch(&self, room: &mut Room) -> io::Result<Batch> {
        let mut batch = Batch::default();
        self.dispatch.port.outlet.take(room, |bytes, datagram| {
            self.dispatch.take(bytes, datagram, &mut batch);
        })?;
        Ok(batch)
    }

    fn report_usage(&self) {
        let (active, total) = self.dispatch.scope.usage();
        self.engine
            .networks()
            .update(self.dispatch.scope.name(), |view| {
                view.leases_active = active;
                view.leases_total = total;
            });
    }
}
