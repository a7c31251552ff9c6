//! Serving a router on a socket: with a limit on how long a request's head may take and on how many
//! connections one address has, which `axum::serve` lacks, and an end that lets open requests finish.

use super::{
    DRAIN,
    seats::{Seat, Seats},
};
use axum::{Router, body::Body, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A connection whose next request does not come whole within this long is closed.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// A connection whose peer acknowledges nothing for this long is closed.
const STUCK: Duration = Duration::from_secs(30);
/// Connections at a time on one listener; more wait in the backlog. One that became a WebSocket has
/// left its seat: how many of those there are is bounded by `limit`.
const CONNECTIONS: usize = 4096;
/// Of these, for one address: nobody keeps all others out. Half, because a proxy is one address.
const CONNECTIONS_FOR_ONE: usize = CONNECTIONS / 2;
/// Pause after a failed accept, which is mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from.
pub enum Socket {
    Tcp(TcpListener),
    /// As `Tcp`, with a bound on how fast each peer is sent to.
    Paced(TcpListener, Pace),
    Unix(UnixListener),
}

/// How fast a peer is to be sent to, bytes/s; None as fast as it goes.
pub type Pace = Box<dyn Fn(SocketAddr) -> Option<u32> + Send + Sync>;

impl Socket {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<SocketAddr>)> {
        match self {
            Socket::Tcp(l) => {
                let (stream, peer) = prepared(l.accept().await?)?;
                Ok((Box::new(stream), Some(peer)))
            }
            Socket::Paced(l, pace) => {
                let (stream, peer) = prepared(l.accept().await?)?;
                if let Some(rate) = pace(peer) {
                    daemons::pace(&stream, rate)?;
                }
                Ok((Box::new(stream), Some(peer)))
            }
            Socket::Unix(l) => Ok((Box::new(l.accept().await?.0), None)),
        }
    }
}

fn prepared((stream, peer): (TcpStream, SocketAddr)) -> io::Result<(TcpStream, SocketAddr)> {
    stream.set_nodelay(true)?;
    // One that takes nothing any more must not hold its seat for ever.
    socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(STUCK))?;
    Ok((stream, peer))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// When the connection of a request was accepted.
pub use app::ssr::ConnectedAt;

/// Serves until `stop`, then waits a few seconds for open requests. Handlers find the peer's
/// address as `ConnectInfo<SocketAddr>`, except on a local socket.
pub async fn serve(socket: Socket, router: Router, stop: CancellationToken) {
    serve_renewed(socket, router, stop, &Notify::new()).await;
}

/// As [`serve`]; at each `renew` all connections of until then end with their next answer, as they do
/// when the future is dropped.
pub async fn serve_renewed(
    socket: Socket,
    router: Router,
    stop: CancellationToken,
    renew: &Notify,
) {
    let mut graceful = GracefulShutdown::new();
    let seats = Seats::new(CONNECTIONS, CONNECTIONS_FOR_ONE);
    loop {
        let accepted = tokio::select! {
            _ = stop.cancelled() => break,
            _ = renew.notified() => {
                // Whoever watches the one that is dropped ends.
                graceful = GracefulShutdown::new();
                continue;
            }
            accepted = next(&socket, &seats) => accepted,
        };
        let (stream, peer, seat) = match accepted {
            Ok(Some(a)) => a,
            Ok(None) => continue,
            Err(e) => {
                tracing::warn!(error = %e, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connected = ConnectedAt(Instant::now());
        let service = router
            .clone()
            .map_request(move |mut request: http::Request<_>| {
                request.extensions_mut().insert(connected);
                if let Some(peer) = peer {
                    request.extensions_mut().insert(ConnectInfo(peer));
                }
                request.map(Body::new)
            });
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_LIMIT);
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A peer that goes away or talks nonsense is its own affair.
            if let Err(e) = connection.await {
                tracing::debug!(error = e, "connection ended");
            }
            drop(seat);
        });
    }
    drop(socket);
    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still open when the server stopped");
    }
}

type Accepted = (Box<dyn Stream>, Option<SocketAddr>, Seat<IpAddr>);

/// The next connection, once there is a seat for it; None is one whose address has too many already, and
/// it is closed.
async fn next(socket: &Socket, seats: &Seats<IpAddr>) -> io::Result<Option<Accepted>> {
    let free = seats.free().await;
    let (stream, peer) = socket.accept().await?;
    let seat = free.take(peer.map(|p| p.ip().to_canonical()));
    Ok(seat.map(|seat| (stream, peer, seat)))
}
