//! How often one caller may ask, and how many may listen. Generous: it is there for scripts that run
//! away and strangers that hammer, and no page or command comes near it. The box itself, by its local
//! socket, is not held up when it asks.

use super::{
    AppState, Door,
    auth::peer,
    seats::{Seat, Seats},
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use engine::{Actor, Area, Caller, Error};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock, QuantaInstant},
    middleware::{StateInformationMiddleware, StateSnapshot},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use nix::sys::resource::{Resource, getrlimit};
use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

/// Requests a second of one account or token, on average.
const SIGNED_IN: NonZeroU32 = NonZeroU32::new(2000).unwrap();
/// The same of one address that has not signed in; whoever has one IPv6 address has its /64.
const STRANGER: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// What may come at once, in seconds of the average.
const BURST_SECONDS: u32 = 4;
/// WebSockets at a time. Each costs some KiB, and none of the listener's seats: those are for requests.
const READERS: usize = 16_384;
/// How often those that have been quiet are forgotten.
pub const FORGET: Duration = Duration::from_secs(60);

/// Draft of the IETF on rate limit headers, in the form that most clients read.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

type Keyed<K> = DefaultKeyedRateLimiter<K, StateInformationMiddleware>;

/// What each caller has left, and the seats of readers. Cheap to clone.
#[derive(Clone)]
pub struct Limits {
    signed_in: Arc<Keyed<String>>,
    strangers: Arc<Keyed<IpAddr>>,
    readers: Seats<String>,
}

/// One reader's seat on the WebSocket, until it is dropped.
pub type ReaderSeat = Seat<String>;

impl Limits {
    /// By the limit of open files as it is now, so raise that before.
    pub fn new() -> Limits {
        Limits::with_readers(READERS.min(files() / 4 * 3))
    }

    /// With seats for so many readers; of these, three quarters at most for one account or token.
    pub fn with_readers(readers: usize) -> Limits {
        Limits {
            signed_in: Arc::new(keyed(SIGNED_IN)),
            strangers: Arc::new(keyed(STRANGER)),
            readers: Seats::new(readers, (readers / 4 * 3).max(1)),
        }
    }

    /// A seat on the WebSocket; none when all are taken, or this caller has too many.
    pub fn reader(&self, caller: &Caller) -> Option<ReaderSeat> {
        self.readers.free_now()?.take(account(caller))
    }

    /// Forgets those who have all of their quota again: without it memory would grow with each
    /// address that ever asked.
    pub fn forget(&self) {
        self.signed_in.retain_recent();
        self.signed_in.shrink_to_fit();
        self.strangers.retain_recent();
        self.strangers.shrink_to_fit();
    }

    /// What is left after this request, or how long to wait.
    fn ask(&self, caller: Option<&Caller>, from: IpAddr) -> Result<Left, Duration> {
        match caller.and_then(account) {
            Some(id) => check(&self.signed_in, &id),
            None => check(&self.strangers, &network(from)),
        }
    }
}

/// The account or token that a caller uses.
fn account(caller: &Caller) -> Option<String> {
    match &caller.identity.actor {
        Actor::User { id, .. } => Some(id.to_string()),
        Actor::Token { id, .. } => Some(id.to_string()),
        _ => None,
    }
}

/// How many files may be open: of these, readers leave a quarter to requests and disks.
fn files() -> usize {
    // Without an answer, what Linux gives to everyone.
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

fn keyed<K: Hash + Eq + Clone>(per_second: NonZeroU32) -> Keyed<K> {
    let burst =
        per_second.saturating_mul(NonZeroU32::new(BURST_SECONDS).unwrap_or(NonZeroU32::MIN));
    let quota = Quota::per_second(per_second).allow_burst(burst);
    RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>()
}

/// A caller's quota after a request.
struct Left {
    limit: u32,
    remaining: u32,
}

fn check<K: Hash + Eq + Clone>(limiter: &Keyed<K>, key: &K) -> Result<Left, Duration> {
    let now = DefaultClock::default().now();
    let left = |s: StateSnapshot| Left {
        limit: s.quota().burst_size().get(),
        remaining: s.remaining_burst_capacity(),
    };
    let wait = |e: governor::NotUntil<QuantaInstant>| e.wait_time_from(now);
    limiter.check_key(key).map(left).map_err(wait)
}

/// The network of an address that one party holds as a whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// Holds up whoever asks too often; everybody else learns what they have left.
pub async fn hold(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let counted = path.starts_with("/api/") || path.starts_with("/fn/");
    let local = request.extensions().get::<Door>() == Some(&Door::Local);
    let Some(from) = peer(request.extensions()).filter(|_| counted && !local) else {
        return next.run(request).await;
    };
    let caller = request.extensions().get::<Caller>();
    match state.limits.ask(caller, from) {
        Ok(left) => {
            let mut response = next.run(request).await;
            tell(response.headers_mut(), &left, 1);
            response
        }
        Err(wait) => {
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1);
            let problem = Error::TooMany {
                area: Area::System,
                retry_after_seconds: seconds,
            };
            let mut response = super::problem::ApiError::from(problem).into_response();
            let none = Left {
                limit: match caller {
                    Some(_) => SIGNED_IN.get() * BURST_SECONDS,
                    None => STRANGER.get() * BURST_SECONDS,
                },
                remaining: 0,
            };
            tell(response.headers_mut(), &none, seconds);
            response
        }
    }
}

fn tell(headers: &mut HeaderMap, left: &Left, reset_seconds: u32) {
    headers.insert(LIMIT, HeaderValue::from(left.limit));
    headers.insert(REMAINING, HeaderValue::from(left.remaining));
    headers.insert(RESET, HeaderValue::from(reset_seconds));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_that_hammers_waits_and_nobody_else_does() {
        let limits = Limits::new();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let burst = STRANGER.get() * BURST_SECONDS;
        let taken = (0..burst * 2)
            .filter(|_| limits.ask(None, one).is_ok())
            .count() as u32;
        assert!((burst..burst + STRANGER.get()).contains(&taken), "{taken}");
        assert!(limits.ask(None, "192.0.2.2".parse().unwrap()).is_ok());
        // One network of IPv6 is one party.
        let (a, b) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        );
        let first = limits.ask(None, a).ok().unwrap().remaining;
        let second = limits.ask(None, b).ok().unwrap().remaining;
        assert!(second < first);
    }

    #[test]
    fn what_was_quiet_is_forgotten() {
        let limits = Limits::new();
        for n in 0..1000u32 {
            let _ = limits.ask(None, std::net::Ipv4Addr::from(n).into());
        }
        assert!(limits.strangers.len() >= 1000);
        // Each has had its one request back within a fiftieth of a second.
        let soon = std::time::Instant::now();
        while !limits.strangers.is_empty() && soon.elapsed() < Duration::from_secs(5) {
            limits.forget();
            std::thread::yield_now();
        }
        assert_eq!(limits.strangers.len(), 0);
    }
}
