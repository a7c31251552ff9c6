//! The metrics that are read from elsewhere at each scrape: the engine's counters, the tasks, this
//! process.

use crate::{http::views, tasks::Tasks};
use engine::{
    Engine,
    counters::{BootResult, Durations, hop_name},
    jobs::{JobKind, STATES},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
};
use std::fmt;
use types::{ClientState, Hop, TaskState};

/// Where the numbers are.
pub(super) struct Sampled {
    engine: Engine,
    tasks: Tasks,
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampled")
    }
}

impl Sampled {
    pub fn new(engine: Engine, tasks: Tasks) -> Self {
        Sampled { engine, tasks }
    }

    fn process(&self, out: &mut Page<'_>) -> fmt::Result {
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        // The format adds `_info`.
        out.one("nsboot_build", "Which NSBoot this is", build)?;
        out.one(
            "process_resident_memory_bytes",
            "Memory in use",
            gauge(views::resident_bytes()),
        )?;
        out.one(
            "process_open_fds",
            "Open file descriptors",
            gauge(open_files()),
        )?;
        out.one(
            "nsboot_ws_connections",
            "Open WebSockets",
            gauge(self.engine.counters().ws_connections.get()),
        )?;
        out.one(
            "nsboot_ws_delivery_seconds",
            "From an event to its flush to a reader, by the one of a batch that waited longest",
            Timed(&self.engine.counters().ws_delivery),
        )
    }

    fn jobs(&self, out: &mut Page<'_>) -> fmt::Result {
        let counts = self.engine.jobs().counts().into_iter();
        let counts = counts.filter_map(|(kind, state, n)| {
            let (_, state) = STATES.into_iter().find(|(s, _)| *s == state)?;
            Some(([("kind", kind.name()), ("state", state)], gauge(n)))
        });
        out.family(
            "nsboot_jobs",
            "Jobs that are kept",
            MetricType::Gauge,
            counts,
        )?;
        let times = &self.engine.counters().jobs;
        out.many(
            "nsboot_job_duration_seconds",
            "From a job's turn to its end",
            "kind",
            JobKind::ALL.map(|kind| (kind.name(), Timed(times.duration(kind)))),
        )
    }

    /// A task that is done, or was told to stop, is not missed: it is no service then.
    fn services(&self, out: &mut Page<'_>) -> fmt::Result {
        let tasks = self.tasks.list();
        let wanted = tasks.iter().filter(|t| t.state != TaskState::Stopped);
        let up = wanted.map(|t| (&*t.name, gauge(u64::from(t.state == TaskState::Running))));
        out.many("nsboot_service_up", "Whether it runs", "service", up)?;
        let restarts = tasks
            .iter()
            .map(|t| (&*t.name, ConstCounter::new(t.restarts)));
        out.many(
            "nsboot_service_restarts",
            "Starts after a failure",
            "service",
            restarts,
        )
    }

    fn boots(&self, out: &mut Page<'_>) -> fmt::Result {
        let clients = [
            ("adopted", ClientState::Adopted),
            ("discovered", ClientState::Discovered),
            ("retired", ClientState::Retired),
        ]
        .map(|(name, state)| (name, gauge(self.engine.clients().count(state) as u64)));
        out.many("nsboot_clients", "Known computers", "state", clients)?;
        out.one(
            "nsboot_boots_in_progress",
            "Computers that are booting",
            gauge(self.engine.boots().in_progress() as u64),
        )?;
        let boots = &self.engine.counters().boots;
        let ended = BootResult::ALL.into_iter().flat_map(|result| {
            Hop::ALL.map(|hop| {
                let labels = [("result", result.name()), ("phase", hop_name(hop))];
                (labels, ConstCounter::new(boots.ended(result, hop).get()))
            })
        });
        out.family(
            "nsboot_boots",
            "Boots by how and where they ended",
            MetricType::Counter,
            ended,
        )?;
        out.one(
            "nsboot_boot_duration_seconds",
            "From the first packet to ready",
            Timed(&boots.duration),
        )?;
        let phases = Hop::ALL.map(|hop| (hop_name(hop), Timed(boots.phase(hop))));
        out.many(
            "nsboot_boot_phase_duration_seconds",
            "Phases of boots that got ready",
            "phase",
            phases,
        )
    }

