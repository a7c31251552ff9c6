//! What the activity page and the drawer read and do.

use super::stream::Item;
use crate::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use types::{JobId, JobView};

/// Lines on one page of the stream.
#[cfg(feature = "ssr")]
const LINES: usize = 50;

/// Some of the stream, the newest first.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Lines {
    /// Jobs and, for administrators, entries of the audit log.
    pub items: Vec<Item>,
    /// Whether there are older ones.
    pub more: bool,
}

/// The stream before the job `job` and the entry `entry`; `show` is a word of [`super::Show`].
#[server(prefix = "/fn", endpoint = "activity/list")]
pub async fn activity(
    show: String,
    job: Option<JobId>,
    entry: Option<u64>,
) -> Result<Lines, Fault> {
    let viewer = crate::ssr::viewer()?;
    let show = super::Show::read(&show, viewer.me().role);
    let mut items = Vec::new();
    if show.has_jobs() {
        let jobs = viewer.jobs(job, LINES + 1).await?;
        items.extend(jobs.into_iter().map(Item::Job));
    }
    if let Some(result) = show.entries() {
        let filter = engine::audit::AuditFilter {
            result: result.map(Into::into),
            ..Default::default()
        };
        let entries = crate::ssr::admin()?.audit(filter, entry, LINES + 1).await?;
        items.extend(entries.into_iter().map(Item::Entry));
    }
    items.sort_by_key(|i| std::cmp::Reverse(i.at()));
    let more = items.len() > LINES;
    items.truncate(LINES);
    Ok(Lines { items, more })
}

/// One job with its items and its log.
#[server(prefix = "/fn", endpoint = "jobs/show")]
pub async fn job(id: JobId) -> Result<JobView, Fault> {
    Ok(crate::ssr::viewer()?.job(&id.to_string())?)
}

/// Asks a job to stop.
#[server(prefix = "/fn", endpoint = "jobs/cancel")]
pub async fn cancel_job(id: JobId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.cancel_job(&id.to_string()).await?;
    Ok(())
}

/// Begins to check the chain of the audit log.
#[server(prefix = "/fn", endpoint = "audit/verify")]
pub async fn verify_audit() -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    admin.verify_audit().await?;
    Ok(())
}
