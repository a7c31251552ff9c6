//! Many readers of the WebSocket that do nothing: that all are served and told, that REST answers
//! meanwhile, what each costs, and that it is given back. Run by `end2end/bench/ws_idle.sh`.
//! Usage: ws_idle BINARY SOCKETS [CLIENTS]   Starts a server of its own on the loopback with CLIENTS
//! (300) computers in the snapshot, which is then larger than a reader may cost; prints JSON, and
//! fails when a bound is missed.
//!
//! All is done twice: memory that the first readers left has to serve the second ones.

mod parts {
    pub mod rest;
    pub mod server;
    pub mod spread;
}

use futures_util::StreamExt;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use parts::{
    rest::{Caller, Fault, sign_in},
    server::Server,
    spread::spread,
};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::HeaderValue,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

type Socket = WebSocketStream<TcpStream>;

const PASSWORD: &str = "correct-horse-battery";
/// One address has ports for less than 30,000 connections to one server.
const PER_ADDRESS: usize = 2000;
/// Handshakes at a time.
const OPENING: usize = 64;
/// Requests over REST while all are connected, and the time from one to the next: together longer
/// than the server's pings are apart.
const REQUESTS: usize = 300;
const EVERY: Duration = Duration::from_millis(25);
/// What this needs besides the sockets.
const OTHER_FILES: u64 = 200;
/// By when what was asked of all has to have come to the last.
const PATIENCE: Duration = Duration::from_secs(120);

/// The bounds.
const REST_P95_MS: f64 = 100.0;
const BYTES_EACH: f64 = 64.0 * 1024.0;
/// The part of what the first readers took that the second ones may add: with none given back they
/// would add all of it again.
const GROWTH: f64 = 0.5;

fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: ws_idle BINARY SOCKETS [CLIENTS]";
    let binary = args.next().ok_or(usage)?;
    let sockets: usize = args.next().ok_or(usage)?.parse()?;
    let clients: usize = args.next().map_or(Ok(300), |a| a.parse())?;
    raise_files(sockets as u64 + OTHER_FILES)?;
    let dir = tempfile::tempdir()?;
    let server = Server::start(&binary, dir.path(), Some(PASSWORD))?;
    let stage = Arc::new(Stage::new(server, clients)?);
    let runtime = tokio::runtime::Runtime::new()?;
    let mut rounds = Vec::new();
    for round in 1..=2 {
        let figures = runtime.block_on(measure(&stage, sockets))?;
        eprintln!("{sockets} sockets, round {round}: {figures}");
        rounds.push(figures);
    }
    drop(runtime);
    let stage = Arc::into_inner(stage).ok_or("a reader is still there")?;
    stage.server.stop()?;
    let misses = misses(&rounds);
    let out = json!({
        "bench": "ws_idle", "sockets": sockets, "clients": clients, "rounds": rounds, "misses": misses,
    });
    println!("{out}");
    match misses.is_empty() {
        true => Ok(()),
        false => Err(misses.join("; ").into()),
    }
}

/// Lets this process and the server, which inherits it, open so many files each.
fn raise_files(wanted: u64) -> Result<(), Fault> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Readers get three quarters of the server's.
    let limit = hard.max(wanted * 4 / 3);
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).map_err(|e| {
        format!(
            "{limit} open files are needed and {hard} are allowed: {e}; be root or raise ulimit -Hn"
        )
        .into()
    })
}

/// The server, and what is asked of it over REST.
struct Stage {
    server: Server,
    token: String,
    /// Where the computer is that is changed.
    client: String,
}

impl Stage {
    fn new(server: Server, clients: usize) -> Result<Stage, Fault> {
        let token = sign_in(server.at, PASSWORD)?;
        let mut caller = Caller::connect(server.at, &token)?;
        let mut client = String::new();
        for n in 0..clients {
            let [.., a, b] = n.to_be_bytes();
            let params =
                json!({"name": format!("pc-{n}"), "mac": format!("52:54:00:00:{a:02x}:{b:02x}")});
            let made = caller.done("POST", "/api/v1/clients", Some(&params))?;
            client = format!("/api/v1/clients/{}", made["id"].as_str().ok_or("no id")?);
        }
        Ok(Stage {
            server,
            token,
            client,
        })
    }

    fn connect(&self) -> Result<Caller, Fault> {
        Caller::connect(self.server.at, &self.token)
    }

    /// Files that the server has open.
    fn files(&self) -> Result<usize, Fault> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.server.pid))?.count())
    }

    /// The n-th reader, with its snapshot taken.
    async fn open(&self, n: usize) -> Result<Socket, Fault> {
        let from = Ipv4Addr::new(127, 0, 0, u8::try_from(1 + n / PER_ADDRESS)?);
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
        let stream = socket.connect(self.server.at).await?;
        let mut request =
            format!("ws://{}/api/v1/ws?topics=clients", self.server.at).into_client_request()?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", self.token))?;
        request.headers_mut().insert("authorization", bearer);
        // The usual 128 KiB of each would be more than the server's side.
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        text(&mut socket).await?;
        Ok(socket)
    }
}

