//! The figures of the REST API, of the start and of the memory that an idle server holds. Run by
//! `end2end/bench/api.sh`.
//! Usage: api_load BINARY ROUNDS [SECONDS RATE FEW MANY]   Starts servers of its own on the loopback;
//! prints JSON. A round of mixed work lasts SECONDS (20) at RATE (1,000) requests a second over FEW
//! (1,000) clients; pages, starts and idle memory are measured with MANY (10,000).
//!
//! The load is open: each request has a moment at which it is due, whatever became of those before,
//! and its time counts from there. So a server that stalls is charged for all who would have come.

mod parts {
    pub mod rest;
    pub mod server;
    pub mod spread;
}

use parts::{
    rest::{Caller, Fault, sign_in},
    server::Server,
    spread::spread,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

const PASSWORD: &str = "correct-horse-battery";
/// Connections of the mixed load and of the filling.
const CALLERS: usize = 64;
/// Connections that ask for pages of many clients, and how often each does, of each kind.
const PAGE_CALLERS: usize = 4;
const PAGES_EACH: usize = 50;
/// From the start until a server counts as idle.
const IDLE_AFTER: Duration = Duration::from_secs(10);

const KINDS: [&str; 4] = ["one", "page", "filtered", "change"];
/// What ten requests in a row are, by their place in [`KINDS`]: six, two, one and one.
const MIX: [usize; 10] = [0, 1, 0, 2, 0, 0, 1, 0, 3, 0];

/// Where to ask, and as whom.
#[derive(Clone)]
struct Target {
    at: SocketAddr,
    token: String,
}

impl Target {
    fn of(server: &Server) -> Result<Target, Fault> {
        let token = sign_in(server.at, PASSWORD)?;
        Ok(Target {
            at: server.at,
            token,
        })
    }

    fn connect(&self) -> Result<Caller, Fault> {
        Caller::connect(self.at, &self.token)
    }
}

struct Sizes {
    rounds: usize,
    seconds: usize,
    rate: usize,
    few: usize,
    many: usize,
}

fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: api_load BINARY ROUNDS [SECONDS RATE FEW MANY]";
    let binary = args.next().ok_or(usage)?;
    let numbers: Vec<usize> = args.map(|a| a.parse()).collect::<Result<_, _>>()?;
    let number = |n: usize, default| numbers.get(n).copied().unwrap_or(default);
    let sizes = Sizes {
        rounds: *numbers.first().ok_or(usage)?,
        seconds: number(1, 20),
        rate: number(2, 1000),
        few: number(3, 1000),
        many: number(4, 10_000),
    };
    let dir = tempfile::tempdir()?;
    let empty = idle_memory(&Server::start(&binary, &dir.path().join("empty"), None)?)?;
    eprintln!("idle and empty: {empty} bytes");

    let data = dir.path().join("data");
    let server = Server::start(&binary, &data, Some(PASSWORD))?;
    let target = Target::of(&server)?;
    let mut fills = vec![fill(&target, 0, sizes.few)?];
    let mixed = rounds(&sizes, "mixed", || mixed(&target, &sizes))?;
    fills.push(fill(&target, sizes.few, sizes.many)?);
    let pages = rounds(&sizes, "pages", || pages(&target))?;
    server.stop()?;

    let mut starts = Vec::new();
    let mut filled = 0;
    for round in 0..sizes.rounds {
        let server = Server::start(&binary, &data, None)?;
        starts.push((server.ready_after.as_secs_f64() * 1e5).round() / 1e2);
        eprintln!("start: {:?}", server.ready_after);
        if round == 0 {
            filled = idle_memory(&server)?;
        }
        server.stop()?;
    }
    let out = json!({
        "bench": "api", "unit": "milliseconds", "seconds": sizes.seconds, "rate": sizes.rate,
        "few": sizes.few, "many": sizes.many, "callers": CALLERS, "page_callers": PAGE_CALLERS,
        "fills": fills, "mixed": mixed, "pages": pages, "starts": starts,
        "idle_rss_bytes": {"empty": empty, "many": filled},
    });
    println!("{out}");
    Ok(())
}

fn rounds(
    sizes: &Sizes,
    name: &str,
    mut one: impl FnMut() -> Result<Value, Fault>,
) -> Result<Vec<Value>, Fault> {
    let mut all = Vec::with_capacity(sizes.rounds);
    for round in 1..=sizes.rounds {
        let figures = one()?;
        eprintln!("{name}, round {round}: {figures}");
        all.push(figures);
    }
    Ok(all)
}

/// What the server holds a while after its start. The wait is what is measured, not a means.
fn idle_memory(server: &Server) -> Result<u64, Fault> {
    std::thread::sleep(IDLE_AFTER);
    server.rss()
}

/// Runs one thread for each caller; gives what each gave.
fn together<T: Send>(
    callers: usize,
    work: impl Fn(usize) -> Result<T, Fault> + Sync,
) -> Result<Vec<T>, Fault> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..callers).map(|n| scope.spawn(move || work(n))).collect();
        threads
            .into_iter()
            .map(|t| t.join().map_err(|_| "a caller panicked")?)
            .collect()
    })
}

