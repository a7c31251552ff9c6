//! What is counted for `/metrics`, as bare atomics: counting costs the disk path, DHCP and TFTP one
//! addition each. Nothing here is kept over a restart, and nothing tells one computer from another.

use crate::jobs::JobKind;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use types::Hop;

/// A number that only rises.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many of something there are now.
#[derive(Default, Debug)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more, until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered<'_> {
        self.0.fetch_add(1, Relaxed);
        Entered(self)
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One that counts in a [`Gauge`].
pub struct Entered<'a>(&'a Gauge);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// How long things took, in buckets.
#[derive(Debug)]
pub struct Durations {
    /// Upper bounds in seconds, rising.
    bounds: &'static [f64],
    /// One for each bound, and one for what took longer.
    buckets: Box<[Counter]>,
    nanos: Counter,
}

impl Durations {
    fn new(bounds: &'static [f64]) -> Self {
        Durations {
            bounds,
            buckets: (0..=bounds.len()).map(|_| Counter::default()).collect(),
            nanos: Counter::default(),
        }
    }

    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].add(1);
        self.nanos
            .add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Each bucket's upper bound in seconds and how many fell into it alone; the last bound is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(Counter::get);
        bounds.zip(counts).collect()
    }

    /// All of them together, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.nanos.get() as f64 / 1e9
    }
}

/// Everything that is counted. One for each engine, so that tests don't meet.
#[derive(Debug)]
pub struct Counters {
    pub boots: BootCounters,
    pub dhcp: DhcpCounters,
    pub tftp: TftpCounters,
    pub disks: DiskCounters,
    pub jobs: JobCounters,
    /// Open WebSockets.
    pub ws_connections: Gauge,
    /// From an event's publication to the moment when a reader's socket has taken it.
    pub ws_delivery: Durations,
}

impl Default for Counters {
    fn default() -> Self {
        /// From a reader that waits to one that is about to be dropped, seconds.
        const DELIVERY: &[f64] = &[
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.,
            2.5, 10.,
        ];
        Counters {
            boots: BootCounters::default(),
            dhcp: DhcpCounters::default(),
            tftp: TftpCounters::default(),
            disks: DiskCounters::default(),
            jobs: JobCounters::default(),
            ws_connections: Gauge::default(),
            ws_delivery: Durations::new(DELIVERY),
        }
    }
}

/// How a boot ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootResult {
    Ready,
    /// Nothing was seen of it for too long, or it was refused.
    Stopped,
    /// The computer began anew.
    Superseded,
    /// It went on to something that is not ours.
    HandedOver,
}

impl BootResult {
    pub const ALL: [BootResult; 4] = [
        BootResult::Ready,
        BootResult::Stopped,
        BootResult::Superseded,
        BootResult::HandedOver,
    ];

    /// As metrics and logs name it.
    pub fn name(self) -> &'static str {
        match self {
            BootResult::Ready => "ready",
            BootResult::Stopped => "stopped",
            BootResult::Superseded => "superseded",
            BootResult::HandedOver => "handed_over",
        }
    }
}

/// A hop as metrics and logs name it: as in JSON.
pub fn hop_name(hop: Hop) -> &'static str {
    match hop {
        Hop::Link => "link",
        Hop::Dhcp => "dhcp",
        Hop::Loader => "loader",
        Hop::Ipxe => "ipxe",
        Hop::Disk => "disk",
        Hop::Kernel => "kernel",
        Hop::Login => "login",
    }
}

/// Ends of boots, and how long the good ones took.
#[derive(Debug)]
pub struct BootCounters {
    ended: [[Counter; Hop::ALL.len()]; BootResult::ALL.len()],
    /// From the first packet to ready.
    pub duration: Durations,
    phases: [Durations; Hop::ALL.len()],
}

impl Default for BootCounters {
    fn default() -> Self {
        /// A boot from a fast disk to one over a slow link, seconds.
        const WHOLE: &[f64] = &[
            5., 10., 15., 20., 25., 30., 45., 60., 90., 120., 180., 300., 600.,
        ];
        const PHASE: &[f64] = &[
            0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10., 15., 20., 30., 60., 120., 300.,
        ];
        BootCounters {
            ended: Default::default(),
            duration: Durations::new(WHOLE),
            phases: std::array::from_fn(|_| Durations::new(PHASE)),
        }
    }
}

