//! THE list of kinds of jobs: what each does, and whether it can go on after a restart.

use super::{JobHandle, JobKind, NewJob, record::from_json};
use crate::{
    Area, By, Engine, Error, Result,
    blocking::blocking,
    images::{ImageClone, require_ready},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinHandle;
use types::{
    Channel, ClientId, ImageId, JobId, JobState, Role, UpdateClientParams, VersionId, VersionView,
};

/// What a job has to do; written down with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub(crate) enum Work {
    /// Reads an image's files and compares each version with its checksum.
    VerifyImage { image: ImageId },
    /// Takes an image in, as a request brings it.
    ImportImage { image: ImageId },
    /// Reads the whole audit log and checks its chain.
    VerifyAudit,
    /// The same change to several computers.
    UpdateClients {
        ids: Vec<ClientId>,
        change: UpdateClientParams,
    },
    /// Removes several computers with their overlays.
    RemoveClients { ids: Vec<ClientId> },
    /// Makes the next version of an image of what its superclient wrote.
    ApplyChanges {
        image: ImageId,
        client: ClientId,
        comment: String,
    },
    /// Makes a version one that is made on no other.
    FlattenVersion { image: ImageId, version: VersionId },
    /// Makes an image of a version.
    CloneVersion {
        image: ImageId,
        version: VersionId,
        name: String,
        to: ImageId,
    },
    /// Takes a snapshot of a computer's disk.
    TakeSnapshot { client: ClientId, comment: String },
}

/// How a job ended well.
pub(crate) enum Outcome {
    /// With this to tell.
    Done(Value),
    /// As its items say.
    Items,
    /// Because somebody asked.
    Cancelled,
}

impl Work {
    /// What is counted with it.
    pub fn kind(&self) -> JobKind {
        match self {
            Work::VerifyImage { .. } => JobKind::VerifyImage,
            Work::ImportImage { .. } => JobKind::ImportImage,
            Work::VerifyAudit => JobKind::VerifyAudit,
            Work::UpdateClients { .. } => JobKind::UpdateClients,
            Work::RemoveClients { .. } => JobKind::RemoveClients,
            Work::ApplyChanges { .. } => JobKind::ApplyChanges,
            Work::FlattenVersion { .. } => JobKind::FlattenVersion,
            Work::CloneVersion { .. } => JobKind::CloneVersion,
            Work::TakeSnapshot { .. } => JobKind::TakeSnapshot,
        }
    }

    /// What one has to be to start it. Asked again when it goes on after a restart.
    pub fn role(&self) -> Role {
        match self {
            Work::VerifyAudit => Role::Admin,
            Work::VerifyImage { .. }
            | Work::ImportImage { .. }
            | Work::UpdateClients { .. }
            | Work::RemoveClients { .. }
            | Work::ApplyChanges { .. }
            | Work::FlattenVersion { .. }
            | Work::CloneVersion { .. }
            | Work::TakeSnapshot { .. } => Role::Operator,
        }
    }

    /// What one has to be to see it: what an administrator's job works on is not for everybody's eyes.
    pub fn reader(&self) -> Role {
        match self.role() {
            Role::Admin => Role::Admin,
            _ => Role::Viewer,
        }
    }

