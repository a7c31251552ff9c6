//! One connection on its thread: login, then the session's loop.

use super::{
    daemon::IscsiServer,
    discovery::Targets,
    frame::{Digests, Inbox, Outbox},
    login::{Login, Outcome, Status},
    params::DEFAULT_SEGMENT,
    reply::{Numbers, Reply},
    scsi::Unit,
    session::{Flow, Session},
    wire::{Pdu, Request, Stage},
};
use crate::threads::{Serve, is_timeout, now};
use engine::export::{Refusal, SessionGuard, SessionInfo, Via};
use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

/// How the ISIDs of iPXE and gPXE begin: the enterprise number of Fen Systems. They leave pings
/// unanswered at best.
const ISID_OF_IPXE: [u8; 4] = [0x40, 0x00, 0x27, 0x23];

type Out<'a> = Outbox<&'a TcpStream>;

/// Serves a connection to its end.
pub(super) fn run(server: &Arc<IscsiServer>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = serve(server, &stream, peer) {
        tracing::debug!(%peer, %error, "iSCSI connection ended");
    }
    // The registry may still hold a clone of this socket for a moment.
    let _ = stream.shutdown(Shutdown::Both);
}

fn serve(server: &Arc<IscsiServer>, stream: &TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(server.limits.send))?;
    let mut inbox = Inbox::new(DEFAULT_SEGMENT as usize);
    let mut out = Outbox::new(stream);
    let logs_in = server.connections().logs_in();
    let entered = log_in(server, stream, peer, &mut inbox, &mut out);
    drop(logs_in);
    let Some((session, guard)) = entered? else {
        return Ok(());
    };
    let info = guard.as_ref().map(|g| g.info().clone());
    let _context = info
        .as_ref()
        .map(|info| server.observer.context(info).entered());
    if let Some(info) = &info {
        let isid = info.isid().map(|isid| super::text::hex(&isid));
        let isid = isid.unwrap_or_default();
        tracing::info!(%peer, initiator = %info.initiator, target = %info.target, %isid, "iSCSI login");
        server.observer.logged_in(info, now());
    }
    let result = feature_phase(server, stream, info.as_ref(), session, &mut inbox, &mut out);
    match (&info, &result) {
        (Some(_), Err(error)) => tracing::info!(%peer, %error, "iSCSI session broke off"),
        (Some(_), Ok(())) => tracing::info!(%peer, "iSCSI session ended"),
        (None, _) => {}
    }
    // The session, and with it every write, has ended before a waiting one may go on.
    drop(guard);
    if let Some(info) = &info {
        server.observer.closed(info, now());
    }
    result
}

/// What a login leads to: nothing, or a session with its place in the registry (discovery has none).
type Entered = Option<(Session, Option<SessionGuard>)>;

fn log_in(
    server: &Arc<IscsiServer>,
    stream: &TcpStream,
    peer: SocketAddr,
    inbox: &mut Inbox,
    out: &mut Out<'_>,
) -> io::Result<Entered> {
    let deadline = Instant::now() + server.limits.login;
    let mut login = Login::default();
    let mut stat_sn = 0u32;
    loop {
        let Some(frame) = next_frame(inbox, stream, deadline)? else {
            refused(
                server,
                peer,
                (login.initiator(), login.target()),
                Refusal::Protocol,
            );
            return Ok(None);
        };
        let pdu = Pdu::parse(&frame.header);
        let Request::Login(header) = pdu.request else {
            refused(
                server,
                peer,
                (login.initiator(), login.target()),
                Refusal::Protocol,
            );
            return Err(io::Error::other("the first request is no login"));
        };
        let data = inbox.bytes(&frame.data);
        let mut response = login.on_request(&header, data, server.as_ref());
        let mut entered = None;
        // A finished login is no longer there to ask.
        let initiator = login.initiator().to_owned();
        let target = login.target().map(str::to_owned);
        if response.is_final() {
            let outcome = std::mem::take(&mut login).finish();
            match enter(server, stream, peer, outcome, stat_sn, pdu.cmd_sn) {
                Ok(session) => entered = Some(session),
                Err(refusal) => {
                    response.status = Status::of(refusal);
                    response.text.clear();
                }
            }
        }
        let tsih = if entered.is_some() {
            server.tsih()
        } else {
            header.tsih
        };
        let reply = Reply::Login {
            transit: response.transit && response.status == Status::SUCCESS,
            more: false,
            current: header.current.unwrap_or(Stage::Security),
            next: response.next,
            isid: header.isid,
            tsih,
            itt: pdu.itt,
            class: response.status.0,
            detail: response.status.1,
        };
        let numbers = Numbers {
            stat_sn,
            exp_cmd_sn: pdu.cmd_sn,
            max_cmd_sn: pdu.cmd_sn.wrapping_add(super::data::MAX_TASKS - 1),
        };
        stat_sn = stat_sn.wrapping_add(1);
        out.send(&reply.encode(numbers, response.text.len()), &response.text)?;
        out.flush()?;
        if let Some((session, guard)) = entered {
            let params = &session.params;
            let digests = Digests {
                header: params.header_digest,
                data: params.data_digest,
            };
            (inbox.digests, out.digests) = (digests, digests);
            inbox.max_segment = params.our_segment as usize;
            return Ok(Some((session, guard)));
        }
        if let Some(refusal) = response.refusal() {
            refused(server, peer, (&initiator, target.as_deref()), refusal);
            return Ok(None);
        }
    }
}

