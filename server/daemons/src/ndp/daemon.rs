//! The ICMPv6 socket of one boot network.

use super::wire;
use crate::net::{Interface, NetError, NetThread};
use engine::Engine;
use std::{io, net::SocketAddr, time::Duration};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use types::MacAddr;

/// Pause after the socket failed, e.g. because the interface went down.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Answers router solicitations on one interface, ready to run.
pub struct Ndp {
    socket: UdpSocket,
    engine: Engine,
}

impl Ndp {
    /// Opens the socket. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the box has no IPv6; then its interface has no address to answer from either.
    pub fn open(net: &NetThread, interface: &Interface, engine: &Engine) -> Result<Ndp, NetError> {
        let socket = net.solicitations(interface)?;
        Ok(Ndp {
            socket: UdpSocket::from_std(socket).map_err(|source| NetError::Socket {
                what: "watch the ICMPv6 socket".into(),
                source,
            })?,
            engine: engine.clone(),
        })
    }

    /// Serves until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        let mut buffer = [0; 2048];
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => return,
                received = self.socket.recv_from(&mut buffer) => received,
            };
            let answered = match received {
                Ok((len, from)) => self.answer(&buffer[..len], from).await,
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "a router solicitation has no answer");
                tokio::time::sleep(FAILURE_PAUSE).await;
            }
        }
    }

    async fn answer(&self, message: &[u8], from: SocketAddr) -> io::Result<()> {
        let SocketAddr::V6(to) = from else {
            return Ok(());
        };
        let Some(mac) = wire::solicitor(message) else {
            return Ok(());
        };
        if to.ip().is_unicast_link_local() && self.boots_now(mac) {
            self.socket.send_to(&wire::NO_ROUTER, to).await?;
        }
        Ok(())
    }

    fn boots_now(&self, mac: MacAddr) -> bool {
        self.engine
            .boots()
            .newest(mac)
            .is_some_and(|boot| boot.ended_at.is_none())
    }
}
