//! The page's listener: where it is can be changed while the server runs.

use super::listener::{Socket, serve_renewed};
use axum::Router;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

/// From a place that can't be had to the next try.
const RETRY: Duration = Duration::from_secs(1);

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

/// What comes after a listener.
enum Next {
    There(TcpListener),
    Nowhere,
    End,
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

    /// Serves until `stop`. A place that can't be had is tried again, or left when another is asked for.
    pub async fn serve(&self, router: Router, stop: CancellationToken) {
        let mut moves = self.inner.asked.lock().await;
        self.serve_places(&mut moves, router, &stop).await;
        // Whoever still waits for a move hears that there is none any more.
        moves.close();
        while moves.try_recv().is_ok() {}
    }

    async fn serve_places(
        &self,
        moves: &mut mpsc::Receiver<Move>,
        router: Router,
        stop: &CancellationToken,
    ) {
        let mut listener = self.place(|p| p.fresh.take());
        loop {
            let open = match listener {
                Some(open) => open,
                None => match self.bind_again(moves, stop).await {
                    Some(open) => open,
                    None => return,
                },
            };
            let serving = self.serving(open, &router, stop);
            listener = match self.until_moved(serving, moves, stop).await {
                Next::There(open) => Some(open),
                Next::Nowhere => None,
                Next::End => return,
            };
        }
    }

    /// Tries the place until it can be had, or another that is asked for; None when it is to stop.
    async fn bind_again(
        &self,
        moves: &mut mpsc::Receiver<Move>,
        stop: &CancellationToken,
    ) -> Option<TcpListener> {
        loop {
            let address = self.address();
            let error = match TcpListener::bind(address).await {
                Ok(listener) => return Some(listener),
                Err(e) => e,
            };
            tracing::error!(%address, %error, "nobody reaches the page: its address can't be had; it is tried again");
            tokio::select! {
                _ = stop.cancelled() => return None,
                _ = tokio::time::sleep(RETRY) => {}
                asked = moves.recv() => {
                    let Move { to, done } = asked?;
                    match TcpListener::bind(to).await {
                        Ok(listener) => return Some(self.settle(listener, to, done)),
                        Err(e) => drop(done.send(Err(e))),
                    }
                }
            }
        }
    }

    /// Serves until the listener has to be elsewhere.
    async fn until_moved(
        &self,
        mut serving: Serving<'_>,
        moves: &mut mpsc::Receiver<Move>,
        stop: &CancellationToken,
    ) -> Next {
        loop {
            let asked = tokio::select! {
                _ = &mut serving => return Next::End,
                asked = moves.recv() => asked,
            };
            // Never: we hold a sender ourselves.
            let Some(Move { to, done }) = asked else {
                return Next::End;
            };
            if stop.is_cancelled() {
                drop(done.send(Err(io::Error::other("the server stops"))));
                continue;
            }
            let from = self.address();
            if from.port() != to.port() {
                match TcpListener::bind(to).await {
                    Ok(listener) => {
                        // Before anybody is told: nobody is at the old place then.
                        drop(serving);
                        return Next::There(self.settle(listener, to, done));
                    }
                    // Whoever asked may have gone.
                    Err(e) => drop(done.send(Err(e))),
                }
                continue;
            }
            // Two listeners can't have one port, even where one is for every address and the other for
            // one of them.
            drop(serving);
            return match TcpListener::bind(to).await {
                Ok(listener) => Next::There(self.settle(listener, to, done)),
                Err(e) => {
                    let back = TcpListener::bind(from).await;
                    let _ = done.send(Err(e));
                    back.map_or(Next::Nowhere, Next::There)
                }
            };
        }
    }

    /// Notes where the new listener is and tells whoever asked.
    fn settle(
        &self,
        listener: TcpListener,
        to: SocketAddr,
        done: oneshot::Sender<io::Result<()>>,
    ) -> TcpListener {
        let at = listener.local_addr().unwrap_or(to);
        self.place(|p| (p.asked, p.at) = (to, at));
        let _ = done.send(Ok(()));
        listener
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
