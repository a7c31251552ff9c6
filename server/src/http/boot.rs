//! The boot plane's HTTP: scripts, files and the ready report. Firmware has no login: where we hand
//! out the addresses, the address tells who asks, and each computer gets its own script only. Every body has its exact length: EDK2 and old
//! iPXE understand no chunks.

use super::{
    body,
    problem::{ApiError, ApiResult, Body as JsonBody},
    request_id::{self, REQUEST_ID},
};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use engine::{
    Engine,
    boot::{Plane, Signal, Who},
};
use futures_util::StreamExt;
use http::{HeaderMap, Method, StatusCode, header};
use std::{
    io::SeekFrom,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::UNIX_EPOCH,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use tower_http::{
    request_id::{MakeRequestUuid, SetRequestIdLayer},
    timeout::RequestBodyTimeoutLayer,
    trace::TraceLayer,
};
use tracing::{Span, field::display};
use types::{MacAddr, Problem, ReadyFacts, Timestamp};

/// The most that a ready report may have, bytes.
const REPORT_LIMIT: usize = 16 << 10;
/// The most of one text in a report, characters.
const TEXT_LIMIT: usize = 200;
/// A piece of a file on its way out, bytes.
const PIECE: usize = 256 << 10;

#[derive(Clone)]
struct Boot {
    engine: Engine,
    plane: Plane,
}

/// What this plane serves. Needs the peer's address as [`ConnectInfo`].
pub fn router(engine: Engine, plane: Plane) -> Router {
    let boot = Boot { engine, plane };
    Router::new()
        .route("/b/ready", post(ready))
        .route("/b/{script}", get(script))
        .route("/f/{*path}", get(file))
        .layer(DefaultBodyLimit::max(REPORT_LIMIT))
        .layer(RequestBodyTimeoutLayer::new(body::IDLE))
        .layer(from_fn(body::in_time))
        .layer(from_fn_with_state(boot.clone(), name_boot))
        .layer(TraceLayer::new_for_http().make_span_with(request_id::span))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(from_fn(request_id::only_tokens))
        .with_state(boot)
}

/// Puts the boot that a request belongs to on all its log lines, when its address tells which.
async fn name_boot(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if let IpAddr::V4(address) = peer.ip().to_canonical()
        && let Some(id) = boot.engine.boots().id_of(Who::Address(address))
    {
        Span::current().record("boot_id", display(id));
    }
    next.run(request).await
}

async fn script(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    method: Method,
) -> ApiResult<Response> {
    let at = engine::now();
    let peer = ipv4(peer)?;
    let mac: MacAddr = name
        .strip_suffix(".ipxe")
        .and_then(|n| n.parse().ok())
        .filter(MacAddr::is_unicast)
        .ok_or_else(|| {
            Problem::new(
                404,
                "NSB-BOOT-004",
                "There is no such boot script",
                "Ask for /b/52-54-00-12-34-56.ipxe, with the address of the network card.",
            )
        })?;
    // Only a GET begins a boot: a HEAD must not throw a disk's changes away. So the length is not
    // known then, and a body of unknown length says none, instead of a wrong one.
    let text = if method == Method::HEAD {
        Body::from_stream(futures_util::stream::empty::<std::io::Result<bytes::Bytes>>())
    } else {
        Body::from(
            boot.engine
                .boots()
                .script(mac, peer, &boot.plane, at)
                .await?,
        )
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

async fn ready(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    JsonBody(facts): JsonBody<ReadyFacts>,
) -> ApiResult<StatusCode> {
    let at = engine::now();
    boot.engine.boots().ready(ipv4(peer)?, bounded(facts), at)?;
    Ok(StatusCode::NO_CONTENT)
}

fn ipv4(peer: SocketAddr) -> ApiResult<Ipv4Addr> {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(ApiError::from(Problem::new(
            403,
            "NSB-BOOT-011",
            "Only IPv4 computers boot from here",
            "Ask from the address that the computer booted with.",
        ))),
    }
}

/// The report comes from whatever runs on the machine: its texts are cut, its controls dropped.
fn bounded(mut facts: ReadyFacts) -> ReadyFacts {
    for text in [&mut facts.hostname, &mut facts.kernel, &mut facts.root]
        .into_iter()
        .flatten()
    {
        *text = text
            .chars()
            .filter(|c| !c.is_control())
            .take(TEXT_LIMIT)
            .collect();
    }
    facts.uptime_seconds = facts.uptime_seconds.filter(|s| s.is_finite() && *s >= 0.0);
    facts
}

async fn file(
    State(boot): State<Boot>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(path): Path<String>,
    headers: HeaderMap,
    method: Method,
) -> ApiResult<Response> {
    let at = engine::now();
    let loaders = boot.engine.loaders().clone();
    let name = path.clone();
    let found = tokio::task::spawn_blocking(move || loaders.find(name.as_bytes())).await;
    let found = found.ok().flatten();
    // As the script: only a GET begins a boot.
    if found.is_none() && method == Method::GET {
        let (peer, plane) = (ipv4(peer)?, &boot.plane);
        let boots = boot.engine.boots();
        if let Some(config) = boots.grub_config(path.as_bytes(), peer, plane, at).await? {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            return Ok((headers, config).into_response());
        }
    }
    let found = found.ok_or_else(|| {
        Problem::new(
            404,
            "NSB-LOADER-004",
            "There is no such file",
            "Put it into the folder `loaders` of the data directory.",
        )
    })?;
    let changed = found
        .modified
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_micros());
    let etag = format!("\"{:x}-{changed:x}\"", found.len);
    // RFC 9110 section 13.1.5: with another tag the range no longer means what was asked.
    let range_holds = headers
        .get(header::IF_RANGE)
        .is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
    let range = headers
        .get(header::RANGE)
        .filter(|_| range_holds)
        .and_then(|r| r.to_str().ok());
    let (status, start, len) = match range.map_or(Range::Whole, |r| Range::parse(r, found.len)) {
        Range::Whole => (StatusCode::OK, 0, found.len),
        Range::Part { start, end } => (StatusCode::PARTIAL_CONTENT, start, end - start),
        Range::Unsatisfiable => {
            let total = format!("bytes */{}", found.len);
            return Ok((
                StatusCode::RANGE_NOT_SATISFIABLE,
                [(header::CONTENT_RANGE, total)],
            )
                .into_response());
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_LENGTH, len)
        .header(header::CONTENT_TYPE, media_type(&found.name))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, etag);
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(
            header::CONTENT_RANGE,
            format!("bytes {start}-{}/{}", start + len - 1, found.len),
        );
    }
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let fetch = (start == 0).then(|| Fetch::begin(&boot.engine, peer, &found.name, at));
        let ends_here = start + len == found.len;
        let mut file = tokio::fs::File::from_std(found.file);
        file.seek(SeekFrom::Start(start))
            .await
            .map_err(|e| unreadable(&e))?;
        let mut part = file.take(len);
        if len <= PIECE as u64 {
            let mut piece = Vec::with_capacity(len as usize);
            let read = part.read_to_end(&mut piece).await;
            read.map_err(|e| unreadable(&e))?;
            if let Some(fetch) = fetch.flatten().filter(|_| ends_here) {
                fetch.done(len);
            }
            Body::from(piece)
        } else {
            let fetch = fetch.flatten().filter(|_| ends_here);
            let mut left = len;
            let pieces = ReaderStream::with_capacity(part, PIECE).inspect(move |piece| {
                left -= piece.as_ref().map_or(0, |p| p.len() as u64).min(left);
                if let Some(fetch) = fetch.as_ref().filter(|_| left == 0) {
                    fetch.done(len);
                }
            });
            Body::from_stream(pieces)
        }
    };
    response.body(body).map_err(|e| {
        ApiError::from(
            Problem::new(
                500,
                "NSB-LOADER-021",
                "The answer could not be made",
                "Look at the server's log.",
            )
            .detail(e.to_string()),
        )
    })
}

