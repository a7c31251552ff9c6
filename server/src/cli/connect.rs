//! The way from a command to the server: HTTP over the local socket or over TCP.

use super::{CliError, Reach};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};
use types::Problem;
use ureq::{
    Agent, AsSendBody, Body,
    http::{Request, Response},
    unversioned::{
        resolver::DefaultResolver,
        transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport},
    },
};

/// The socket in the data directory. Mode 0600: who can open it is the server's own user or root,
/// and needs no password.
pub const SOCKET_NAME: &str = "nsboot.sock";
const DEFAULT_URL: &str = "http://127.0.0.1:3000";
/// A command waits this long for the server to accept it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to one server.
pub struct Server {
    agent: Agent,
    base: String,
    token: Option<String>,
    /// For messages.
    at: String,
}

impl Server {
    /// Chooses the server from the flags; connects at the first request.
    pub fn new(reach: &Reach) -> Server {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("nsboot/", env!("CARGO_PKG_VERSION")))
            .build();
        let socket = (reach.server.is_none() && reach.token.is_none())
            .then(|| local_socket(reach.data.as_deref()))
            .flatten();
        match socket {
            Some(path) => Server {
                at: path.display().to_string(),
                agent: Agent::with_parts(
                    config,
                    UnixConnector { path },
                    DefaultResolver::default(),
                ),
                // Only for the Host header; the connector looks at neither name nor port.
                base: "http://127.0.0.1".into(),
                token: None,
            },
            None => {
                let base = reach.server.clone().unwrap_or_else(|| DEFAULT_URL.into());
                let base = base.trim_end_matches('/').to_string();
                Server {
                    agent: Agent::new_with_config(config),
                    at: base.clone(),
                    base,
                    token: reach.token.clone(),
                }
            }
        }
    }

    /// `GET`, answer as JSON.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.json(self.send("GET", path, &[], ())?)
    }

    /// `POST` or `PATCH` of JSON, answer as JSON.
    pub fn submit<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let text =
            serde_json::to_string(body).map_err(|e| local("could not write the request", e))?;
        let headers = [("content-type", "application/json".to_string())];
        self.json(self.send(method, path, &headers, text)?)
    }

    /// `POST` whose answer does not matter.
    pub fn act(&self, method: &str, path: &str) -> Result<(), CliError> {
        self.send(method, path, &[], ()).map(drop)
    }

    /// `POST` of a file's bytes, with its length announced.
    pub fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: std::fs::File,
        len: u64,
    ) -> Result<T, CliError> {
        let headers = [
            ("content-type", "application/octet-stream".to_string()),
            ("content-length", len.to_string()),
            // A name that is taken is refused before gigabytes are on their way.
            ("expect", "100-continue".to_string()),
        ];
        self.json(self.send("POST", path, &headers, file)?)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: impl AsSendBody,
    ) -> Result<Response<Body>, CliError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body).map_err(|e| CliError::Usage {
            what: format!("`{}` is not an address of a server: {e}", self.base),
            code: "NSB-CLI-002",
            hint: "Write it like http://127.0.0.1:3000.".into(),
        })?;
        let response = self.agent.run(request).map_err(|e| self.unreachable(e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(CliError::Problem(Box::new(problem(response))))
    }

    fn json<T: DeserializeOwned>(&self, mut response: Response<Body>) -> Result<T, CliError> {
        let body = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string();
        let body = body.map_err(|e| self.unreachable(e))?;
        serde_json::from_str(&body).map_err(|e| {
            local(
                "the server's answer is not what this version understands",
                e,
            )
        })
    }

    fn unreachable(&self, e: ureq::Error) -> CliError {
        const START: &str =
            "Start it with `nsboot serve`, or name the right one with --server URL or --data DIR.";
        let kind = match &e {
            ureq::Error::Io(e) => e.kind(),
            _ => io::ErrorKind::Other,
        };
        let (what, hint) = match kind {
            io::ErrorKind::PermissionDenied => (
                "only root and the server's own user may use the socket",
                "Use sudo, or sign in: --server URL with --token.",
            ),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => (
                "the connection broke in the middle, at",
                "Look at the server's log, then try again.",
            ),
            _ => ("no server answers at", START),
        };
        CliError::Unreachable {
            what,
            at: self.at.clone(),
            why: e.to_string(),
            hint,
        }
    }
}

fn local(what: &str, why: impl fmt::Display) -> CliError {
    CliError::Local {
        what: what.into(),
        why: why.to_string(),
        code: "NSB-CLI-003",
        hint: "Use the same version of nsboot on both sides.",
    }
}

/// The problem of an error answer; made up from the status when the answer carries none.
fn problem(mut response: Response<Body>) -> Problem {
    let status = response.status();
    let text = response
        .body_mut()
        .with_config()
        .limit(1 << 20)
        .read_to_string();
    let read = text.ok().and_then(|t| serde_json::from_str(&t).ok());
    read.unwrap_or_else(|| {
        Problem::new(
            status.as_u16(),
            "NSB-CLI-004",
            format!("The server answered {status}"),
            "Check that --server names an NSBoot server.",
        )
    })
}

/// The socket of the server on this box, if there is one.
fn local_socket(data: Option<&Path>) -> Option<PathBuf> {
    match data {
        // Named by the user: what is wrong with it shall be said, not worked around.
        Some(dir) => Some(dir.join(SOCKET_NAME)),
        None => [
            Path::new(crate::config::DEFAULT_DATA_DIR),
            Path::new("data"),
        ]
        .into_iter()
        .map(|d| d.join(SOCKET_NAME))
        .find(|p| p.exists()),
    }
}

#[derive(Debug)]
struct UnixConnector {
    path: PathBuf,
}

impl<In: Transport> Connector<In> for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<UnixTransport>, ureq::Error> {
        let stream = UnixStream::connect(&self.path)?;
        let config = details.config;
        Ok(Some(UnixTransport {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        }))
    }
}

/// HTTP over a socket of this box. Times out nowhere: the peer is our own server, and an import
/// may take as long as the disk needs.
struct UnixTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl fmt::Debug for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixTransport").finish_non_exhaustive()
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        match self.stream.write_all(&self.buffers.output()[..amount]) {
            // The server refused before it had read all: why is in its answer, which comes next. Linux
            // calls it a reset when bytes of ours were still unread, else a broken pipe.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let n = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => break other?,
            }
        };
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    fn is_open(&mut self) -> bool {
        // One command sends few requests; a new connection each is simpler than probing this one.
        false
    }
}