    fn network(&self, out: &mut Page<'_>) -> fmt::Result {
        let counters = self.engine.counters();
        let messages = counters.dhcp.by_type();
        out.many(
            "nsboot_dhcp_messages",
            "DHCP packets in and out",
            "type",
            messages.map(|(name, n)| (name, ConstCounter::new(n))),
        )?;
        let tftp = &counters.tftp;
        let transfers = [
            ("ok", &tftp.done),
            ("size_only", &tftp.probed),
            ("not_found", &tftp.not_found),
            ("failed", &tftp.failed),
        ];
        out.many(
            "nsboot_tftp_transfers",
            "TFTP read requests by how they ended",
            "result",
            transfers.map(|(name, n)| (name, ConstCounter::new(n.get()))),
        )?;
        out.one(
            "nsboot_tftp_sent_bytes",
            "Bytes of files sent over TFTP",
            ConstCounter::new(tftp.sent_bytes.get()),
        )
    }

    fn disks(&self, out: &mut Page<'_>) -> fmt::Result {
        let disks = &self.engine.counters().disks;
        out.one(
            "nsboot_disk_read_bytes",
            "Bytes read from clients' disks",
            ConstCounter::new(disks.read_bytes.get()),
        )?;
        out.one(
            "nsboot_disk_written_bytes",
            "Bytes written to clients' disks",
            ConstCounter::new(disks.written_bytes.get()),
        )?;
        let times = [
            ("read", &disks.read),
            ("write", &disks.write),
            ("flush", &disks.flush),
        ];
        out.many(
            "nsboot_disk_io_duration_seconds",
            "Requests to clients' disks, without the network",
            "op",
            times.map(|(op, durations)| (op, Timed(durations))),
        )
    }

    fn storage(&self, out: &mut Page<'_>) -> fmt::Result {
        let storage = self.engine.capacity().view();
        out.one(
            "nsboot_storage_size_bytes",
            "Size of the file system of the data folder",
            gauge(storage.total_bytes),
        )?;
        out.one(
            "nsboot_storage_free_bytes",
            "Free on the file system of the data folder",
            gauge(storage.free_bytes),
        )?;
        let used = [
            ("images", storage.images_bytes),
            ("versions", storage.versions_bytes),
            ("overlays", storage.overlays_bytes),
            ("loaders", storage.loaders_bytes),
            ("database", storage.database_bytes),
            ("other", storage.other_bytes),
        ];
        out.many(
            "nsboot_storage_used_bytes",
            "Used on the file system of the data folder, by what takes it",
            "by",
            used.map(|(by, bytes)| (by, gauge(bytes))),
        )?;
        let sessions = self.engine.exports().sessions().len();
        out.one(
            "nsboot_disk_sessions",
            "Live sessions on disks",
            gauge(sessions as u64),
        )
    }
}

impl Collector for Sampled {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.process(&mut page)?;
        self.services(&mut page)?;
        self.boots(&mut page)?;
        self.jobs(&mut page)?;
        self.network(&mut page)?;
        self.disks(&mut page)?;
        self.storage(&mut page)
    }
}

/// The text that is being made. Names of counters are given without their `_total`.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A metric without labels.
    fn one(&mut self, name: &str, help: &str, metric: impl EncodeMetric) -> fmt::Result {
        let kind = metric.metric_type();
        metric.encode(self.0.encode_descriptor(name, help, None, kind)?)
    }

    /// A metric with one label; nothing when there is no value of it.
    fn many<'v, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'v str, M)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        let Some(kind) = values.peek().map(|(_, metric)| metric.metric_type()) else {
            return Ok(());
        };
        let values = values.map(|(value, metric)| ([(label, value)], metric));
        self.family(name, help, kind, values)
    }

    fn family<'v, const N: usize, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl Iterator<Item = ([(&'v str, &'v str); N], M)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, metric) in values {
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(n: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A histogram of the engine's.
struct Timed<'a>(&'a Durations);

impl EncodeMetric for Timed<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let buckets = self.0.buckets();
        // Of the same reading as the buckets, which must not add up to more.
        let count = buckets.iter().map(|(_, n)| n).sum();
        encoder.encode_histogram::<NoLabelSet>(self.0.sum_seconds(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// Open file descriptors of this process, from proc(5); zero without /proc.
fn open_files() -> u64 {
    // The one that the folder is read with is among them.
    std::fs::read_dir("/proc/self/fd").map_or(0, |fds| (fds.count() as u64).saturating_sub(1))
}
