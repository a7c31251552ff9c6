//! The page's listener: where it is can be changed while the server runs.

use super::listener::{Socket, serve_renewed};
use axum::Router;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

/// The listener's handle. Cheap to clone.
#[derive(Clone)]
pub struct Front {
    inner: Arc<Inner>,
}

struct Inner {
    moves: mpsc::Sender<Move>,
    /// Taken by whoever serves.
    asked: AsyncMutex<mpsc::Receiver<Move>>,
    /// All connections of until now end with their next answer.
    renew: Notify,
    place: Mutex<Place>,
}

/// Where the listener is.
struct Place {
    /// Bound and not served yet.
    fresh: Option<TcpListener>,
    /// As asked for; the port may be 0, which is any.
    asked: SocketAddr,
    /// As it is.
    at: SocketAddr,
}

struct Move {
    to: SocketAddr,
    done: oneshot::Sender<io::Result<()>>,
}

type Serving<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Front {
    /// Binds; nothing is served yet.
    ///
    /// # Errors
    /// When the address is taken or not one of this box.
    pub async fn open(asked: SocketAddr) -> io::Result<Front> {
        let listener = TcpListener::bind(asked).await?;
        let at = listener.local_addr()?;
        let (moves, receiver) = mpsc::channel(1);
        Ok(Front {
            inner: Arc::new(Inner {
                moves,
                asked: AsyncMutex::new(receiver),
                renew: Notify::new(),
                place: Mutex::new(Place {
                    fresh: Some(listener),
                    asked,
                    at,
                }),
            }),
        })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.place(|p| p.at)
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// When the address can't be bound again.
    pub async fn serve(&self, router: Router, stop: CancellationToken) -> io::Result<()> {
        let mut moves = self.inner.asked.lock().await;
        let mut listener = match self.place(|p| p.fresh.take()) {
            Some(listener) => listener,
            // The first one is gone with the run that failed.
            None => TcpListener::bind(self.address()).await?,
        };
        loop {
            let serving = self.serving(listener, &router, &stop);
            match self.until_moved(serving, &mut moves).await? {
                Some(next) => listener = next,
                None => return Ok(()),
            }
        }
    }

    /// Serves until the listener is elsewhere, and returns the new one; None when it is to stop.
    async fn until_moved(
        &self,
        mut serving: Serving<'_>,
        moves: &mut mpsc::Receiver<Move>,
    ) -> io::Result<Option<TcpListener>> {
        loop {
            let asked = tokio::select! {
                _ = &mut serving => return Ok(None),
                asked = moves.recv() => asked,
            };
            // Never: we hold a sender ourselves.
            let Some(Move { to, done }) = asked else {
                return Ok(None);
            };
            let from = self.address();
            let bound = match from.port() == to.port() {
                false => TcpListener::bind(to).await,
                // Two listeners can't have one port, even where one is for every address and the other for
                // one of them.
                true => {
                    drop(serving);
                    let bound = TcpListener::bind(to).await;
                    if let Err(e) = bound {
                        let back = TcpListener::bind(from).await?;
                        let _ = done.send(Err(e));
                        return Ok(Some(back));
                    }
                    return self.settle(bound, to, done).map(Some);
                }
            };
            match bound {
                Ok(_) => return self.settle(bound, to, done).map(Some),
                // Whoever asked may have gone.
                Err(e) => drop(done.send(Err(e))),
            }
        }
    }

    /// Notes where the new listener is and tells whoever asked.
    fn settle(
        &self,
        bound: io::Result<TcpListener>,
        to: SocketAddr,
        done: oneshot::Sender<io::Result<()>>,
    ) -> io::Result<TcpListener> {
        let listener = bound?;
        let at = listener.local_addr()?;
        self.place(|p| (p.asked, p.at) = (to, at));
        let _ = done.send(Ok(()));
        Ok(listener)
    }

    fn serving<'a>(
        &'a self,
        listener: TcpListener,
        router: &Router,
        stop: &CancellationToken,
    ) -> Serving<'a> {
        let (router, stop) = (router.clone(), stop.clone());
        Box::pin(serve_renewed(
            Socket::Tcp(listener),
            router,
            stop,
            &self.inner.renew,
        ))
    }

    /// Moves to another address; connections of until now end with their next answer.
    ///
    /// # Errors
    /// When it can't be there; it is where it was then.
    pub async fn move_to(&self, to: SocketAddr) -> io::Result<()> {
        if self.place(|p| p.asked == to) {
            return Ok(());
        }
        let (done, moved) = oneshot::channel();
        let gone = |_| io::Error::other("the page's listener does not run just now");
        let asked = self.inner.moves.send(Move { to, done }).await;
        asked.map_err(|_| io::Error::other("the server stops"))?;
        moved.await.map_err(gone)?
    }

    /// Lets all connections of until now end with their next answer.
    pub fn renew(&self) {
        self.inner.renew.notify_one();
    }

    fn place<T>(&self, with: impl FnOnce(&mut Place) -> T) -> T {
        with(
            &mut self
                .inner
                .place
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}
