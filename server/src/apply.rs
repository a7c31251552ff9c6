//! What settings mean outside the engine: where the page is, and which boot planes run.

use crate::{http::front::Front, planes::Planes};
use engine::{
    Area, Error, Result,
    settings::{Apply, Values},
};
use std::{io, net::SocketAddr, pin::Pin};

/// What a change of settings reaches.
pub struct Surroundings {
    pub front: Front,
    pub planes: Planes,
}

impl Apply for Surroundings {
    fn apply<'a>(
        &'a self,
        now: &'a Values,
        next: &'a Values,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            if now.listen != next.listen {
                let moved = self.front.move_to(next.listen).await;
                moved.map_err(|e| cannot_listen(next.listen, &e))?;
            }
            if now.boot != next.boot {
                self.planes.keep_only(&next.boot).await;
                self.front.renew();
            }
            Ok(())
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
