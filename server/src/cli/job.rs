//! `nsboot job`, and how other commands wait for the jobs that they begin.

use super::{
    CliError, address::at, connect::Change, console::Console, error::exit, interrupt,
    listing::Listing, render, watch,
};
use clap::Subcommand;
use indicatif::ProgressBar;
use std::{thread, time::Duration};
use types::{JobLineView, JobState, JobView, Topic};

/// Pauses between two looks at a job: short ones end soon, long ones must not keep the server busy.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub enum JobCommand {
    /// List jobs, the newest first
    Ls {
        /// Begin with those that are not over, go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort", "limit"])]
        watch: bool,
        /// At most so many
        #[arg(long, default_value = "100", value_name = "NUMBER")]
        limit: usize,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show a job with its log and what became of each thing
    Show {
        /// Its id, as `job ls` shows it
        job: String,
    },
    /// Wait until a job is over
    Watch {
        /// Its id
        job: String,
    },
    /// Ask a job to stop; it does at its next safe place
    Cancel {
        /// Its id
        job: String,
    },
}

/// Runs a command about jobs.
///
/// # Errors
/// As the server says; when the job that is waited for does not end well.
pub fn run(command: JobCommand, console: &Console) -> Result<(), CliError> {
    match command {
        JobCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Jobs, console),
        JobCommand::Ls { limit, listing, .. } => {
            let jobs: Vec<JobView> = console.some(&listing.of("/api/v1/jobs"), limit)?;
            console.print(&jobs, || render::list(&jobs))
        }
        JobCommand::Show { job } => {
            let job: JobView = console.server.get(&at("jobs", &job))?;
            console.print(&job, || render::job(&job))
        }
        JobCommand::Watch { job } => {
            let over = wait(&job, console)?;
            console.print(&over, || render::job(&over))?;
            outcome(&over)
        }
        JobCommand::Cancel { job } => cancel(&job, console),
    }
}

/// Makes a change that goes on as a job, and with `--wait` waits for its end.
///
/// # Errors
/// As the server says; when the job that is waited for does not end well.
pub fn begin(change: Change, console: &Console) -> Result<(), CliError> {
    let Some(job) = console.change::<JobView>(change)? else {
        return Ok(());
    };
    let id = job.id.to_string();
    if console.waits() {
        let over = wait(&id, console)?;
        console.print(&over, || render::job(&over))?;
        return outcome(&over);
    }
    console.print(&job, || id.clone())?;
    console.say(&format!(
        "It goes on as a job. `nsboot job watch {id}` waits for its end, as --wait would have."
    ));
    Ok(())
}

fn cancel(id: &str, console: &Console) -> Result<(), CliError> {
    let change = Change::new("POST", format!("{}/actions/cancel", at("jobs", id)));
    let Some(mut job) = console.change::<JobView>(change)? else {
        return Ok(());
    };
    if console.waits() {
        job = wait(id, console)?;
    }
    console.print(&job, || render::job(&job))?;
    match job.state {
        // What was asked for.
        JobState::Cancelled => Ok(()),
        state if state.is_over() => outcome(&job),
        _ => Ok(()),
    }
}

/// Looks at a job until it is over.
fn wait(id: &str, console: &Console) -> Result<JobView, CliError> {
    let path = at("jobs", id);
    let mut job: JobView = console.server.get(&path)?;
    interrupt::note(Some(format!(
        "; the job goes on: nsboot job watch {}",
        job.id
    )));
    let bar = console.progress(job.unit, job.total);
    let mut told = None;
    let mut pause = FIRST_PAUSE;
    loop {
        report(&job, &bar, &mut told, console);
        if job.state.is_over() {
            bar.finish_and_clear();
            interrupt::note(None);
            return Ok(job);
        }
        thread::sleep(pause);
        pause = (pause * 3 / 2).min(LAST_PAUSE);
        job = console.server.get(&path)?;
    }
}

/// Moves the bar, and tells the lines of the log that were not told yet.
fn report(job: &JobView, bar: &ProgressBar, told: &mut Option<JobLineView>, console: &Console) {
    if let Some(total) = job.total {
        bar.set_length(total);
    }
    bar.set_position(job.done);
    bar.set_message(render::harmless(&job.title));
    let lines = console.tells_lines(bar);
    for line in unheard(&job.log, told.as_ref()) {
        match lines {
            true => console.say(&line.text),
            false => bar.println(render::harmless(&line.text)),
        }
    }
    if let Some(last) = job.log.last() {
        *told = Some(last.clone());
    }
}

/// The lines after the one that was told last; all when that one is gone.
fn unheard<'a>(log: &'a [JobLineView], told: Option<&JobLineView>) -> &'a [JobLineView] {
    let known = told.and_then(|t| log.iter().rposition(|l| l == t));
    &log[known.map_or(0, |i| i + 1)..]
}

/// A job that is over, as a command's own end.
fn outcome(job: &JobView) -> Result<(), CliError> {
    let failed = job.items.iter().filter(|i| i.state == JobState::Failed);
    let (said, exit) = match job.state {
        JobState::Queued | JobState::Running | JobState::Succeeded => return Ok(()),
        JobState::PartlyFailed => (
            format!("{} of {} failed", failed.count(), job.items.len()),
            exit::PARTLY_FAILED,
        ),
        JobState::Cancelled => ("it was cancelled".into(), exit::FAILED),
        JobState::Failed => (
            match &job.problem {
                Some(problem) => problem.to_string(),
                None => format!("all {} failed", job.items.len()),
            },
            exit::FAILED,
        ),
    };
    Err(CliError::Ended {
        said: format!("{}: {said}", job.title),
        exit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use types::Timestamp;

    fn job(state: &str, items: serde_json::Value) -> JobView {
        serde_json::from_value(json!({
            "id": uuid::Uuid::nil(), "kind": "client.update_many", "title": "Change 2 computers",
            "state": state, "actor": {"kind": "local", "name": "local"},
            "created_at": "2026-11-21T07:00:00Z", "started_at": null, "finished_at": null,
            "unit": "items", "done": 2, "total": 2, "cancel_requested": false, "items": items,
            "result": null, "problem": null, "log": [], "revision": 1,
        }))
        .expect("a job")
    }

    #[test]
    fn how_a_job_ended_is_the_exit_code() {
        let item = |state: &str| json!({"id": "i", "name": "n", "state": state});
        let items = json!([item("succeeded"), item("failed")]);
        for (state, exit) in [
            ("succeeded", None),
            ("partly_failed", Some(7)),
            ("failed", Some(1)),
            ("cancelled", Some(1)),
        ] {
            let ended = outcome(&job(state, items.clone()));
            assert_eq!(ended.as_ref().err().map(CliError::exit), exit, "{state}");
        }
        let said = outcome(&job("partly_failed", items)).expect_err("failed");
        assert_eq!(said.to_string(), "Change 2 computers: 1 of 2 failed");
    }

    #[test]
    fn each_line_of_the_log_is_told_once() {
        let line = |n: i64| JobLineView {
            at: Timestamp(n),
            text: format!("line {n}"),
        };
        let log = [line(1), line(2), line(3)];
        assert_eq!(unheard(&log, None), log);
        assert_eq!(unheard(&log, Some(&line(2))), [line(3)]);
        assert!(unheard(&log, Some(&line(3))).is_empty());
        // It was thinned meanwhile.
        assert_eq!(unheard(&log, Some(&line(0))), log);
    }
}
