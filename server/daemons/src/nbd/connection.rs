//! One connection on its thread: handshake, then transmission.

use super::{
    buffer::Line,
    daemon::{NbdServer, Visitor},
    handshake::{Answer, Entry, Handshake, MAX_OPTION_DATA, Names, Next},
    transmission::Transmission,
    wire::{self, CLIENT_FLAGS_LEN, ClientFlags, OPTION_LEN, OptionHeader},
};
use crate::threads::{Serve, is_timeout, now};
use engine::export::{Refusal, SessionGuard, SessionInfo, Via};
use socket2::{SockRef, TcpKeepalive};
use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the kernel of a silent client is asked before it is given up.
const PROBES: u32 = 3;

/// Serves a connection to its end.
pub(super) fn run(server: &Arc<NbdServer>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = serve(server, &stream, peer) {
        tracing::debug!(%peer, %error, "NBD connection ended");
    }
    // The registry may still hold a clone of this socket for a moment.
    let _ = stream.shutdown(Shutdown::Both);
}

fn serve(server: &Arc<NbdServer>, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(server.limits.send))?;
    watch_over(stream, server.limits.silence)?;
    let mut line = Line::new(stream);
    let logs_in = server.connections().logs_in();
    let entered = shake_hands(server, &mut line, peer);
    drop(logs_in);
    let Some(session) = entered? else {
        return Ok(());
    };
    let info = session.guard.info().clone();
    let _context = server.observer.context(&info).entered();
    tracing::info!(%peer, export = %info.initiator, target = %info.target, "NBD export opened");
    server.observer.logged_in(&info, now());
    stream.set_read_timeout(None)?;
    let device = session.entry.found.export.device.clone();
    let is_ending = || session.closed.load(Ordering::Relaxed) || server.connections().is_stopping();
    let result = Transmission::new(
        (line, &server.large),
        device.as_ref(),
        session.entry.terms,
        &info,
        &is_ending,
    )
    .run(&mut || server.observer.first_read(&info, now()));
    // The session, and with it every write, has ended before somebody who waits for it may go on.
    drop(session.guard);
    server.observer.closed(&info, now());
    result
}

/// A client that is gone without a word says nothing by this protocol, so its kernel is asked.
fn watch_over(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(silence)
        .with_interval((silence / PROBES).max(Duration::from_secs(1)))
        .with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(silence * 2))
}

/// An export that is open: its place in the registry, and what was agreed on.
struct Session {
    entry: Box<Entry>,
    guard: SessionGuard,
    /// Set when the session is told to end.
    closed: Arc<AtomicBool>,
}

fn shake_hands(
    server: &NbdServer,
    line: &mut Line<'_>,
    peer: SocketAddr,
) -> io::Result<Option<Session>> {
    let mut talk = Talk {
        line,
        deadline: Instant::now() + server.limits.login,
    };
    talk.line.say(&wire::greeting())?;
    let Some(flags) = talk.take::<CLIENT_FLAGS_LEN>()? else {
        return Ok(None);
    };
    let mut handshake = Handshake::new(ClientFlags::parse(flags).map_err(io::Error::other)?);
    let visitor = server.visitor(peer);
    let mut told = false;
    loop {
        let Some(answer) = talk.option(&mut handshake, &visitor)? else {
            return Ok(None);
        };
        // A client asks for the same several times: once is enough to say why not.
        let first = answer
            .refused
            .filter(|_| !std::mem::replace(&mut told, true));
        if let Some((name, why)) = first {
            refused(server, peer, &name, &visitor, why);
        }
        talk.line.say(&answer.bytes)?;
        let entry = match answer.next {
            Next::Option => continue,
            Next::Close => return Ok(None),
            Next::Enter(entry) => entry,
        };
        match enter(server, talk.line.stream, peer, entry) {
            Ok(session) => {
                talk.line.say(&session.entry.accepted)?;
                return Ok(Some(session));
            }
            Err((entry, why)) => {
                refused(server, peer, &entry.found.name, &visitor, why);
                let Some(bytes) = entry.refused(why) else {
                    return Ok(None);
                };
                talk.line.say(&bytes)?;
            }
        }
    }
}

