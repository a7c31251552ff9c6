//! The way from a command to the server: HTTP over the local socket or over TCP, and the proof of
//! who asks.

use super::{
    CliError, Reach,
    console::written,
    credentials::{Credentials, SignIn},
    local::{UnixConnector, socket},
};
use crate::http::auth::CLI_AGENT;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};
use types::{Problem, RefreshParams, TokenView};
use ureq::{
    Agent, AsSendBody, Body, SendBody,
    http::{Request, Response, StatusCode},
    unversioned::resolver::DefaultResolver,
};
use uuid::Uuid;

const DEFAULT_URL: &str = "http://127.0.0.1:3000";
/// The name of one change, the same when it is sent twice.
const KEY: &str = "idempotency-key";
/// How often, and how long apart, it is asked after a change that is still under way.
const ASK_AGAIN: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// A command waits this long for the server to accept it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Members of a body that nobody shall read over a shoulder.
const SECRETS: &[&str] = &["password", "current", "new", "refresh_token"];
/// Piece of what is passed on to stdout.
const PIECE: usize = 64 << 10;

/// A change, as it goes to the server.
pub struct Change {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    /// Only made on this revision.
    pub if_match: Option<u64>,
    /// Whether the server takes a key for it, with which it can be sent twice and is made once.
    repeatable: bool,
}

impl Change {
    /// Without a body.
    pub fn new(method: &'static str, path: impl Into<String>) -> Change {
        Change {
            method,
            path: path.into(),
            body: None,
            if_match: None,
            repeatable: true,
        }
    }

    /// One that the server takes no key for: its answer holds a secret.
    pub fn once(mut self) -> Change {
        self.repeatable = false;
        self
    }

    /// With this as JSON.
    ///
    /// # Errors
    /// When JSON can't hold it.
    pub fn body(mut self, body: &impl Serialize) -> Result<Change, CliError> {
        let body = serde_json::to_value(body)
            .map_err(|e| CliError::mismatch("could not write the request", e))?;
        self.body = Some(body);
        Ok(self)
    }

    /// Only on this revision.
    pub fn if_match(mut self, revision: Option<u64>) -> Change {
        self.if_match = revision;
        self
    }

    /// The body without its secrets.
    pub fn shown(&self) -> Value {
        let mut body = self.body.clone().unwrap_or_default();
        for name in SECRETS {
            if let Some(secret) = body.get_mut(name).filter(|v| v.is_string()) {
                *secret = "(hidden)".into();
            }
        }
        body
    }
}

/// What shows who asks.
enum Proof {
    /// Nothing, or that one may open the socket.
    None,
    Given(String),
    /// What `login` kept, swapped for a new one when it has run out.
    Kept(Credentials),
}

/// A connection to one server.
pub struct Server {
    agent: Agent,
    base: String,
    proof: Proof,
    /// On this box: then `base` is only for the Host header.
    socket: Option<PathBuf>,
    /// For messages.
    at: String,
}

impl Server {
    /// Chooses the server from the flags; connects at the first request.
    pub fn new(reach: &Reach) -> Server {
        let local = reach.server.is_none() && reach.token.is_none();
        match socket(reach.data.as_deref()).filter(|_| local) {
            None => Server::remote(reach),
            Some(path) => Server {
                at: path.display().to_string(),
                agent: Agent::with_parts(
                    config(),
                    UnixConnector { path: path.clone() },
                    DefaultResolver::default(),
                ),
                // Only for the Host header; the connector looks at neither name nor port.
                base: "http://127.0.0.1".into(),
                proof: Proof::None,
                socket: Some(path),
            },
        }
    }

    /// A server over TCP, where one has to show who one is.
    pub fn remote(reach: &Reach) -> Server {
        let base = reach.server.as_deref().unwrap_or(DEFAULT_URL);
        let base = base.trim_end_matches('/').to_string();
        let proof = match (&reach.token, Credentials::open()) {
            (Some(token), _) => Proof::Given(token.clone()),
            (None, Some(kept)) => Proof::Kept(kept),
            (None, None) => Proof::None,
        };
        Server {
            agent: Agent::new_with_config(config()),
            at: base.clone(),
            base,
            proof,
            socket: None,
        }
    }

    /// Scheme, host and port.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The local socket, when the server is reached over it.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// What messages call it.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// What `login` keeps, when that is the proof.
    pub fn kept(&self) -> Option<&Credentials> {
        match &self.proof {
            Proof::Kept(kept) => Some(kept),
            _ => None,
        }
    }

