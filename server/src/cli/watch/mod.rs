//! What changes on a server, as it happens: its WebSocket, opened anew whenever it is lost, going on
//! from where it stopped. What becomes of the frames is decided by who asks for them.

pub mod clients;
pub mod lines;

use super::{CliError, Output, connect::Server, render};
use futures_util::StreamExt;
use std::{
    fmt,
    io::{self, Write},
    path::Path,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::client::Response,
        http::{HeaderValue, Request},
    },
};
use types::{Event, Position, Problem, ServerFrame, Topics};

/// Pauses before the next try; the last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// For the connection and the server's answer.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// The server pings every five seconds: one that is silent for longer than this is gone.
const SILENCE: Duration = Duration::from_secs(16);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Socket = WebSocketStream<Box<dyn Stream>>;

/// The frames about some topics, for as long as they are asked for.
pub struct Watch<'a> {
    server: &'a Server,
    topics: Topics,
    socket: Option<Socket>,
    place: Option<Position>,
    /// Since the last frame.
    tries: usize,
}

impl<'a> Watch<'a> {
    /// Opens the connection.
    ///
    /// # Errors
    /// When no server answers, or it refuses.
    pub async fn open(server: &'a Server, topics: Topics) -> Result<Watch<'a>, CliError> {
        let mut watch = Watch {
            server,
            topics,
            socket: None,
            place: None,
            tries: 0,
        };
        watch.socket = Some(watch.connect().await?);
        Ok(watch)
    }

    /// The next frame. A lost connection is opened anew, for ever.
    ///
    /// # Errors
    /// When the server refuses, e.g. because the session has ended, or says what we don't understand.
    pub async fn next(&mut self) -> Result<ServerFrame, CliError> {
        loop {
            let Some(socket) = &mut self.socket else {
                self.again().await?;
                continue;
            };
            match timeout(SILENCE, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    let frame = serde_json::from_str(&text).map_err(not_understood)?;
                    self.place = Position::after(self.place.take(), &frame);
                    self.tries = 0;
                    return Ok(frame);
                }
                // tungstenite answers pings by itself.
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                // Why it ended, e.g. with the session, the next try is told.
                _ => self.socket = None,
            }
        }
    }

    async fn again(&mut self) -> Result<(), CliError> {
        let pause = PAUSES[self.tries.min(PAUSES.len() - 1)];
        if self.tries == 0 {
            eprintln!(
                "nsboot: the connection to {} was lost; trying again",
                self.server.at()
            );
        }
        self.tries += 1;
        sleep(pause).await;
        match self.connect().await {
            Ok(socket) => self.socket = Some(socket),
            Err(CliError::Unreachable { .. }) => {}
            // A server that starts or stops, or a proxy before one that does, is no refusal.
            Err(CliError::Problem(p)) if p.status >= 500 => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Socket, CliError> {
        let since = self.place.as_ref().map(|p| format!("&since={p}"));
        let path = format!(
            "/api/v1/ws?topics={}{}",
            self.topics,
            since.unwrap_or_default()
        );
        let bearer = self.server.bearer()?;
        let (request, to) = self.request(&path, bearer)?;
        let opened = timeout(OPEN_LIMIT, open(request, to, self.server.socket())).await;
        let late = |_| Err(Error::Io(io::ErrorKind::TimedOut.into()));
        match opened.unwrap_or_else(late) {
            Ok(socket) => Ok(socket),
            Err(Error::Http(answer)) => Err(CliError::Problem(Box::new(problem(&answer)))),
            Err(Error::Io(e)) => Err(self.server.unreachable(ureq::Error::Io(e))),
            Err(e) => Err(self
                .server
                .unreachable(ureq::Error::Io(io::Error::other(e)))),
        }
    }

    /// The handshake, and host and port to connect to.
    fn request(
        &self,
        path: &str,
        bearer: Option<String>,
    ) -> Result<(Request<()>, String), CliError> {
        let wrong = |why: &dyn fmt::Display| self.server.bad_address(why);
        let host = self.server.base().strip_prefix("http://");
        let host = host.ok_or_else(|| wrong(&"it does not begin with http://"))?;
        let mut request = format!("ws://{host}{path}")
            .into_client_request()
            .map_err(|e| wrong(&e))?;
        if let Some(token) = bearer {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let value = value.map_err(|e| wrong(&e))?;
            request.headers_mut().insert("authorization", value);
        }
        let uri = request.uri();
        let name = uri.host().ok_or_else(|| wrong(&"it names no host"))?;
        let to = format!("{name}:{}", uri.port_u16().unwrap_or(80));
        Ok((request, to))
    }
}

/// Commands block; a watch is one that does for ever.
fn on_this_thread(watch: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::Local {
            what: "could not start".into(),
            why: e.to_string(),
            code: "NSB-CLI-006",
            hint: "Raise the limit of open files (ulimit -n).",
        })?;
    runtime.block_on(watch)
}

/// False when nobody reads any more: `nsboot client ls --watch | head -3` is no failure.
fn show(text: &str) -> Result<bool, CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(CliError::Local {
            what: "could not print the changes".into(),
            why: e.to_string(),
            code: "NSB-CLI-006",
            hint: "Look at where the output goes.",
        }),
    }
}

/// Changes for programs: a YAML document each, else a line of JSON each.
fn lines_of(output: Output, changes: &[Event]) -> String {
    let one = |event: &Event| match serde_json::to_value(event) {
        Ok(value) if output == Output::Yaml => format!("---\n{}", render::yaml(&value)),
        Ok(value) => format!("{value}\n"),
        // Views are plain data: there is nothing in them that JSON can't hold.
        Err(_) => String::new(),
    };
    changes.iter().map(one).collect()
}

/// `to` counts unless there is a socket of this box.
async fn open(request: Request<()>, to: String, local: Option<&Path>) -> Result<Socket, Error> {
    let stream: Box<dyn Stream> = match local {
        Some(path) => Box::new(UnixStream::connect(path).await?),
        None => Box::new(TcpStream::connect(to).await?),
    };
    client_async(request, stream)
        .await
        .map(|(socket, _)| socket)
}

/// The problem of a refusal; made up from the status when the answer carries none.
fn problem(answer: &Response) -> Problem {
    let body = answer.body().as_deref().unwrap_or_default();
    serde_json::from_slice(body).unwrap_or_else(|_| {
        Problem::new(
            answer.status().as_u16(),
            "NSB-CLI-004",
            format!("The server answered {}", answer.status()),
            "Check that --server names an NSBoot server.",
        )
    })
}

fn not_understood(e: serde_json::Error) -> CliError {
    CliError::Local {
        what: "the server's frame is not what this version understands".into(),
        why: e.to_string(),
        code: "NSB-CLI-003",
        hint: "Use the same version of nsboot on both sides.",
    }
}
