//! `/api/v1/ws`: a snapshot with its number, then what changes. `docs/websocket.md` is the contract.
//! What is kept for readers, and how much, is `engine::events`'; this is one connection.

mod socket;
#[cfg(test)]
mod tests;

use super::{
    AppState,
    limit::ReaderSeat,
    problem::{ApiError, ApiResult, Query, bad_query, unauthorized},
    views,
};
use axum::{Extension, extract::State, response::Response};
use bytes::Bytes;
use engine::{Caller, Next, Reader, Viewer};
use futures_util::{
    Sink, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde::Deserialize;
use socket::{Socket, Upgrade, feed_text};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use types::{Problem, Role, ServerFrame, Topics};

/// A reader that says nothing to two of these is gone.
const PING: Duration = Duration::from_secs(5);
/// A reader that does not take a frame within this long is dropped; it comes back for what it
/// missed, or for a snapshot.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// For the last word to one who may not read any more.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// A session that simply runs out is noticed within this long; one that is ended, at once.
const LOOK: Duration = Duration::from_secs(5);
/// When to come again, for one who finds all seats taken.
const FULL_RETRY_SECONDS: u32 = 10;

/// Close codes of RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;
const AWAY: u16 = 1001;
const POLICY: u16 = 1008;
/// Close codes of our own, named after the HTTP status.
const SESSION_ENDED: u16 = 4401;
const ROLE_TOO_LOW: u16 = 4403;

/// The query of the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WsQuery {
    /// Names with commas between; absent is [`Topics::default`].
    topics: Option<String>,
    /// Where an earlier connection stopped: `RUN-SEQ`.
    since: Option<String>,
}

/// Session and origin were checked before this is reached.
pub async fn upgrade(
    State(state): State<AppState>,
    caller: Option<Extension<Caller>>,
    Query(query): Query<WsQuery>,
    upgrade: Result<Upgrade, ApiError>,
) -> ApiResult<Response> {
    let Extension(caller) = caller.ok_or_else(unauthorized)?;
    let topics: Topics = match &query.topics {
        None => Topics::default(),
        Some(names) => names
            .parse()
            .map_err(|e| bad_query(format!("topics: {e}")))?,
    };
    let viewer: Viewer = match topics.role() {
        Role::Viewer => state.engine.as_viewer(&caller)?,
        Role::Operator => Viewer::clone(&*state.engine.as_operator(&caller)?),
        Role::Admin => Viewer::clone(&**state.engine.as_admin(&caller)?),
    };
    let upgrade = upgrade?;
    let seat = state.limits.reader(&caller).ok_or_else(no_seat)?;
    let tasks = state.tasks.clone();
    Ok(upgrade.serve(&tasks, move |socket| async move {
        let _seat: ReaderSeat = seat;
        let asked = Asked {
            topics,
            viewer,
            since: query.since,
        };
        serve(socket, &state, &caller, &asked).await;
    }))
}

fn no_seat() -> ApiError {
    let mut problem = Problem::new(
        503,
        "NSB-HTTP-503",
        "As many readers are connected as the server takes, or as one account may have",
        "Close WebSockets that nobody reads and come again later; REST answers meanwhile. \
         `nsboot_ws_connections` at /metrics counts them.",
    );
    problem.retry_after_seconds = Some(FULL_RETRY_SECONDS);
    problem.into()
}

type End = (u16, &'static str);

/// What a reader gets.
struct Asked {
    topics: Topics,
    /// Whose reader it is, as of the beginning; when their role becomes less, the connection ends.
    viewer: Viewer,
    /// Where an earlier connection stopped.
    since: Option<String>,
}

/// Serves one reader until it goes, may not read any more, or the server stops.
async fn serve(socket: Socket, state: &AppState, caller: &Caller, asked: &Asked) {
    let _open = state.engine.counters().ws_connections.enter();
    let (mut sink, mut stream) = socket.split();
    let heard = AtomicBool::new(true);
    // The first to end decides; what is on its way to a slow reader delays none of the others.
    let end = tokio::select! {
        end = pump(&mut sink, state, asked, &heard) => end,
        end = listen(&mut stream, &heard) => end,
        end = permission_ends(state, caller) => Some(end),
        _ = state.stopping.cancelled() => Some((AWAY, "the server stops")),
    };
    // With none the reader is gone: there is nobody to say goodbye to.
    if let Some((code, reason)) = end {
        let goodbye = Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: reason.into(),
        }));
        let _ = timeout(CLOSE_LIMIT, sink.send(goodbye)).await;
    }
}

