//! The kinds of jobs by name, as records, the audit log and metrics have them, and how many there are.

use super::Jobs;
use types::JobState;

/// What a job does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobKind {
    /// Reads an image's files again.
    VerifyImage,
    /// Takes an image in.
    ImportImage,
    /// Checks the audit log.
    VerifyAudit,
    /// Changes several computers.
    UpdateClients,
    /// Removes several computers.
    RemoveClients,
    /// Makes the next version of an image.
    ApplyChanges,
    /// Makes a version one that is made on no other.
    FlattenVersion,
    /// Makes an image of a version.
    CloneVersion,
    /// Takes a snapshot of a computer's disk.
    TakeSnapshot,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [JobKind; 9] = [
        JobKind::VerifyImage,
        JobKind::ImportImage,
        JobKind::VerifyAudit,
        JobKind::UpdateClients,
        JobKind::RemoveClients,
        JobKind::ApplyChanges,
        JobKind::FlattenVersion,
        JobKind::CloneVersion,
        JobKind::TakeSnapshot,
    ];

    /// Noun and verb.
    pub fn name(self) -> &'static str {
        match self {
            JobKind::VerifyImage => "image.verify",
            JobKind::ImportImage => "image.import",
            JobKind::VerifyAudit => "audit.verify",
            JobKind::UpdateClients => "client.update_many",
            JobKind::RemoveClients => "client.remove_many",
            JobKind::ApplyChanges => "image.apply",
            JobKind::FlattenVersion => "image.flatten",
            JobKind::CloneVersion => "image.clone",
            JobKind::TakeSnapshot => "client.snapshot",
        }
    }

    /// The kind of that name; none for one of another version.
    pub(super) fn of(name: &str) -> Option<JobKind> {
        JobKind::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Every state and its name, as in JSON.
pub const STATES: [(JobState, &str); 6] = [
    (JobState::Queued, "queued"),
    (JobState::Running, "running"),
    (JobState::Succeeded, "succeeded"),
    (JobState::PartlyFailed, "partly_failed"),
    (JobState::Failed, "failed"),
    (JobState::Cancelled, "cancelled"),
];

impl Jobs {
    /// How many jobs are kept of each kind and in each state: those that wait or run, and those that are
    /// over and were not thinned out yet.
    pub fn counts(&self) -> Vec<(JobKind, JobState, u64)> {
        let mut counts = self.inner.over().clone();
        for live in self.inner.live().values() {
            let record = &live.record;
            // One whose end is not durable yet is still counted as running.
            let state = match record.state {
                state if state.is_over() => JobState::Running,
                state => state,
            };
            if let Some(kind) = JobKind::of(&record.kind) {
                *counts.entry((kind, state)).or_default() += 1;
            }
        }
        let each = JobKind::ALL
            .into_iter()
            .flat_map(|kind| STATES.map(|(state, _)| (kind, state)));
        each.map(|of| (of.0, of.1, counts.get(&of).copied().unwrap_or(0)))
            .collect()
    }
}
