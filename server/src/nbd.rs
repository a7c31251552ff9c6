//! NBD on one boot plane, for as long as the setting `nbd.enabled` says so.

use crate::observer::BootObserver;
use daemons::{
    nbd::{Limits, NbdServer, PORT, serve},
    net::NetThread,
};
use engine::{boot::Plane, export::Exports};
use std::{net::SocketAddrV4, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long it waits before it tries a port again that could not be had.
const AGAIN: Duration = Duration::from_secs(5);

/// What it needs to listen when it is wanted.
pub struct Nbd {
    pub net: NetThread,
    /// The interface.
    pub device: String,
    pub plane: Plane,
    pub exports: Exports,
    pub observer: Arc<BootObserver>,
    pub wanted: watch::Receiver<bool>,
}

impl Nbd {
    /// Serves whenever it is wanted, until `end`; returns once every session has ended. A port that can't
    /// be had is no reason to take the other parts of the plane down: it is tried again.
    pub async fn run(mut self, end: CancellationToken) {
        while let Some(true) = end.run_until_cancelled(self.is_wanted(true)).await {
            if let Err(error) = self.serve(&end).await {
                tracing::warn!(device = %self.device, %error, "NBD is not offered; it is tried again");
                end.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
            }
        }
        // Nobody is left who could want it.
        end.cancelled().await;
    }

    /// Serves until it is wanted no longer.
    async fn serve(&mut self, end: &CancellationToken) -> std::io::Result<()> {
        let at = SocketAddrV4::new(self.plane.server, PORT);
        let listening = self.net.tcp_listen(&self.device, at);
        let listener = listening.map_err(std::io::Error::other)?;
        let observer = self.observer.clone();
        let (exports, limits) = (self.exports.clone(), Limits::default());
        let server = NbdServer::new(exports, observer.clone(), observer, limits);
        let stop = end.child_token();
        let mut serving = std::pin::pin!(serve(listener, Arc::new(server), stop.clone()));
        tracing::info!(%at, "disks are offered by NBD");
        tokio::select! {
            ended = &mut serving => return ended,
            _ = self.is_wanted(false) => {}
        }
        stop.cancel();
        serving.await
    }

    /// Waits until it is wanted, or is not; false when nobody is left who could say so.
    async fn is_wanted(&mut self, is: bool) -> bool {
        self.wanted.wait_for(|wanted| *wanted == is).await.is_ok()
    }
}