/// Opens all, looks how REST does, tells all a change, closes all.
async fn measure(stage: &Arc<Stage>, sockets: usize) -> Result<Value, Fault> {
    let (files_before, rss_before) = (stage.files()?, stage.server.rss()?);
    let mark = format!("told-{}", std::time::UNIX_EPOCH.elapsed()?.as_millis());
    let (end, ended) = watch::channel(());
    let begin = Instant::now();
    let mut readers = JoinSet::new();
    let room = Arc::new(Semaphore::new(OPENING));
    let (opened, mut open) = tokio::sync::mpsc::unbounded_channel();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..sockets {
        let (stage, room, ended) = (stage.clone(), room.clone(), ended.clone());
        let (opened, told, mark) = (opened.clone(), told.clone(), mark.clone());
        readers.spawn(async move {
            let seat = room.acquire().await?;
            let mut socket = stage.open(n).await?;
            drop(seat);
            opened.send(())?;
            stay(&mut socket, &mark, told, ended).await
        });
    }
    drop((opened, told));
    all(&mut open, sockets, &mut readers).await?;
    let open_seconds = begin.elapsed().as_secs_f64();

    let idle = stage.clone();
    let mut rest = tokio::task::spawn_blocking(move || ask(&idle)).await??;
    let rss_open = stage.server.rss()?;

    let (changer, sent) = (stage.clone(), Instant::now());
    let change = tokio::task::spawn_blocking(move || {
        let name = json!({"name": mark});
        changer
            .connect()?
            .done("PATCH", &changer.client, Some(&name))
    });
    let came = all(&mut heard, sockets, &mut readers).await?;
    change.await??;
    let mut waits: Vec<f64> = came
        .iter()
        .map(|at: &Instant| (*at - sent).as_secs_f64() * 1e3)
        .collect();

    drop(ended);
    end.send(())?;
    while let Some(reader) = readers.join_next().await {
        reader??;
    }
    let files_after = settled(stage, files_before).await?;
    Ok(json!({
        "open_seconds": open_seconds, "rest": spread(&mut rest), "told": waits.len(), "change": spread(&mut waits),
        "rss_before_bytes": rss_before, "rss_open_bytes": rss_open, "rss_after_bytes": stage.server.rss()?,
        "bytes_each": rss_open.saturating_sub(rss_before) as f64 / sockets as f64,
        "files_before": files_before, "files_after": files_after,
    }))
}

/// Waits until each has reported once; one that fails instead fails the whole.
async fn all<T>(
    reports: &mut tokio::sync::mpsc::UnboundedReceiver<T>,
    count: usize,
    readers: &mut JoinSet<Result<(), Fault>>,
) -> Result<Vec<T>, Fault> {
    let mut came = Vec::with_capacity(count);
    let waited = tokio::time::timeout(PATIENCE, async {
        while came.len() < count {
            tokio::select! {
                Some(report) = reports.recv() => came.push(report),
                Some(ended) = readers.join_next() => {
                    ended??;
                    return Err(Fault::from("a reader left before it was asked to"));
                }
            }
        }
        Ok(())
    });
    match waited.await {
        Ok(done) => done.map(|()| came),
        Err(_) => Err(format!("only {} of {count} came within {PATIENCE:?}", came.len()).into()),
    }
}

/// Reads on, says when the change came, and leaves when told to.
async fn stay(
    socket: &mut Socket,
    mark: &str,
    told: tokio::sync::mpsc::UnboundedSender<Instant>,
    mut ended: watch::Receiver<()>,
) -> Result<(), Fault> {
    loop {
        tokio::select! {
            frame = text(socket) => if frame?.contains(mark) {
                told.send(Instant::now())?;
            },
            _ = ended.changed() => break,
        }
    }
    socket
        .close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        }))
        .await?;
    // Until the server has said goodbye, too.
    while socket.next().await.is_some_and(|frame| frame.is_ok()) {}
    Ok(())
}

async fn text(socket: &mut Socket) -> Result<String, Fault> {
    loop {
        match socket.next().await.ok_or("the server closed")?? {
            Message::Text(text) => return Ok(text.to_string()),
            Message::Close(why) => return Err(format!("the server closed: {why:?}").into()),
            _ => {}
        }
    }
}

/// Asks for one computer at an even pace; the time of each answer, milliseconds.
fn ask(stage: &Stage) -> Result<Vec<f64>, Fault> {
    let mut caller = stage.connect()?;
    let begin = Instant::now();
    (0..REQUESTS)
        .map(|n| {
            let due = begin + EVERY * u32::try_from(n)?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            caller.done("GET", &stage.client, None)?;
            Ok(due.elapsed().as_secs_f64() * 1e3)
        })
        .collect()
}

/// The files that stay open once the server has seen that the readers left: as many as before, or
/// what there are when patience ends.
async fn settled(stage: &Stage, before: usize) -> Result<usize, Fault> {
    let begin = Instant::now();
    loop {
        let now = stage.files()?;
        if now <= before || begin.elapsed() > Duration::from_secs(15) {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is not as it has to be.
fn misses(rounds: &[Value]) -> Vec<String> {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mut misses = Vec::new();
    let mut bound = |what: &str, value: f64, most: f64| {
        // A figure that is missing misses, too.
        if value.is_nan() || value > most {
            misses.push(format!("{what}: {value:.1}, and {most:.1} is allowed"));
        }
    };
    for round in rounds {
        bound(
            "REST meanwhile, p95, ms",
            number(&round["rest"]["p95"]),
            REST_P95_MS,
        );
        bound(
            "open files after all left",
            number(&round["files_after"]),
            number(&round["files_before"]),
        );
    }
    if let [first, second] = rounds {
        bound(
            "memory of each reader, bytes",
            number(&first["bytes_each"]),
            BYTES_EACH,
        );
        let open = number(&first["rss_open_bytes"]);
        let most = open + (open - number(&first["rss_before_bytes"])) * GROWTH;
        bound(
            "memory with the second readers, bytes",
            number(&second["rss_open_bytes"]),
            most,
        );
    }
    misses
}
