//! A job's record as it is shown. What is kept of it as JSON stays readable for later versions.

use crate::{Actor, By, Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use store::JobRecord;
use types::{JobItemView, JobLineView, JobView, Problem};

pub(super) fn view(r: &JobRecord) -> JobView {
    let by = from_json::<By>(&r.actor).ok();
    let unknown = || Actor::Unknown("unknown".into());
    JobView {
        id: r.id,
        kind: r.kind.clone(),
        title: r.title.clone(),
        state: r.state,
        actor: by.map_or_else(unknown, |by| by.actor).view(),
        created_at: r.created_at,
        started_at: r.started_at,
        finished_at: r.finished_at,
        unit: r.unit,
        done: r.done,
        total: r.total,
        cancel_requested: r.cancel_requested,
        items: r
            .items
            .iter()
            .map(|i| JobItemView {
                id: i.id.clone(),
                name: i.name.clone(),
                state: i.state,
                problem: problem(&i.problem),
            })
            .collect(),
        result: r.result.as_deref().and_then(|t| from_json(t).ok()),
        problem: problem(&r.problem),
        log: r
            .log
            .iter()
            .map(|l| JobLineView {
                at: l.at,
                text: l.text.clone(),
            })
            .collect(),
        revision: r.revision,
    }
}

fn problem(text: &Option<String>) -> Option<Problem> {
    text.as_deref().and_then(|t| from_json(t).ok())
}

/// A problem as it is kept.
pub(super) fn fault(problem: &Problem) -> Option<String> {
    to_json(problem).ok()
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::Internal(format!("a job can't be written down: {e}")))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::Internal(format!("a job that was written down can't be read: {e}")))
}
