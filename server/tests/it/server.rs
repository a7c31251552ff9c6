//! A running `nsboot serve` on a free port, and requests to it.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tempfile::TempDir;

pub const PASSWORD: &str = "correct horse battery";
/// A loaded CI box takes its time; a server that hangs must still fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server process; killed when dropped.
pub struct Server {
    child: Child,
    pub dir: TempDir,
    pub base: String,
    pub code: Option<String>,
    agent: ureq::Agent,
}

/// The binary with nothing of our own environment in it.
pub fn nsboot() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nsboot"));
    command.env_clear().env("NSBOOT_LOG", "warn");
    command
}

/// Whether a command waits for Ctrl-C already: before, it would end without a word.
pub fn waits_for_interrupt(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let mask = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
    let mask = u64::from_str_radix(mask.expect("a mask").trim(), 16).expect("hex");
    mask & (1 << (nix::libc::SIGINT - 1)) != 0
}

impl Server {
    /// With the account `admin`.
    pub fn start() -> Server {
        Server::launch(tempfile::tempdir().expect("temp dir"), true)
    }

    /// Without any account.
    pub fn fresh() -> Server {
        Server::launch(tempfile::tempdir().expect("temp dir"), false)
    }

    /// With the account `admin` and this text as `nsboot.toml`.
    pub fn with_file(text: &str) -> Server {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("nsboot.toml"), text).expect("written");
        Server::launch(dir, true)
    }

    /// With the account `admin`, and with what `prepare` does to the command; it is given the
    /// data directory.
    pub fn prepared(prepare: impl FnOnce(&mut Command, &Path)) -> Server {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut command = nsboot();
        prepare(&mut command, dir.path());
        Server::run_command(command, dir, true)
    }

    /// A data directory once more, with what `prepare` does to the command.
    pub fn again(dir: TempDir, prepare: impl FnOnce(&mut Command)) -> Server {
        let mut command = nsboot();
        prepare(&mut command);
        Server::run_command(command, dir, true)
    }

    pub fn launch(dir: TempDir, account: bool) -> Server {
        Server::run_command(nsboot(), dir, account)
    }

    /// With the account `admin`, and the page where the saved settings say.
    pub fn where_it_is_saved(dir: TempDir) -> Server {
        Server::run_listening(nsboot(), dir, true, &[])
    }

    fn run_command(command: Command, dir: TempDir, account: bool) -> Server {
        Server::run_listening(command, dir, account, &["--listen", "127.0.0.1:0"])
    }

    fn run_listening(mut command: Command, dir: TempDir, account: bool, listen: &[&str]) -> Server {
        command
            .arg("serve")
            .args(listen)
            .arg("--data")
            .arg(dir.path());
        if account {
            command.env("NSBOOT_ADMIN_PASSWORD", PASSWORD);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsboot starts");
        let lines = lines(child.stdout.take().expect("piped"));
        let next = || {
            lines
                .recv_timeout(PATIENCE)
                .expect("nsboot says where it is")
        };
        let first = next();
        let base = first
            .split(" is at ")
            .nth(1)
            .expect("the address")
            .to_string();
        let code = (!account).then(|| {
            let line = next();
            line.split(": ").nth(1).expect("the code").to_string()
        });
        Server {
            child,
            dir,
            base,
            code,
            agent: agent(),
        }
    }

    /// Asks it to stop and waits.
    pub fn stop(mut self) -> (ExitStatus, TempDir) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().expect("temp dir"));
        (status, dir)
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        std::mem::replace(&mut self.dir, tempfile::tempdir().expect("temp dir"))
    }

    /// The same data directory, once more.
    pub fn restart(self) -> Server {
        let (status, dir) = self.stop();
        assert!(status.success(), "{status}");
        Server::launch(dir, true)
    }

    /// A request; the headers are `name: value`.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let sent = send(&self.agent, &self.base, method, path, headers, body);
        sent.expect("an answer")
    }

    /// A request by a connection of its own, to wherever a server may be.
    pub fn ask(
        base: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        send(&agent(), base, method, path, headers, body).map_err(|e| e.to_string())
    }

    /// Signs in as `admin`.
    pub fn login(&self) -> Session<'_> {
        let body = serde_json::json!({"username": "admin", "password": PASSWORD});
        let answer = self.json("POST", "/api/v1/auth/login", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let v = answer.value();
        let text = |k: &str| v[k].as_str().expect(k).to_string();
        Session {
            server: self,
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }

    /// JSON without a session.
    pub fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(
            method,
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Runs a command against this server over its local socket.
    pub fn run(&self, args: &[&str]) -> std::process::Output {
        nsboot()
            .args(args)
            .arg("--data")
            .arg(self.dir.path())
            .output()
            .expect("nsboot runs")
    }

    pub fn data(&self) -> &Path {
        self.dir.path()
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    config.into()
}

fn send(
    agent: &ureq::Agent,
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let run = match method {
        "GET" | "HEAD" | "DELETE" if body.is_empty() => {
            agent.run(request.body(()).expect("request"))
        }
        _ => agent.run(request.body(body).expect("request")),
    };
    let mut response = run?;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().expect("text").to_string())
    };
    Ok(Answer {
        status: response.status().as_u16(),
        etag: header("etag"),
        kind: header("content-type").unwrap_or_default(),
        authenticate: header("www-authenticate"),
        cookie: header("set-cookie"),
        policy: header("content-security-policy").unwrap_or_default(),
        location: header("location"),
        request_id: header("x-request-id"),
        replayed: header("idempotency-replayed").is_some_and(|v| v == "true"),
        retry_after: header("retry-after"),
        headers: response.headers().clone(),
        body: response.body_mut().read_to_vec().expect("body"),
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, read by a thread so that waiting for one can end.
pub fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// A signed-in caller.
pub struct Session<'a> {
    pub server: &'a Server,
    pub access: String,
    pub refresh: String,
}

impl Session<'_> {
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.access);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        self.server.send(method, path, &all, body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(
            method,
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Items of a list.
    pub fn items(&self, path: &str) -> Vec<Value> {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.value()["items"].as_array().expect("a list").clone()
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub etag: Option<String>,
    pub kind: String,
    pub authenticate: Option<String>,
    pub cookie: Option<String>,
    pub policy: String,
    pub location: Option<String>,
    pub request_id: Option<String>,
    pub replayed: bool,
    pub retry_after: Option<String>,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?.to_str().expect("text");
        Some(value.to_string())
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a problem, after checking that it is a whole one.
    pub fn code(&self) -> String {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let v = self.value();
        assert_eq!(v["status"], self.status, "{self:?}");
        for member in ["title", "hint", "code", "type"] {
            assert!(
                v[member].as_str().is_some_and(|s| !s.is_empty()),
                "no {member}: {self:?}"
            );
        }
        v["code"].as_str().unwrap_or_default().to_string()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.text();
        write!(
            f,
            "{} {} {}",
            self.status,
            self.kind,
            text.chars().take(2000).collect::<String>()
        )
    }
}
