//! The only place that starts processes: by argument list, never through a shell, by absolute path.
//! A failure carries the command, its status and what it printed.

mod child;
#[cfg(test)]
mod tests;

pub use child::{Child, spawn};

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

/// Where programs are looked for, in this order; the caller's PATH has no say.
const FOLDERS: [&str; 5] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"];

/// Why a process did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum OsError {
    /// The program is not on this machine.
    #[error("the program {program} is not installed; install the Debian package {package}")]
    Missing {
        /// Its file name.
        program: &'static str,
        /// What brings it.
        package: &'static str,
    },
    /// A file that a program needs is not on this machine.
    #[error("{path} is not there; install the Debian package {package}")]
    MissingFile {
        /// Where it has to be.
        path: &'static str,
        /// What brings it.
        package: &'static str,
    },
    /// It could not be started or waited for.
    #[error("could not run `{command}`: {source}")]
    Start {
        /// The whole command line.
        command: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// It ended with another status than 0.
    #[error("`{command}` ended with {status}: {stderr}")]
    Failed {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed on its standard error, shortened.
        stderr: String,
    },
}

/// A program that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(PathBuf);

impl Program {
    /// Looks a program up.
    ///
    /// # Errors
    /// [`OsError::Missing`] with the package that brings it.
    pub fn find(program: &'static str, package: &'static str) -> Result<Program, OsError> {
        let paths = FOLDERS.iter().map(|dir| Path::new(dir).join(program));
        let mut found = paths.filter(|path| path.is_file());
        found
            .next()
            .map(Program)
            .ok_or(OsError::Missing { program, package })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// A command line: a program and its arguments.
#[derive(Clone, Debug)]
pub struct Command {
    argv: Vec<String>,
    dir: Option<PathBuf>,
}

impl Command {
    /// A command without arguments yet.
    pub fn new(program: &Program) -> Command {
        Command {
            argv: vec![program.0.display().to_string()],
            dir: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Command {
        self.argv.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Command {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// The folder it runs in.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Command {
        self.dir = Some(dir.into());
        self
    }

    /// Puts another command in front that executes this one in its own place, like `nsenter`.
    pub fn behind(mut self, wrapper: Command) -> Command {
        let mut argv = wrapper.argv;
        argv.append(&mut self.argv);
        self.argv = argv;
        self
    }

    fn std(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).stdin(Stdio::null());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// Runs it to its end and returns what it printed. Dropping the future kills it.
    ///
    /// # Errors
    /// [`OsError::Start`], or [`OsError::Failed`] for a status other than 0.
    pub async fn run(&self) -> Result<String, OsError> {
        let mut command = tokio::process::Command::from(self.std());
        let started = command.kill_on_drop(true).output().await;
        let output = started.map_err(|source| self.not_started(source))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.failed(output.status, &output.stderr))
    }

    fn not_started(&self, source: std::io::Error) -> OsError {
        OsError::Start {
            command: self.to_string(),
            source,
        }
    }

    fn failed(&self, status: ExitStatus, stderr: &[u8]) -> OsError {
        let text = String::from_utf8_lossy(stderr);
        let text = text.trim();
        let tail = text.char_indices().rev().nth(500).map_or(0, |(i, _)| i);
        OsError::Failed {
            command: self.to_string(),
            status,
            stderr: match text {
                "" => "it printed nothing".to_owned(),
                _ => text[tail..].to_owned(),
            },
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.argv.join(" "))
    }
}
