//! The sockets of what answers without addresses: port 67 in proxy mode, and port 4011 in both modes.

use super::{
    boots::EngineBoots,
    port::{Boots, Held, Port, Room, Sockets},
    proxy,
    reply::Settings,
    session::{Arrival, Decision, Outcome},
    wire::Packet,
};
use crate::net::{NetError, NetThread, datagram::Datagram};
use engine::{BootNetworkConfig, Engine, boot::Plane};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use types::DhcpMode;

/// Where firmware asks for its boot file (PXE 2.1 section 2.2.4).
const PXE_PORT: u16 = 4011;
/// Where DHCP servers listen.
const DHCP_PORT: u16 = 67;
/// Pause after the socket failed, e.g. because the interface went down.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);

/// Which of the two it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Service {
    Proxy,
    BootServer,
}

/// One port that answers with boot information and keeps no leases.
pub struct Beside {
    port: Arc<Port<Sockets>>,
    service: Service,
}

impl Beside {
    /// The proxy on port 67; None unless that is the boot network's mode. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the interface is not there, or the port is taken.
    pub fn proxy(
        net: &NetThread,
        engine: &Engine,
        network: &BootNetworkConfig,
        plane: Plane,
    ) -> Result<Option<Beside>, NetError> {
        if network.mode != DhcpMode::Proxy {
            return Ok(None);
        }
        let boots = EngineBoots::of(engine, plane, network);
        let beside = Beside::open(net, engine, network, Arc::new(boots), Service::Proxy)?;
        Ok(Some(beside))
    }

    /// The boot server on port 4011; None in mode off. Else as [`Beside::proxy`].
    ///
    /// # Errors
    /// As [`Beside::proxy`].
    pub fn boot_server(
        net: &NetThread,
        engine: &Engine,
        network: &BootNetworkConfig,
        plane: Plane,
    ) -> Result<Option<Beside>, NetError> {
        if network.mode == DhcpMode::Off {
            return Ok(None);
        }
        let boots = EngineBoots::of(engine, plane, network);
        let beside = Beside::open(net, engine, network, Arc::new(boots), Service::BootServer)?;
        Ok(Some(beside))
    }

    fn open(
        net: &NetThread,
        engine: &Engine,
        network: &BootNetworkConfig,
        boots: Arc<dyn Boots>,
        service: Service,
    ) -> Result<Beside, NetError> {
        let interface = net.interface(&network.interface)?;
        let port = match service {
            Service::Proxy => DHCP_PORT,
            Service::BootServer => PXE_PORT,
        };
        Ok(Beside {
            port: Arc::new(Port {
                name: network.scope(),
                settings: Settings::bare(interface.address, interface.prefix_len),
                rules: engine.settings().clone(),
                boots,
                outlet: Sockets::open(net, &interface, port)?,
                counters: engine.counters().clone(),
                held: Held::default(),
            }),
            service,
        })
    }

    /// Serves until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        let sockets = &self.port.outlet;
        let mut room = Room::default();
        loop {
            let ready = tokio::select! {
                () = cancel.cancelled() => return self.port.held.end(),
                ready = sockets.readable() => ready,
            };
            let take = |bytes: &[u8], datagram| self.answer(bytes, datagram);
            if let Err(error) = ready.and_then(|()| sockets.take(&mut room, take)) {
                let scope = &self.port.name;
                tracing::warn!(scope, service = ?self.service, %error, "can't receive; is the interface up?");
                tokio::time::sleep(FAILURE_PAUSE).await;
            }
        }
    }

    fn answer(&self, bytes: &[u8], datagram: Datagram) {
        let Some(packet) = self.port.read(bytes, datagram.source) else {
            return;
        };
        let at = datagram.at.unwrap_or_else(engine::now);
        let mut decision = self.decide(&packet, datagram, at);
        let mac = self.port.tell(&mut decision, at);
        match (decision.outcome, mac) {
            (Outcome::Answer(answer), Some(mac)) => self.port.send(mac, *answer),
            (Outcome::Silent(why), _) => {
                tracing::debug!(?mac, why, "a DHCP packet is not answered");
            }
            // Nothing here gives addresses away.
            (Outcome::Answer(_) | Outcome::Commit(..), _) => {}
        }
    }

    fn decide(&self, packet: &Packet, datagram: Datagram, at: types::Timestamp) -> Decision {
        let settings = &Settings {
            echo_client_id: self.port.echoes_client_id(),
            ..self.port.settings.clone()
        };
        let advisor = &*self.port.boots;
        match (self.service, datagram.source) {
            (Service::Proxy, _) => {
                let arrival = Arrival {
                    packet,
                    to_us: datagram.to == Some(settings.server),
                    at,
                };
                proxy::decide(arrival, settings, advisor)
            }
            (Service::BootServer, Some(source)) => {
                proxy::boot_server(packet, source, settings, advisor)
            }
            (Service::BootServer, None) => Decision::silent(None, "from nowhere"),
        }
    }
}