/// Makes the clients of these numbers.
fn fill(target: &Target, from: usize, to: usize) -> Result<Value, Fault> {
    let next = AtomicUsize::new(from);
    let begin = Instant::now();
    together(CALLERS, |_| {
        let mut caller = target.connect()?;
        loop {
            let n = next.fetch_add(1, Relaxed);
            if n >= to {
                return Ok(());
            }
            let [.., a, b, c] = n.to_be_bytes();
            let mac = format!("52:54:00:{a:02x}:{b:02x}:{c:02x}");
            let client = json!({"name": format!("pc-{n}"), "mac": mac});
            caller.done("POST", "/api/v1/clients", Some(&client))?;
        }
    })?;
    let took = begin.elapsed().as_secs_f64();
    let writes = to.saturating_sub(from);
    let figures = json!({
        "writes": writes, "seconds": (took * 100.0).round() / 100.0,
        "writes_per_second": (writes as f64 / took).round(),
    });
    eprintln!("fill: {figures}");
    Ok(figures)
}

/// The ids of all clients, and where their pages of that size begin.
fn walk(target: &Target, limit: usize) -> Result<(Vec<String>, Vec<String>), Fault> {
    let mut caller = target.connect()?;
    let (mut ids, mut pages) = (Vec::new(), Vec::new());
    let mut path = format!("/api/v1/clients?limit={limit}");
    loop {
        let page = caller.done("GET", &path, None)?;
        pages.push(path);
        for client in page["items"].as_array().ok_or("no items")? {
            ids.push(client["id"].as_str().ok_or("no id")?.to_string());
        }
        let Some(cursor) = page["next"].as_str() else {
            return Ok((ids, pages));
        };
        path = format!("/api/v1/clients?limit={limit}&cursor={cursor}");
    }
}

/// Times by kind, and what was not answered as it should.
#[derive(Default)]
struct Taken {
    times: [Vec<f64>; KINDS.len()],
    errors: Vec<String>,
}

impl Taken {
    /// Sends one request; its time counts from `due`.
    fn ask(
        &mut self,
        caller: &mut Caller,
        due: Instant,
        kind: usize,
        (method, path, body): (&str, &str, Option<&Value>),
    ) -> Result<(), Fault> {
        let (status, answer) = caller.ask(method, path, body)?;
        self.times[kind].push(due.elapsed().as_secs_f64() * 1e3);
        if status != 200 {
            let text = String::from_utf8_lossy(&answer);
            self.errors
                .push(format!("{method} {path}: {status} {text}"));
        }
        Ok(())
    }

    fn sum(all: Vec<Taken>) -> Taken {
        let mut sum = Taken::default();
        for mut one in all {
            for (into, from) in sum.times.iter_mut().zip(&mut one.times) {
                into.append(from);
            }
            sum.errors.append(&mut one.errors);
        }
        sum
    }

    /// The spread of each kind that was asked, under its name.
    fn figures(mut self, names: &[&str]) -> Value {
        let mut all = self.times.concat();
        let mut figures = json!({
            "requests": all.len(), "errors": self.errors.len(), "all": spread(&mut all),
        });
        for (name, times) in names.iter().zip(&mut self.times) {
            figures[name] = spread(times);
        }
        if let Some(first) = self.errors.first() {
            figures["first_error"] = json!(first);
        }
        figures
    }
}

/// One round of mixed work at an even rate.
fn mixed(target: &Target, sizes: &Sizes) -> Result<Value, Fault> {
    let (ids, pages) = walk(target, 100)?;
    let next = AtomicUsize::new(0);
    let total = sizes.rate * sizes.seconds;
    let every = Duration::from_secs(1) / u32::try_from(sizes.rate)?;
    // Names that no round before has given.
    let mark = std::time::UNIX_EPOCH.elapsed()?.as_millis();
    let ready = std::sync::Barrier::new(CALLERS);
    let begin = std::sync::OnceLock::new();
    let taken = together(CALLERS, |_| {
        let mut caller = target.connect()?;
        let mut taken = Taken::default();
        ready.wait();
        let begin = *begin.get_or_init(Instant::now);
        loop {
            let n = next.fetch_add(1, Relaxed);
            if n >= total {
                return Ok(taken);
            }
            let due = begin + every * u32::try_from(n)?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // Knuth's multiplier: all over the list, the same in each round.
            let any = (n * 2_654_435_761) >> 8;
            let one = format!("/api/v1/clients/{}", ids[any % ids.len()]);
            let kind = MIX[n % MIX.len()];
            let name = json!({"name": format!("pc-{mark}-{n}")});
            let filtered = format!("/api/v1/clients?filter=state:adopted,name:~{}", any % 100);
            let request = match kind {
                0 => ("GET", one.as_str(), None),
                1 => ("GET", pages[any % pages.len()].as_str(), None),
                2 => ("GET", filtered.as_str(), None),
                _ => ("PATCH", one.as_str(), Some(&name)),
            };
            taken.ask(&mut caller, due, kind, request)?;
        }
    })?;
    Ok(Taken::sum(taken).figures(&KINDS))
}

/// One round of pages of many clients, from a few connections, each one after the other.
fn pages(target: &Target) -> Result<Value, Fault> {
    let (_, pages) = walk(target, 500)?;
    let taken = together(PAGE_CALLERS, |caller_number| {
        let mut caller = target.connect()?;
        let mut taken = Taken::default();
        for n in 0..PAGES_EACH {
            let plain = &pages[(n * PAGE_CALLERS + caller_number) % pages.len()];
            let digit = n % 10;
            let sorted =
                format!("/api/v1/clients?limit=500&filter=state:adopted,name:~{digit}&sort=-name");
            for (kind, path) in [(0, plain), (1, &sorted)] {
                taken.ask(&mut caller, Instant::now(), kind, ("GET", path, None))?;
            }
        }
        Ok(taken)
    })?;
    Ok(Taken::sum(taken).figures(&["plain", "filtered_sorted"]))
}