/// Sends all that the reader asked for, and pings.
async fn pump(
    sink: &mut SplitSink<Socket, Message>,
    state: &AppState,
    asked: &Asked,
    heard: &AtomicBool,
) -> Option<End> {
    // What was missed before is not late.
    let began = Instant::now();
    let mut reader = begin(sink, asked).await?;
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        tokio::select! {
            next = reader.next() => match next {
                Next::Changes(changes) => {
                    let waited = changes.iter().map(|c| c.at()).find(|at| *at >= began);
                    for change in changes {
                        feed(sink, change.frame()).await?;
                    }
                    flush(sink).await?;
                    if let Some(at) = waited {
                        state.engine.counters().ws_delivery.observe(at.elapsed());
                    }
                }
                Next::Lost => snapshot(sink, asked, &mut reader).await?,
            },
            _ = ping.tick() => {
                unanswered = if heard.swap(false, Ordering::Relaxed) { 0 } else { unanswered + 1 };
                if unanswered == 2 {
                    return Some((POLICY, "no answer to two pings"));
                }
                let ping = sink.send(Message::Ping(Bytes::new()));
                timeout(SEND_LIMIT, ping).await.ok()?.ok()?;
            }
        }
    }
}

/// The first frame: the state, or word that the reader goes on from where it stopped.
async fn begin(sink: &mut SplitSink<Socket, Message>, asked: &Asked) -> Option<Reader> {
    let (viewer, topics) = (&asked.viewer, asked.topics);
    // A place that we can't read is one that we have nothing for: the reader gets the state.
    let place = asked.since.as_ref().and_then(|s| s.parse().ok());
    if let Some(reader) = place.and_then(|p| viewer.resume(topics, &p)) {
        let resumed = ServerFrame::Resumed {
            run: reader.run().into(),
            seq: reader.at(),
            topics,
        };
        send(sink, &resumed).await?;
        return Some(reader);
    }
    let mut reader = viewer.subscribe(topics);
    snapshot(sink, asked, &mut reader).await?;
    Some(reader)
}

/// Sends the whole state; the reader goes on from there.
async fn snapshot(
    sink: &mut SplitSink<Socket, Message>,
    asked: &Asked,
    reader: &mut Reader,
) -> Option<()> {
    // The number first: what changes while we look is in the snapshot and comes once more.
    let seq = reader.skip();
    let frame = ServerFrame::Snapshot {
        run: reader.run().into(),
        seq,
        topics: asked.topics,
        snapshot: Box::new(views::snapshot(&asked.viewer, asked.topics)),
    };
    send(sink, &frame).await
}

/// Hears that the reader is there, or goes.
async fn listen(stream: &mut SplitStream<Socket>, heard: &AtomicBool) -> Option<End> {
    loop {
        match stream.next().await {
            Some(Ok(Message::Close(_))) | None => return Some((NORMAL, "")),
            Some(Ok(_)) => heard.store(true, Ordering::Relaxed),
            Some(Err(_)) => return None,
        }
    }
}

/// Waits until the caller may not read any more what this connection tells.
async fn permission_ends(state: &AppState, caller: &Caller) -> End {
    let mut changes = state.engine.users().changes();
    loop {
        changes.mark_unchanged();
        let now = state.engine.users().again(&caller.identity);
        if let Some(end) = verdict(now.ok().map(|who| who.role), caller.identity.role) {
            return end;
        }
        // Both outcomes are a reason to look again.
        let _ = timeout(LOOK, changes.changed()).await;
    }
}

/// What becomes of a reader whose session gives it this role now.
fn verdict(role: Option<Role>, at_first: Role) -> Option<End> {
    match role {
        None => Some((SESSION_ENDED, "the session has ended")),
        // Also where the topics are still allowed: some events are for higher roles.
        Some(role) if role < at_first => {
            Some((ROLE_TOO_LOW, "the role does not allow this any more"))
        }
        Some(_) => None,
    }
}

/// None when the reader is gone.
async fn send(sink: &mut (impl Sink<Message> + Unpin), frame: &ServerFrame) -> Option<()> {
    let json = serde_json::to_vec(frame).ok()?;
    feed(sink, json.into()).await?;
    flush(sink).await
}

async fn feed(sink: &mut (impl Sink<Message> + Unpin), json: Bytes) -> Option<()> {
    timeout(SEND_LIMIT, feed_text(sink, json)).await.ok()?.ok()
}

async fn flush(sink: &mut (impl Sink<Message> + Unpin)) -> Option<()> {
    timeout(SEND_LIMIT, sink.flush()).await.ok()?.ok()
}
