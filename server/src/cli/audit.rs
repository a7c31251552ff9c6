//! `nsboot audit`: who changed what.

use super::{CliError, address::Query, connect::Change, console::Console, job, render, watch};
use clap::{Args, Subcommand};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;
use types::{AuditView, Timestamp, Topic};

#[derive(Subcommand)]
pub enum AuditCommand {
    /// List entries, the newest first
    Ls {
        /// Show each entry as it is written; with -o json a line each
        #[arg(long, conflicts_with_all = ["Filter", "limit"])]
        watch: bool,
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, default_value = "100", value_name = "NUMBER")]
        limit: usize,
    },
    /// Write all entries in their order, one JSON object a line
    Export {
        #[command(flatten)]
        filter: Filter,
        /// Where to [default: stdout]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Check that every entry is as it was written and none is missing, as a job
    Verify,
}

#[derive(Args)]
pub struct Filter {
    /// Only what this account or token did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, e.g. `client.update`, or noun, e.g. `client`
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this, by name or id
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only what ended so: `ok`, a problem's code, or `refused` for any code
    #[arg(long)]
    result: Option<String>,
    /// Not before this moment, e.g. 2026-11-21T07:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Filter {
    fn of(self, path: &str) -> String {
        let time = |t: Option<Timestamp>| t.map(|t| t.to_string());
        Query::of(path)
            .with("actor", self.actor)
            .with("action", self.action)
            .with("target", self.target)
            .with("result", self.result)
            .with("since", time(self.since))
            .with("until", time(self.until))
            .path()
    }
}

/// Runs a command about the audit log.
///
/// # Errors
/// As the server says; when the file can't be written.
pub fn run(command: AuditCommand, console: &Console) -> Result<(), CliError> {
    match command {
        AuditCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Audit, console),
        AuditCommand::Ls { filter, limit, .. } => {
            let entries: Vec<AuditView> = console.some(&filter.of("/api/v1/audit"), limit)?;
            console.print(&entries, || render::list(&entries))
        }
        AuditCommand::Export { filter, file } => {
            let path = filter.of("/api/v1/audit/export");
            match file {
                None => console.server.pass_on(&path, &mut io::stdout().lock()),
                Some(file) => {
                    write(&file, |out| console.server.pass_on(&path, out))?;
                    console.say(&format!("Wrote {}.", file.display()));
                    Ok(())
                }
            }
        }
        AuditCommand::Verify => {
            job::begin(Change::new("POST", "/api/v1/audit/actions/verify"), console)
        }
    }
}

/// Writes a file beside the one that is there and then over it: an export that fails leaves the former
/// one whole. Only its owner may read it.
///
/// # Errors
/// When it can't be written, or as `give` says.
pub fn write(
    file: &Path,
    give: impl FnOnce(&mut File) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let failed = |e: io::Error| CliError::Local {
        what: format!("could not write {}", file.display()),
        why: e.to_string(),
        code: "NSB-CLI-014",
        hint: "Name a file that you may write.",
    };
    // A device or a pipe is written to as it is.
    if file.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let mut out = File::options().write(true).open(file).map_err(failed)?;
        return give(&mut out);
    }
    // Of a link, what it leads to.
    let place = file.canonicalize();
    let file = place.as_deref().unwrap_or(file);
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty());
    let mut new = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    give(new.as_file_mut())?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(file).map(drop).map_err(|e| failed(e.error))
}