    /// Whoever began it must still be allowed to when it does something: it may have waited for long.
    async fn run(self, engine: &Engine, by: &By, job: &JobHandle) -> Result<Outcome> {
        let role = self.role();
        engine.users().still_allowed(by, role)?;
        match self {
            Work::VerifyImage { image } => verify_image(engine, image, job).await,
            Work::ImportImage { .. } => Err(sender_gone()),
            Work::VerifyAudit => verify_audit(engine, job).await,
            Work::ApplyChanges {
                image,
                client,
                comment,
            } => apply_changes(engine, by, (image, client), &comment, job).await,
            Work::FlattenVersion { image, version } => {
                flatten_version(engine, by, (image, version), job).await
            }
            Work::CloneVersion {
                image,
                version,
                name,
                to,
            } => {
                let clone = ImageClone {
                    image,
                    version,
                    name,
                    to,
                };
                let made = engine.images().make_clone(by, clone, job).await?;
                Ok(made.map_or(Outcome::Cancelled, |image| {
                    Outcome::Done(serde_json::json!({ "image": image.name }))
                }))
            }
            Work::TakeSnapshot { client, comment } => {
                let taken = engine.boots().take_snapshot(by, client, &comment, job);
                Ok(taken.await?.map_or(Outcome::Cancelled, |number| {
                    Outcome::Done(serde_json::json!({ "version": number }))
                }))
            }
            Work::UpdateClients { ids, change } => {
                for (i, id) in ids.into_iter().enumerate() {
                    if job.cancelled() {
                        return Ok(Outcome::Cancelled);
                    }
                    if job.is_done(i) {
                        continue;
                    }
                    let may = engine.users().still_allowed(by, role);
                    let done = async {
                        may?;
                        update_client(engine, by, id, &change).await
                    };
                    job.item(i, &done.await);
                }
                Ok(Outcome::Items)
            }
            Work::RemoveClients { ids } => {
                for (i, id) in ids.into_iter().enumerate() {
                    if job.cancelled() {
                        return Ok(Outcome::Cancelled);
                    }
                    if job.is_done(i) {
                        continue;
                    }
                    let may = engine.users().still_allowed(by, role);
                    let done = async {
                        may?;
                        match engine.clients().remove(by, id, None).await {
                            // Gone is what was wanted; before a restart it may have been us.
                            Err(Error::NotFound { .. }) => Ok(()),
                            other => other,
                        }
                    };
                    job.item(i, &done.await);
                }
                Ok(Outcome::Items)
            }
        }
    }
}

/// The loader set was there when the job was begun, and may have been removed since.
async fn update_client(
    engine: &Engine,
    by: &By,
    id: ClientId,
    change: &UpdateClientParams,
) -> Result<()> {
    let known = engine.clients().get(id);
    let old = known.as_ref().and_then(|c| c.loader_set.as_deref());
    let new = change.loader_set.as_deref();
    let _there = engine.loaders().hold_choice(Area::Client, old, new).await?;
    let updated = engine.clients().update(by, id, None, change.clone()).await;
    updated.map(drop)
}

/// Writes a job down and runs it in the background. Both, whatever becomes of the caller: a job that
/// is written down and that nobody runs would wait for the next start.
///
/// # Errors
/// As [`super::Jobs::begin`].
pub(crate) async fn start(engine: &Engine, by: &By, new: NewJob) -> Result<JobId> {
    begin(engine, by, new).await.map(|(id, _)| id)
}

/// As [`start`], and waits until it is over; how it ended.
///
/// # Errors
/// As [`super::Jobs::begin`].
pub(crate) async fn see_through(engine: &Engine, by: &By, new: NewJob) -> Result<JobState> {
    let (id, run) = begin(engine, by, new).await?;
    // One that panicked has failed, and says so.
    _ = run.await;
    engine.jobs().get(id).map(|job| job.state)
}

async fn begin(engine: &Engine, by: &By, new: NewJob) -> Result<(JobId, JoinHandle<()>)> {
    let (engine, by) = (engine.clone(), by.clone());
    let started = tokio::spawn(async move {
        let work = new.work.clone();
        let job = engine.jobs().begin(&by, new).await?;
        let id = job.id();
        Ok((id, spawn(engine, work, by, job)))
    });
    started
        .await
        .map_err(|e| Error::Internal(format!("a job could not be begun: {e}")))?
}

fn spawn(engine: Engine, work: Work, by: By, job: JobHandle) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(_turn) = job.turn().await else {
            return job.finish(Ok(Outcome::Cancelled));
        };
        let outcome = work.run(&engine, &by, &job).await;
        job.finish(outcome);
    })
}

