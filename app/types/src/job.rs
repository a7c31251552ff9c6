//! Jobs: long work with progress, log, result and cancel.

use crate::{ActorView, JobId, Problem, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    Running,
    Succeeded,
    /// Some of its items were done, others refused.
    PartlyFailed,
    Failed,
    Cancelled,
}

impl JobState {
    /// Whether nothing will change any more.
    pub fn is_over(self) -> bool {
        !matches!(self, JobState::Queued | JobState::Running)
    }
}

/// What progress counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobUnit {
    Bytes,
    Items,
}

/// One of the things that a job works on, and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobItemView {
    pub id: String,
    pub name: String,
    pub state: JobState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A line of a job's log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobLineView {
    pub at: Timestamp,
    pub text: String,
}

/// A job as shown.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct JobView {
    pub id: JobId,
    /// Noun and verb: `image.verify`.
    pub kind: String,
    /// What it does, in plain words.
    pub title: String,
    pub state: JobState,
    /// Who started it.
    pub actor: ActorView,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub unit: JobUnit,
    pub done: u64,
    /// None while it is not known.
    pub total: Option<u64>,
    /// Asked to stop; it stops at the next safe place.
    pub cancel_requested: bool,
    /// One for each thing, when it works on several.
    pub items: Vec<JobItemView>,
    /// What it found or made.
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub result: Option<serde_json::Value>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// The newest lines.
    pub log: Vec<JobLineView>,
    /// Raised by one with each change.
    pub revision: u64,
}
