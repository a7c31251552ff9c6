//! Boots: the timeline as it is kept.

use crate::{BootKey, record::record};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use types::{
    BootId, BootNote, BootState, BootView, Cause, ClientId, Hop, HopState, HopView, MacAddr,
    ReadyFacts, Timestamp,
};

/// One boot of one computer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BootRecord {
    /// UUIDv7, so that boots of one computer list in the order of time.
    pub id: BootId,
    /// The client that it belonged to.
    pub client_id: Option<ClientId>,
    /// The computer.
    pub mac: MacAddr,
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// Where it stands.
    pub state: BootState,
    /// First sign.
    pub started_at: Timestamp,
    /// Ready, stopped or superseded.
    pub ended_at: Option<Timestamp>,
    /// In the order of the rail.
    pub hops: Vec<HopRecord>,
    /// Why it stopped.
    pub cause: Option<CauseRecord>,
    /// What the booted system reported.
    pub facts: Option<FactsRecord>,
    /// What was seen.
    pub notes: Vec<NoteRecord>,
}
record!(BootRecord, kind 4, schema 1, table "boots", BootKey, |r| BootKey {
    mac: r.mac,
    id: r.id,
});

/// One hop.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HopRecord {
    /// Which.
    pub hop: Hop,
    /// How far.
    pub state: HopState,
    /// First sign of it.
    pub started_at: Option<Timestamp>,
    /// Done or failed.
    pub finished_at: Option<Timestamp>,
}

/// Why a boot stopped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CauseRecord {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub title: String,
    /// What to do.
    pub hint: String,
}

/// What the booted system reported; fields as in [`ReadyFacts`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct FactsRecord {
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    pub link_mbps: Option<u32>,
    pub disk_read_bytes_per_second: Option<u64>,
    pub disk_write_bytes_per_second: Option<u64>,
    pub root: Option<String>,
    pub memory_bytes: Option<u64>,
    pub uptime_seconds: Option<f64>,
}

/// One thing that was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NoteRecord {
    /// When.
    pub at: Timestamp,
    /// During which hop.
    pub hop: Hop,
    /// Plain words.
    pub text: String,
}

impl From<&BootView> for BootRecord {
    fn from(v: &BootView) -> Self {
        BootRecord {
            id: v.id,
            client_id: v.client_id,
            mac: v.mac,
            address: v.address,
            state: v.state,
            started_at: v.started_at,
            ended_at: v.ended_at,
            hops: v.hops.iter().map(HopRecord::from).collect(),
            cause: v.cause.clone().map(|c| CauseRecord {
                code: c.code,
                title: c.title,
                hint: c.hint,
            }),
            facts: v.facts.clone().map(FactsRecord::from),
            notes: v
                .notes
                .iter()
                .map(|n| NoteRecord {
                    at: n.at,
                    hop: n.hop,
                    text: n.text.clone(),
                })
                .collect(),
        }
    }
}

impl From<BootRecord> for BootView {
    fn from(r: BootRecord) -> Self {
        BootView {
            id: r.id,
            client_id: r.client_id,
            mac: r.mac,
            address: r.address,
            state: r.state,
            started_at: r.started_at,
            ended_at: r.ended_at,
            hops: r
                .hops
                .into_iter()
                .map(|h| HopView {
                    hop: h.hop,
                    state: h.state,
                    started_at: h.started_at,
                    finished_at: h.finished_at,
                })
                .collect(),
            cause: r.cause.map(|c| Cause {
                code: c.code,
                title: c.title,
                hint: c.hint,
            }),
            facts: r.facts.map(ReadyFacts::from),
            notes: r
                .notes
                .into_iter()
                .map(|n| BootNote {
                    at: n.at,
                    hop: n.hop,
                    text: n.text,
                })
                .collect(),
        }
    }
}

impl From<&HopView> for HopRecord {
    fn from(h: &HopView) -> Self {
        HopRecord {
            hop: h.hop,
            state: h.state,
            started_at: h.started_at,
            finished_at: h.finished_at,
        }
    }
}

impl From<ReadyFacts> for FactsRecord {
    fn from(f: ReadyFacts) -> Self {
        FactsRecord {
            hostname: f.hostname,
            kernel: f.kernel,
            link_mbps: f.link_mbps,
            disk_read_bytes_per_second: f.disk_read_bytes_per_second,
            disk_write_bytes_per_second: f.disk_write_bytes_per_second,
            root: f.root,
            memory_bytes: f.memory_bytes,
            uptime_seconds: f.uptime_seconds,
        }
    }
}

impl From<FactsRecord> for ReadyFacts {
    fn from(f: FactsRecord) -> Self {
        ReadyFacts {
            hostname: f.hostname,
            kernel: f.kernel,
            link_mbps: f.link_mbps,
            disk_read_bytes_per_second: f.disk_read_bytes_per_second,
            disk_write_bytes_per_second: f.disk_write_bytes_per_second,
            root: f.root,
            memory_bytes: f.memory_bytes,
            uptime_seconds: f.uptime_seconds,
        }
    }
}