impl BootCounters {
    /// Boots that ended so at that hop. One that was taken for stopped and went on counts again.
    pub fn ended(&self, result: BootResult, hop: Hop) -> &Counter {
        &self.ended[result as usize][hop as usize]
    }

    /// How long that hop took in boots that got ready.
    pub fn phase(&self, hop: Hop) -> &Durations {
        &self.phases[hop as usize]
    }
}

/// DHCP packets in and out, by their type.
#[derive(Default, Debug)]
pub struct DhcpCounters {
    types: [Counter; DHCP_TYPES.len()],
    /// Came in and are no DHCP packet that we understand.
    pub malformed: Counter,
}

/// The message types of RFC 2132 section 9.6, from code 1 on.
pub const DHCP_TYPES: [&str; 8] = [
    "discover", "offer", "request", "decline", "ack", "nak", "release", "inform",
];

impl DhcpCounters {
    /// One packet with that value of option 53, or without one.
    pub fn message(&self, code: Option<u8>) {
        let place = code.and_then(|c| self.types.get(usize::from(c).checked_sub(1)?));
        place.unwrap_or(&self.malformed).add(1);
    }

    /// Name and number of each type.
    pub fn by_type(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DHCP_TYPES
            .into_iter()
            .zip(self.types.iter().map(Counter::get))
            .chain([("malformed", self.malformed.get())])
    }
}

/// TFTP read requests by how they ended, and what was sent.
#[derive(Default, Debug)]
pub struct TftpCounters {
    /// The whole file was acknowledged.
    pub done: Counter,
    /// The client only asked for the size, as firmware does before the real request.
    pub probed: Counter,
    pub not_found: Counter,
    /// Broke off, or was no request that is served.
    pub failed: Counter,
    /// Content of files, repeats included; bytes.
    pub sent_bytes: Counter,
}

/// Reads, writes and flushes of exported disks, whatever protocol they came by.
#[derive(Debug)]
pub struct DiskCounters {
    pub read_bytes: Counter,
    pub written_bytes: Counter,
    pub read: Durations,
    pub write: Durations,
    pub flush: Durations,
}

impl Default for DiskCounters {
    fn default() -> Self {
        /// From the page cache to a disk that is in trouble, seconds.
        const IO: &[f64] = &[
            0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
            0.05, 0.1, 0.25, 0.5, 1., 5.,
        ];
        DiskCounters {
            read_bytes: Counter::default(),
            written_bytes: Counter::default(),
            read: Durations::new(IO),
            write: Durations::new(IO),
            flush: Durations::new(IO),
        }
    }
}

/// How long jobs took.
#[derive(Debug)]
pub struct JobCounters([Durations; JobKind::ALL.len()]);

impl Default for JobCounters {
    fn default() -> Self {
        /// From a change of a few computers to reading a large image, seconds.
        const JOB: &[f64] = &[
            0.01, 0.05, 0.25, 1., 5., 15., 60., 300., 900., 3600., 14400.,
        ];
        JobCounters(std::array::from_fn(|_| Durations::new(JOB)))
    }
}

impl JobCounters {
    /// From a job's turn to its end.
    pub fn duration(&self, kind: JobKind) -> &Durations {
        &self.0[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_their_buckets() {
        let d = Durations::new(&[0.1, 1.0]);
        for millis in [1, 100, 101, 1000, 1001, 60_000] {
            d.observe(Duration::from_millis(millis));
        }
        assert_eq!(d.buckets(), [(0.1, 2), (1.0, 2), (f64::INFINITY, 2)]);
        assert!((d.sum_seconds() - 62.203).abs() < 1e-9);
    }

    #[test]
    fn dhcp_types_count_by_their_code_and_the_rest_as_malformed() {
        let dhcp = DhcpCounters::default();
        for code in [Some(1), Some(5), Some(5), Some(0), Some(9), Some(255), None] {
            dhcp.message(code);
        }
        let counted: Vec<_> = dhcp.by_type().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counted, [("discover", 1), ("ack", 2), ("malformed", 4)]);
    }

    #[test]
    fn a_gauge_forgets_who_left() {
        let gauge = Gauge::default();
        let one = gauge.enter();
        {
            let _two = gauge.enter();
            assert_eq!(gauge.get(), 2);
        }
        assert_eq!(gauge.get(), 1);
        drop(one);
        assert_eq!(gauge.get(), 0);
    }
}
