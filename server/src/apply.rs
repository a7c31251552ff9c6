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
    fn apply<'a>(&'a self, now: &'a Values, next: &'a Values) -> Applied<'a> {
        Box::pin(async move {
            // First what may fail. A place that stays the same may be one that this box does not have:
            // then the page is elsewhere, and stays there.
            if next.listen != now.listen {
                self.listen(next.listen).await?;
            }
            self.planes.offer_nbd(next.nbd);
            self.serve_networks(next).await;
            Ok(())
        })
    }

    fn go_back<'a>(&'a self, to: &'a Values, fallback: SocketAddr) -> Applied<'a> {
        Box::pin(async move {
            // First what must not go on: a network that nobody wanted to keep.
            self.planes.offer_nbd(to.nbd);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Tasks;
    use engine::{Engine, EngineConfig};
    use tokio_util::sync::CancellationToken;

    /// Of a documentation network: no box has it.
    const NOT_HERE: &str = "192.0.2.1:3000";

    fn at(listen: &str) -> Values {
        Values {
            listen: listen.parse().unwrap(),
            ..Values::default()
        }
    }

    #[tokio::test]
    async fn a_page_that_is_not_where_it_was_saved_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let config = EngineConfig {
            data_dir: dir.path().to_owned(),
            ..EngineConfig::default()
        };
        let engine = Engine::open(config).unwrap();
        let stop = CancellationToken::new();
        let front = Front::open("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (serving, until) = (front.clone(), stop.clone());
        let served = tokio::spawn(async move { serving.serve(axum::Router::new(), until).await });
        let surroundings = Surroundings {
            front: front.clone(),
            planes: Planes::new(engine, Tasks::new(stop.clone())),
        };
        let here = front.address();
        surroundings
            .apply(&at(NOT_HERE), &at(NOT_HERE))
            .await
            .expect("another setting can be changed");
        assert_eq!(front.address(), here);
        let refused = surroundings
            .apply(&at("127.0.0.1:1"), &at(NOT_HERE))
            .await
            .expect_err("it can't be there");
        assert!(matches!(refused, Error::Conflict { .. }), "{refused:?}");
        assert_eq!(front.address(), here);

        // Who asks while it stops, or after, is told.
        stop.cancel();
        served.await.unwrap();
        let late = front.move_to("127.0.0.2:0".parse().unwrap()).await;
        assert!(late.is_err());
    }
}