/// The next frame of a login; None when the time is up or the initiator is gone.
fn next_frame(
    inbox: &mut Inbox,
    mut stream: &TcpStream,
    deadline: Instant,
) -> io::Result<Option<super::frame::Frame>> {
    loop {
        if let Some(frame) = inbox.next().map_err(io::Error::other)? {
            return Ok(Some(frame));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match inbox.fill(&mut stream) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn refused(
    server: &IscsiServer,
    peer: SocketAddr,
    (initiator, target): (&str, Option<&str>),
    why: Refusal,
) {
    // A port check connects and says nothing: not worth a word.
    if !initiator.is_empty() {
        let reason = why.text();
        tracing::warn!(%peer, initiator, target, reason, "iSCSI login refused");
        server.observer.refused(peer, initiator, target, why, now());
    }
}

/// Makes the session of a finished login, after the older one of the same initiator is gone.
fn enter(
    server: &Arc<IscsiServer>,
    stream: &TcpStream,
    peer: SocketAddr,
    outcome: Outcome,
    stat_sn: u32,
    cmd_sn: u32,
) -> Result<(Session, Option<SessionGuard>), Refusal> {
    let portal = stream
        .local_addr()
        .map_or_else(|_| String::new(), |address| address.to_string());
    let mut targets = Targets {
        names: server.exports.list(&outcome.initiator),
        own: None,
        portal,
    };
    // The response to the login itself takes one StatSN.
    let stat_sn = stat_sn.wrapping_add(1);
    let Some(export) = outcome.export else {
        let session = Session::new(outcome.params, Vec::new(), targets, stat_sn, cmd_sn);
        return Ok((session, None));
    };
    targets.own = Some(export.target.clone());
    let info = SessionInfo {
        id: 0,
        target: export.target.clone(),
        initiator: outcome.initiator.clone(),
        via: Via::Iscsi { isid: outcome.isid },
        peer,
        since: now(),
    };
    let socket = stream.try_clone().map_err(|_| Refusal::Busy)?;
    let close = Box::new(move || {
        let _ = socket.shutdown(Shutdown::Both);
    });
    let guard = server
        .exports
        .register(info, close, server.limits.reinstatement)?;
    // Other disks may have been published under the name since it was looked up.
    let current = server.exports.lookup(&export.target, &outcome.initiator)?;
    if !current.has_disks_of(&export) {
        return Err(Refusal::Busy);
    }
    let units = server.units(&export);
    let join = |unit: &Arc<Unit>| unit.join(&outcome.initiator, outcome.isid);
    let units = units.iter().map(join).collect();
    let session = Session::new(outcome.params, units, targets, stat_sn, cmd_sn);
    Ok((session, Some(guard)))
}

fn feature_phase(
    server: &IscsiServer,
    mut stream: &TcpStream,
    info: Option<&SessionInfo>,
    mut session: Session,
    inbox: &mut Inbox,
    out: &mut Out<'_>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(server.limits.silence))?;
    if info.is_some() {
        session.pulse = Some(server.pulse(stream, out.digests.header)?);
    }
    let mut told_read = false;
    loop {
        while let Some(frame) = inbox.next().map_err(io::Error::other)? {
            let pdu = Pdu::parse(&frame.header);
            let flow = session.handle(&pdu, inbox.bytes(&frame.data), out)?;
            if flow != Flow::Continue {
                out.flush()?;
                if flow == Flow::CloseTarget
                    && let Some(info) = info
                {
                    server.exports.close_sessions(&info.target);
                }
                return Ok(());
            }
        }
        out.flush()?;
        if session.has_read && !told_read {
            told_read = true;
            if let Some(info) = info {
                server.observer.first_read(info, now());
                if !info
                    .isid()
                    .is_some_and(|isid| isid.starts_with(&ISID_OF_IPXE))
                {
                    session.ask(out)?;
                }
            }
        }
        match inbox.fill(&mut stream) {
            Ok(0) if server.connections().is_stopping() => return session.farewell(out),
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {
                if session.idle(out)? == Flow::Close {
                    return Err(io::Error::other("the initiator no longer answers"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