/// A handshake that has a limited time.
struct Talk<'a, 's> {
    line: &'a mut Line<'s>,
    deadline: Instant,
}

impl Talk<'_, '_> {
    /// The answer to the next option; None when the time is up or the client is gone.
    fn option(
        &mut self,
        handshake: &mut Handshake,
        names: &dyn Names,
    ) -> io::Result<Option<Answer>> {
        let Some(header) = self.take::<OPTION_LEN>()? else {
            return Ok(None);
        };
        let header = OptionHeader::parse(&header).map_err(io::Error::other)?;
        let len = header.len as usize;
        if len > MAX_OPTION_DATA {
            let skipped = self.skip(len)?;
            return Ok(skipped.then(|| handshake.on_too_long(header.option)));
        }
        while self.line.inbox.waiting().len() < len {
            if !self.fill()? {
                return Ok(None);
            }
        }
        let data = self.line.inbox.waiting().get(..len).unwrap_or_default();
        let answer = handshake.on_option(header.option, data, names);
        self.line.inbox.skip(len);
        Ok(Some(answer))
    }

    fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        loop {
            if let Some(bytes) = self.line.inbox.take() {
                return Ok(Some(bytes));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Uses up `left` bytes as they come; false when the time is up or the client is gone.
    fn skip(&mut self, mut left: usize) -> io::Result<bool> {
        loop {
            let here = left.min(self.line.inbox.waiting().len());
            self.line.inbox.skip(here);
            left -= here;
            if left == 0 {
                return Ok(true);
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Reads more; false when the time is up or the client is gone.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.line.stream.set_read_timeout(Some(left))?;
            match self.line.inbox.fill(&mut &*self.line.stream) {
                Ok(n) => return Ok(n > 0),
                Err(error) if is_timeout(&error) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn refused(server: &NbdServer, peer: SocketAddr, name: &str, visitor: &Visitor<'_>, why: Refusal) {
    let target = visitor.own_target();
    let (target, reason) = (target.as_deref(), why.text());
    tracing::warn!(%peer, export = name, target, reason, "NBD export refused");
    if why == Refusal::Crowded {
        // The computer runs from the connections that it has: its boot goes on.
        return;
    }
    server.observer.refused(peer, name, target, why, now());
}

/// Gives a session its place in the registry.
fn enter(
    server: &NbdServer,
    stream: &TcpStream,
    peer: SocketAddr,
    entry: Box<Entry>,
) -> Result<Session, (Box<Entry>, Refusal)> {
    let export = &entry.found.export;
    let info = SessionInfo {
        id: 0,
        target: export.target.clone(),
        initiator: entry.found.name.clone(),
        via: Via::Nbd,
        peer,
        since: now(),
    };
    let Ok(socket) = stream.try_clone() else {
        return Err((entry, Refusal::Busy));
    };
    let closed = Arc::new(AtomicBool::new(false));
    let is_closed = closed.clone();
    let close = Box::new(move || {
        is_closed.store(true, Ordering::Relaxed);
        let _ = socket.shutdown(Shutdown::Both);
    });
    let guard = match server.exports.register(info, close, Duration::ZERO) {
        Ok(guard) => guard,
        Err(why) => return Err((entry, why)),
    };
    // Another disk may have been published under the name since it was looked up.
    let current = server.exports.offered(&export.target);
    let current = current.and_then(|current| current.unit(export.lun));
    if !current.is_some_and(|c| Arc::ptr_eq(&c.device, &export.device)) {
        return Err((entry, Refusal::Busy));
    }
    Ok(Session {
        entry,
        guard,
        closed,
    })
}