fn unreadable(e: &std::io::Error) -> ApiError {
    ApiError::from(
        Problem::new(
            500,
            "NSB-LOADER-021",
            "The file could not be read",
            "Look at the server's log.",
        )
        .detail(e.to_string()),
    )
}

/// A computer that fetches a whole file, as UEFI HTTP Boot fetches its loader.
struct Fetch {
    engine: Engine,
    who: Who,
    file: String,
}

impl Fetch {
    /// Tells the boots; None when the asker has no IPv4 address.
    fn begin(engine: &Engine, peer: SocketAddr, file: &str, at: Timestamp) -> Option<Fetch> {
        let fetch = Fetch {
            engine: engine.clone(),
            who: Who::Address(ipv4(peer).ok()?),
            file: file.to_owned(),
        };
        let signal = Signal::LoaderAsked { file: file.into() };
        engine.boots().signal(fetch.who, at, signal);
        Some(fetch)
    }

    /// All of it was handed to the connection.
    fn done(&self, bytes: u64) {
        let file = self.file.clone();
        let signal = Signal::LoaderDone { file, bytes };
        self.engine.boots().signal(self.who, engine::now(), signal);
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("efi") => "application/efi",
        Some("iso") => "application/vnd.efi-iso",
        Some("img") => "application/vnd.efi-img",
        Some("ipxe") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// What a `Range` header asks of a file (RFC 9110 section 14.1.2). Several ranges at once, other
/// units and malformed ones are answered with the whole file, as the RFC allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Range {
    Whole,
    /// From `start` up to, without, `end`.
    Part {
        start: u64,
        end: u64,
    },
    Unsatisfiable,
}

impl Range {
    fn parse(text: &str, len: u64) -> Range {
        let Some((first, last)) = text
            .trim()
            .strip_prefix("bytes=")
            .and_then(|r| r.split_once('-'))
        else {
            return Range::Whole;
        };
        let number = |s: &str| {
            if s.bytes().all(|b| b.is_ascii_digit()) {
                s.parse::<u64>().ok()
            } else {
                None
            }
        };
        match (first.trim(), last.trim()) {
            ("", n) => match number(n) {
                Some(0) => Range::Unsatisfiable,
                Some(_) if len == 0 => Range::Unsatisfiable,
                Some(n) => Range::Part {
                    start: len.saturating_sub(n),
                    end: len,
                },
                None => Range::Whole,
            },
            (a, b) => match (number(a), number(b)) {
                (Some(a), None) if b.is_empty() && a < len => Range::Part { start: a, end: len },
                (Some(a), None) if b.is_empty() && a >= len => Range::Unsatisfiable,
                (Some(a), Some(b)) if a > b => Range::Whole,
                (Some(a), Some(_)) if a >= len => Range::Unsatisfiable,
                (Some(a), Some(b)) => Range::Part {
                    start: a,
                    end: b.saturating_add(1).min(len),
                },
                _ => Range::Whole,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Range::{self, Part, Unsatisfiable, Whole};

    #[test]
    fn ranges_of_a_file_of_a_thousand_bytes() {
        for (text, want) in [
            ("bytes=0-99", Part { start: 0, end: 100 }),
            (
                "bytes=900-",
                Part {
                    start: 900,
                    end: 1000,
                },
            ),
            (
                "bytes=-10",
                Part {
                    start: 990,
                    end: 1000,
                },
            ),
            (
                "bytes=-5000",
                Part {
                    start: 0,
                    end: 1000,
                },
            ),
            (
                "bytes=0-99999",
                Part {
                    start: 0,
                    end: 1000,
                },
            ),
            (
                "bytes=999-999",
                Part {
                    start: 999,
                    end: 1000,
                },
            ),
            (
                "bytes=0-18446744073709551615",
                Part {
                    start: 0,
                    end: 1000,
                },
            ),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=5000-6000", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=20-10", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=99999999999999999999-", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(Range::parse(text, 1000), want, "{text}");
        }
        assert_eq!(Range::parse("bytes=0-0", 0), Unsatisfiable);
        assert_eq!(Range::parse("bytes=-1", 0), Unsatisfiable);
    }
}
