//! `/api/v1/ws`: a snapshot with its number, then each change with the next number.

use super::{AppState, auth::Caller, views};
use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use types::{Event, ServerFrame};

/// A reader that says nothing for two of these is gone. Its session is looked at as often.
const PING: Duration = Duration::from_secs(5);
/// A reader that does not take a frame within this long is dropped; it comes back for a snapshot.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// The page sends nothing but pongs.
const MAX_INCOMING: usize = 4096;

/// Session and origin were checked before this is reached.
pub async fn upgrade(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .max_message_size(MAX_INCOMING)
        .on_upgrade(move |socket| async move {
            let _open = state.engine.counters().ws_connections.enter();
            let mut socket = socket;
            let (code, reason) = match feed(&mut socket, &state, &caller).await {
                Ok(end) => end,
                // The reader is gone: there is nobody to say goodbye to.
                Err(_) => return,
            };
            let _ = send(
                &mut socket,
                Message::Close(Some(CloseFrame {
                    code,
                    reason: reason.into(),
                })),
            )
            .await;
        })
}

type End = (u16, &'static str);

/// Serves one reader until it goes, its session ends or the server stops.
async fn feed(
    socket: &mut WebSocket,
    state: &AppState,
    caller: &Caller,
) -> Result<End, axum::Error> {
    let mut events = state.engine.events().subscribe();
    let mut seen = snapshot(socket, state).await?;
    let mut ping = interval(PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let stopping = state.stopping.clone();
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok((seq, event)) if seq > seen => {
                    delta(socket, seq, event).await?;
                    seen = seq;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => seen = snapshot(socket, state).await?,
                Err(RecvError::Closed) => return Ok((close_code::AWAY, "the server stops")),
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_))) | None => return Ok((close_code::NORMAL, "")),
                Some(Ok(_)) => heard = Instant::now(),
                Some(Err(e)) => return Err(e),
            },
            _ = ping.tick() => {
                if heard.elapsed() > 2 * PING + Duration::from_secs(1) {
                    return Ok((close_code::POLICY, "no answer to two pings"));
                }
                if !caller.still_valid(state) {
                    return Ok((close_code::POLICY, "the session has ended"));
                }
                send(socket, Message::Ping(Default::default())).await?;
            }
            _ = stopping.cancelled() => return Ok((close_code::AWAY, "the server stops")),
        }
    }
}

/// Sends the whole state and gives the number that it is as of.
async fn snapshot(socket: &mut WebSocket, state: &AppState) -> Result<u64, axum::Error> {
    // The number first: what changes while we read is in the snapshot and comes once more.
    let seq = state.engine.events().seq();
    let snapshot = views::snapshot(state);
    frame(
        socket,
        &ServerFrame::Snapshot {
            seq,
            snapshot: Box::new(snapshot),
        },
    )
    .await?;
    Ok(seq)
}

async fn delta(socket: &mut WebSocket, seq: u64, event: Arc<Event>) -> Result<(), axum::Error> {
    let event = Box::new(Arc::unwrap_or_clone(event));
    frame(socket, &ServerFrame::Delta { seq, event }).await
}

async fn frame(socket: &mut WebSocket, frame: &ServerFrame) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    send(socket, Message::Text(text.into())).await
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), axum::Error> {
    timeout(SEND_LIMIT, socket.send(message))
        .await
        .map_err(axum::Error::new)?
}
