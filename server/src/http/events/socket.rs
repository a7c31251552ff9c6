//! The WebSocket itself: its handshake, and texts cut into pieces, so that what a connection keeps
//! for sending does not grow with the largest text that it ever sent. What is said is not decided here.

use crate::{http::problem::ApiError, tasks::Tasks};
use axum::{
    body::Body,
    extract::{FromRequestParts, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use http::{HeaderValue, StatusCode, header, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{
            Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};
use types::Problem;

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Readers send nothing but pongs.
const MAX_INCOMING: usize = 4096;
/// What is read of them at a time. A buffer of this size stays with each reader; the usual one has
/// 128 KiB.
const READ_PIECE: usize = 512;
/// What is handed to the socket at a time. A buffer of about twice this size stays with each reader.
pub const PIECE: usize = 8192;

/// A request that asks for a WebSocket as it should.
pub struct Upgrade {
    accept: HeaderValue,
    ready: OnUpgrade,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ready = parts.extensions.get::<OnUpgrade>().cloned();
        // axum knows what a handshake has to have; its own socket can't send a text in pieces.
        WebSocketUpgrade::from_request_parts(parts, state)
            .await
            .map(drop)
            .map_err(no_upgrade)?;
        let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
        let accept = key.and_then(|k| derive_accept_key(k.as_bytes()).try_into().ok());
        match (accept, ready) {
            (Some(accept), Some(ready)) => Ok(Upgrade { accept, ready }),
            _ => Err(engine::Error::Internal("a handshake without its key".into()).into()),
        }
    }
}

impl Upgrade {
    /// The answer to the request; `serve` gets the socket once that is sent. The server's end waits for it.
    pub fn serve<F>(
        self,
        tasks: &Tasks,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let ready = self.ready;
        tasks.attend(async move {
            // Otherwise whoever asked has gone.
            if let Ok(upgraded) = ready.await {
                let io = TokioIo::new(upgraded);
                let config = Some(config());
                serve(WebSocketStream::from_raw_socket(io, Role::Server, config).await).await;
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_INCOMING))
        .read_buffer_size(READ_PIECE)
        .write_buffer_size(PIECE)
}

fn no_upgrade(rejection: WebSocketUpgradeRejection) -> ApiError {
    ApiError::from(
        Problem::new(
            rejection.status().as_u16(),
            "NSB-HTTP-426",
            "This address is for WebSockets",
            "Open it as ws://HOST/api/v1/ws with a WebSocket client of version 13.",
        )
        .detail(rejection.body_text()),
    )
}

/// Feeds one text message, in fragments (RFC 6455 section 5.4) when it is long: the socket keeps a
/// buffer as large as the largest frame that it was given.
pub async fn feed_text<S: Sink<Message> + Unpin>(
    sink: &mut S,
    mut text: Bytes,
) -> Result<(), S::Error> {
    let mut code = Data::Text;
    loop {
        let piece = text.split_to(text.len().min(PIECE));
        let last = text.is_empty();
        let frame = Frame::message(piece, OpCode::Data(code), last);
        sink.feed(Message::Frame(frame)).await?;
        if last {
            return Ok(());
        }
        code = Data::Continue;
    }
}
