//! Jobs.

use crate::record::record;
use serde::{Deserialize, Serialize};
use types::{JobId, JobState, JobUnit, Timestamp};

/// A job as it is kept: enough to show it, and to go on with it after a restart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobRecord {
    /// UUIDv7, so that jobs list in the order of time.
    pub id: JobId,
    /// Noun and verb.
    pub kind: String,
    /// Plain words.
    pub title: String,
    /// How far it is.
    pub state: JobState,
    /// Who started it, as JSON.
    pub actor: String,
    /// What there is to do, as JSON: a job that can go on after a restart begins from here.
    pub work: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What progress counts.
    pub unit: JobUnit,
    /// Progress.
    pub done: u64,
    /// The whole, once known.
    pub total: Option<u64>,
    /// Asked to stop.
    pub cancel_requested: bool,
    /// What it works on, when that is several.
    pub items: Vec<JobItemRecord>,
    /// What it found, as JSON.
    pub result: Option<String>,
    /// Why it failed, as JSON.
    pub problem: Option<String>,
    /// The newest lines of its log.
    pub log: Vec<JobLineRecord>,
    /// Raised by one with each change that was stored or told.
    pub revision: u64,
}
record!(JobRecord, kind 11, schema 1, table "jobs", JobId, |r| r.id);

/// One of the things that a job works on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobItemRecord {
    /// Its id.
    pub id: String,
    /// Its name as of then.
    pub name: String,
    /// What became of it.
    pub state: JobState,
    /// Why it was refused, as JSON.
    pub problem: Option<String>,
}

/// A line of a job's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobLineRecord {
    /// When.
    pub at: Timestamp,
    /// Plain words.
    pub text: String,
}