/// Goes on with what a stop of the server cut short: what was done already is found done. An upload has
/// lost who brings it, and fails; so does a version in the making, as its computer may run by now. Who
/// started it must still be allowed to.
///
/// # Errors
/// When the database can't be read.
pub(crate) fn resume(engine: &Engine) -> Result<()> {
    for (record, job) in engine.jobs().interrupted()? {
        let begun = from_json::<By>(&record.actor)
            .and_then(|by| Ok((by, from_json::<Work>(&record.work)?)))
            .and_then(|(by, work)| {
                engine.users().still_allowed(&by, work.role())?;
                Ok((by, work))
            });
        match begun {
            _ if record.cancel_requested => job.finish(Ok(Outcome::Cancelled)),
            Err(e) => job.failed(&e),
            Ok((_, Work::ImportImage { .. })) => job.failed(&sender_gone()),
            Ok((_, Work::ApplyChanges { .. } | Work::TakeSnapshot { .. })) => {
                job.failed(&cut_short());
            }
            Ok((by, work)) => {
                job.restart();
                spawn(engine.clone(), work, by, job);
            }
        }
    }
    Ok(())
}

/// Whoever brought an image is gone with the server that was stopped.
fn sender_gone() -> Error {
    Error::conflict(
        Area::Image,
        "the server was stopped before the image was there",
        "Begin the import again.",
    )
}

/// Whether the computer is off can't be told right after a start.
fn cut_short() -> Error {
    Error::conflict(
        Area::Image,
        "the server was stopped before the version was made",
        "Look whether it is there; else begin again: the changes are as they were.",
    )
}

async fn verify_image(engine: &Engine, id: ImageId, job: &JobHandle) -> Result<Outcome> {
    let image = engine
        .images()
        .get(id)
        .ok_or_else(|| Error::not_found(Area::Image, id))?;
    require_ready(&image)?;
    let Some(versions) = engine.images().verify(&image, job).await? else {
        return Ok(Outcome::Cancelled);
    };
    let sha256 = image.imported_sha256().map(|sum| types::hex(&sum));
    Ok(Outcome::Done(
        serde_json::json!({ "versions": versions, "sha256": sha256 }),
    ))
}

async fn flatten_version(
    engine: &Engine,
    by: &By,
    which: (ImageId, VersionId),
    job: &JobHandle,
) -> Result<Outcome> {
    let Some(flat) = engine.images().flatten(by, which, job).await? else {
        return Ok(Outcome::Cancelled);
    };
    let version = flat.versions.iter().find(|v| v.id == which.1);
    Ok(Outcome::Done(
        serde_json::json!({ "allocated_bytes": version.map(|v| v.allocated_bytes) }),
    ))
}

async fn apply_changes(
    engine: &Engine,
    by: &By,
    (id, client): (ImageId, ClientId),
    comment: &str,
    job: &JobHandle,
) -> Result<Outcome> {
    let image = engine.images().get(id);
    let image = image.ok_or_else(|| Error::not_found(Area::Image, id))?;
    let boots = engine.boots();
    let Some(applied) = boots.apply(by, (&image, client), comment, job).await? else {
        return Ok(Outcome::Cancelled);
    };
    let is_it = |v: &&VersionView| v.channels.contains(&Channel::Maintenance);
    let number = applied.versions.iter().find(is_it).map(|v| v.number);
    Ok(Outcome::Done(serde_json::json!({ "version": number })))
}

async fn verify_audit(engine: &Engine, job: &JobHandle) -> Result<Outcome> {
    let mut check = engine.audit().check()?;
    job.log(format!("reading {} entries", check.total()));
    job.progress(0, Some(check.total()));
    loop {
        if job.cancelled() {
            return Ok(Outcome::Cancelled);
        }
        let read;
        (check, read) = blocking(move || {
            let read = check.step()?;
            Ok((check, read))
        })
        .await?;
        match read {
            Some(read) => job.progress(read, None),
            None => break,
        }
    }
    let found = check.found();
    match &found.fault {
        None => Ok(Outcome::Done(serde_json::json!(found))),
        Some(fault) => Err(Error::conflict(
            Area::Audit,
            format!("the audit log was tampered with: {fault}"),
            "Keep a copy of the data folder, and compare with what was exported before.",
        )),
    }
}