    /// `GET`, answer as JSON.
    ///
    /// # Errors
    /// When the server can't be reached, refuses, or answers what we don't understand.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let bearer = self.bearer()?;
        self.json(self.send("GET", path, bearer.as_deref(), &[], ())?)
    }

    /// `GET` of something long, passed on as it comes.
    ///
    /// # Errors
    /// As [`Server::get`], and when `to` can't be written.
    pub fn pass_on(&self, path: &str, to: &mut dyn io::Write) -> Result<(), CliError> {
        let bearer = self.bearer()?;
        let response = self.send("GET", path, bearer.as_deref(), &[], ())?;
        let mut body = response.into_body().into_reader();
        let mut piece = vec![0; PIECE];
        loop {
            match body.read(&mut piece) {
                Ok(0) => return written(to.flush()),
                Ok(n) => match to.write_all(&piece[..n]) {
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    other => written(other)?,
                },
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unreachable(ureq::Error::Io(e))),
            }
        }
    }

    /// Makes a change, answer as JSON.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn change<T: DeserializeOwned>(&self, change: &Change) -> Result<T, CliError> {
        let bearer = self.bearer()?;
        self.json(self.submit(change, bearer.as_deref())?)
    }

    /// Makes a change whose answer does not matter.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn act(&self, change: &Change) -> Result<(), CliError> {
        let bearer = self.bearer()?;
        self.submit(change, bearer.as_deref()).map(drop)
    }

    /// Asks as nobody: to sign in.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn knock<T: DeserializeOwned>(&self, change: Change) -> Result<T, CliError> {
        self.json(self.submit(&change.once(), None)?)
    }

    /// `POST` of a file's bytes, with its length announced.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        file: impl Read + 'static,
        len: u64,
    ) -> Result<T, CliError> {
        self.send_file(("POST", path), Vec::new(), file, len)
    }

    /// `PATCH` of the rest of a file, so many bytes from `offset` on.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn send_rest<T: DeserializeOwned>(
        &self,
        path: &str,
        rest: impl Read + 'static,
        offset: u64,
        len: u64,
    ) -> Result<T, CliError> {
        let headers = vec![("upload-offset", offset.to_string())];
        self.send_file(("PATCH", path), headers, rest, len)
    }

    fn send_file<T: DeserializeOwned>(
        &self,
        (method, path): (&str, &str),
        mut headers: Vec<(&str, String)>,
        file: impl Read + 'static,
        len: u64,
    ) -> Result<T, CliError> {
        headers.extend([
            ("content-type", "application/octet-stream".to_string()),
            ("content-length", len.to_string()),
            // What is refused at once is refused before gigabytes are on their way.
            ("expect", "100-continue".to_string()),
        ]);
        let body = SendBody::from_owned_reader(file);
        let bearer = self.bearer()?;
        self.json(self.send(method, path, bearer.as_deref(), &headers, body)?)
    }

    /// Sends a change under a key of its own. When the connection breaks before the answer, nobody here
    /// knows whether it was made: it is sent once more with the same key, and the server makes it once.
    fn submit(&self, change: &Change, bearer: Option<&str>) -> Result<Response<Body>, CliError> {
        let mut headers = Vec::new();
        if let Some(revision) = change.if_match {
            headers.push(("if-match", format!("\"{revision}\"")));
        }
        if change.repeatable {
            headers.push((KEY, Uuid::now_v7().to_string()));
        }
        let text = change.body.as_ref().map(Value::to_string);
        if text.is_some() {
            headers.push(("content-type", "application/json".into()));
        }
        let send = || match &text {
            None => self.run(change.method, &change.path, bearer, &headers, ()),
            Some(text) => self.run(change.method, &change.path, bearer, &headers, text),
        };
        let mut answer = send()?;
        if change.repeatable && answer.as_ref().is_err_and(broke) {
            answer = send()?;
            for _ in 0..ASK_AGAIN {
                if !answer.as_ref().is_ok_and(is_under_way) {
                    break;
                }
                std::thread::sleep(PAUSE);
                answer = send()?;
            }
        }
        self.granted(answer)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        headers: &[(&str, String)],
        body: impl AsSendBody,
    ) -> Result<Response<Body>, CliError> {
        self.granted(self.run(method, path, bearer, headers, body)?)
    }

    /// One request; within it what became of the connection.
    fn run(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        headers: &[(&str, String)],
        body: impl AsSendBody,
    ) -> Result<Result<Response<Body>, ureq::Error>, CliError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(body).map_err(|e| self.bad_address(&e))?;
        Ok(self.agent.run(request))
    }

    fn granted(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, CliError> {
        let response = answer.map_err(|e| self.unreachable(e))?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(CliError::Problem(Box::new(problem(response)))),
        }
    }

    /// The bearer token for the next request; the kept one is swapped when it has run out.
    ///
    /// # Errors
    /// When the sign-in has ended, or its file can't be read or written.
    pub fn bearer(&self) -> Result<Option<String>, CliError> {
        let kept = match &self.proof {
            Proof::None => return Ok(None),
            Proof::Given(token) => return Ok(Some(token.clone())),
            Proof::Kept(kept) => kept,
        };
        let Some(sign_in) = kept.of(&self.base)? else {
            return Ok(None);
        };
        if sign_in.is_fresh() {
            return Ok(Some(sign_in.access_token));
        }
        // Two commands that swap the same token look like a thief to the server.
        let _lock = kept.lock()?;
        match kept.of(&self.base)? {
            None => Ok(None),
            Some(other) if other.is_fresh() => Ok(Some(other.access_token)),
            Some(old) => self.swap(kept, old).map(Some),
        }
    }

    fn swap(&self, kept: &Credentials, old: SignIn) -> Result<String, CliError> {
        let params = RefreshParams {
            refresh_token: old.refresh_token,
        };
        let change = Change::new("POST", "/api/v1/auth/refresh").body(&params)?;
        match self.knock::<TokenView>(change) {
            Ok(tokens) => {
                let access = tokens.access_token.clone();
                kept.put(&self.base, SignIn::new(old.username, tokens))?;
                Ok(access)
            }
            Err(CliError::Problem(p)) if p.status == StatusCode::UNAUTHORIZED.as_u16() => {
                kept.forget(&self.base)?;
                Err(CliError::SignedOut {
                    at: self.base.clone(),
                })
            }
            Err(e) => Err(e),
        }
    }

    fn json<T: DeserializeOwned>(&self, mut response: Response<Body>) -> Result<T, CliError> {
        let body = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string();
        let body = body.map_err(|e| self.unreachable(e))?;
        serde_json::from_str(&body).map_err(|e| {
            CliError::mismatch(
                "the server's answer is not what this version understands",
                e,
            )
        })
    }

    /// The error for an address that is none.
    pub fn bad_address(&self, why: &dyn fmt::Display) -> CliError {
        CliError::Usage {
            what: format!("`{}` is not an address of a server: {why}", self.base),
            code: "NSB-CLI-002",
            hint: "Write it like http://127.0.0.1:3000.".into(),
        }
    }

    /// The error for a connection that could not be made, or broke.
    pub fn unreachable(&self, e: ureq::Error) -> CliError {
        const START: &str =
            "Start it with `nsboot serve`, or name the right one with --server URL or --data DIR.";
        let kind = match &e {
            ureq::Error::Io(e) => e.kind(),
            _ => io::ErrorKind::Other,
        };
        let (what, hint) = match kind {
            io::ErrorKind::PermissionDenied => (
                "only root and the server's own user may use the socket",
                "Use sudo, or sign in: `nsboot login --server URL`.",
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

/// Whether the server is still at the change that is asked about once more: of all that it answers with
/// 409, only that can be waited for.
fn is_under_way(answer: &Response<Body>) -> bool {
    answer.status() == StatusCode::CONFLICT && answer.headers().contains_key("retry-after")
}

/// Whether a connection that was there broke: the request may have got through, the answer did not.
fn broke(e: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ureq::Error::Io(e) = e else { return false };
    matches!(
        e.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}

fn config() -> ureq::config::Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .tls_config(engine::tls())
        .user_agent(CLI_AGENT)
        .build()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_is_shown_without_its_secrets() {
        let body = json!({"username": "ada", "password": "x", "current": "y", "new": "z"});
        let change = Change::new("POST", "/x").body(&body).expect("JSON");
        let hidden = "(hidden)";
        assert_eq!(
            change.shown(),
            json!({"username": "ada", "password": hidden, "current": hidden, "new": hidden})
        );
        let nothing = json!({"password": null});
        let change = Change::new("POST", "/x").body(&nothing).expect("JSON");
        assert_eq!(change.shown(), nothing, "nothing to hide");
    }
}
