//! What settings mean outside the engine: where the page is, and which boot planes run.

use crate::{http::front::Front, planes::Planes};
use engine::{
    Area, Error, Result,
    settings::{Applied, Apply, Values},
};
use std::{io, net::SocketAddr};

/// What a change of settings reaches.
pub struct Surroundings {
    pub front: Front,
    pub planes: Planes,
}

impl Surroundings {
    async fn serve_networks(&self, values: &Values) {
        if self.planes.keep_only(&values.boot).await {
            self.front.renew();
        }
    }

    async fn listen(&self, address: SocketAddr) -> Result<()> {
        let moved = self.front.move_to(address).await;
        moved.map_err(|e| cannot_listen(address, &e))
    }
}

impl Apply for Surroundings {
    fn apply<'a>(&'a self, next: &'a Values) -> Applied<'a> {
        Box::pin(async move {
            // First what may fail.
            self.listen(next.listen).await?;
            self.serve_networks(next).await;
            Ok(())
        })
    }

    fn go_back<'a>(&'a self, to: &'a Values, fallback: SocketAddr) -> Applied<'a> {
        Box::pin(async move {
            // First what must not go on: a network that nobody wanted to keep.
            self.serve_networks(to).await;
            match self.listen(to.listen).await {
                Err(error) if fallback != to.listen => {
                    tracing::warn!(%error, %fallback, "the page is elsewhere");
                    self.listen(fallback).await
                }
                done => done,
            }
        })
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "This box does not have that address; choose one that `ip address` shows."
        }
        _ => "Choose another port, or stop the program that uses it.",
    };
    Error::conflict(
        Area::Setting,
        format!("cannot listen on {address}: {error}"),
        hint,
    )
}
