//! How long a change takes to reach everyone who reads the WebSocket. Run by `end2end/bench/ws.sh`.
//! Usage: ws_readers URL PASSWORD ROUNDS READERS...   URL of a running server with the account
//! `admin`. Prints JSON: of each round the milliseconds from sending the change to the frame's
//! arrival, over all readers and changes. That includes the change itself, with its sync to disk,
//! whose answer times stand beside it.

mod parts {
    pub mod spread;
}

use futures_util::StreamExt;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use parts::spread::spread;
use serde_json::{Value, json};
use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

type Fault = Box<dyn Error + Send + Sync>;
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Changes of one round, and the time from one to the next.
const CHANGES: usize = 200;
const EVERY: Duration = Duration::from_millis(50);
/// Before the number of a change in the name of the computer that is renamed.
const MARK: &str = "\"name\":\"bench-";

/// The moment at which each change was sent.
type Sent = Arc<Vec<OnceLock<Instant>>>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let mut next = || {
        args.next()
            .ok_or("usage: ws_readers URL PASSWORD ROUNDS READERS...")
    };
    let (base, password) = (next()?, next()?);
    let rounds: usize = next()?.parse()?;
    let counts: Vec<usize> = args.map(|a| a.parse()).collect::<Result<_, _>>()?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let rest = Rest::sign_in(base, &password)?;
    let client = rest.send(
        "POST",
        "/api/v1/clients",
        &json!({"name": "start", "mac": "52:54:00:00:00:01"}),
    )?;
    let at = format!("/api/v1/clients/{}", client["id"].as_str().ok_or("no id")?);
    let mut cases: Vec<Value> = counts
        .iter()
        .map(|n| json!({"readers": n, "rounds": []}))
        .collect();
    // In turn, so that what else the machine does hits all alike.
    for round in 1..=rounds {
        for (case, readers) in cases.iter_mut().zip(&counts) {
            let figures = measure(&rest, &at, *readers).await?;
            eprintln!("{readers} readers, round {round}: {figures}");
            case["rounds"]
                .as_array_mut()
                .ok_or("no list")?
                .push(figures);
        }
    }
    let out = json!({
        "bench": "ws", "unit": "milliseconds", "changes": CHANGES,
        "every_milliseconds": EVERY.as_millis() as u64, "cases": cases,
    });
    println!("{out}");
    Ok(())
}

async fn measure(rest: &Rest, at: &str, readers: usize) -> Result<Value, Fault> {
    let sent: Sent = Arc::new((0..CHANGES).map(|_| OnceLock::new()).collect());
    let mut tasks = Vec::with_capacity(readers);
    for _ in 0..readers {
        let mut socket = rest.open().await?;
        // The snapshot: from here on the reader is told of each change.
        text(&mut socket).await?;
        tasks.push(tokio::spawn(read(socket, sent.clone())));
    }
    let (rest, at, clock) = (rest.clone(), at.to_string(), sent.clone());
    let changes = tokio::task::spawn_blocking(move || change(&rest, &at, &clock));
    let (mut waits, mut frames) = (Vec::with_capacity(readers * CHANGES), 0);
    for task in tasks {
        let (one, came) = tokio::time::timeout(Duration::from_secs(120), task).await???;
        waits.extend(one);
        frames += came;
    }
    let mut answers = changes.await??;
    let mut figures = spread(&mut waits);
    figures["frames"] = json!(frames);
    figures["answer"] = spread(&mut answers);
    Ok(figures)
}

/// Renames the computer at an even pace; gives how long each answer took.
fn change(rest: &Rest, at: &str, sent: &Sent) -> Result<Vec<f64>, Fault> {
    let begin = Instant::now();
    let mut answers = Vec::with_capacity(CHANGES);
    for (n, moment) in sent.iter().enumerate() {
        let due = begin + EVERY * n as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let now = *moment.get_or_init(Instant::now);
        rest.send("PATCH", at, &json!({"name": format!("bench-{n}")}))?;
        answers.push(now.elapsed().as_secs_f64() * 1e3);
    }
    Ok(answers)
}

/// Until the last change has come; gives the milliseconds since each was sent, and the frames.
async fn read(mut socket: Socket, sent: Sent) -> Result<(Vec<f64>, usize), Fault> {
    let mut frames = 0;
    let mut waits = Vec::with_capacity(CHANGES);
    loop {
        let text = text(&mut socket).await?;
        let came = Instant::now();
        let Some(rest) = text.split(MARK).nth(1) else {
            continue;
        };
        let n: usize = rest.split('"').next().unwrap_or_default().parse()?;
        // A newer change may stand for those before it: then they have come with it.
        for moment in sent.get(waits.len()..=n).ok_or("told twice")? {
            let moment = moment.get().ok_or("told before it was sent")?;
            waits.push((came - *moment).as_secs_f64() * 1e3);
        }
        frames += 1;
        if n + 1 == CHANGES {
            return Ok((waits, frames));
        }
    }
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

/// REST with a bearer token.
#[derive(Clone)]
struct Rest {
    agent: ureq::Agent,
    base: String,
    bearer: String,
}

impl Rest {
    fn sign_in(base: String, password: &str) -> Result<Rest, Fault> {
        let mut rest = Rest {
            agent: ureq::Agent::new_with_defaults(),
            base,
            bearer: String::new(),
        };
        let who = json!({"username": "admin", "password": password});
        let answer = rest.send("POST", "/api/v1/auth/login", &who)?;
        let token = answer["access_token"].as_str().ok_or("no token")?;
        rest.bearer = format!("Bearer {token}");
        Ok(rest)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Fault> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json");
        if !self.bearer.is_empty() {
            request = request.header("authorization", &self.bearer);
        }
        let mut answer = self.agent.run(request.body(body.to_string())?)?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }

    async fn open(&self) -> Result<Socket, Fault> {
        let address = self.base.replacen("http://", "ws://", 1) + "/api/v1/ws?topics=clients";
        let mut request = address.into_client_request()?;
        let bearer = HeaderValue::try_from(&self.bearer)?;
        request.headers_mut().insert("authorization", bearer);
        Ok(connect_async(request).await?.0)
    }
}
