//! Processes that live beside us and end with us.

use super::{Command, OsError, Program};
use nix::{
    sys::wait::{Id, WaitPidFlag, waitid},
    unistd::Pid,
};
use std::{
    fs::File,
    path::Path,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{oneshot, watch};

/// A running process. Dropping it kills the process; so does the end of ours, however it ends.
pub struct Child {
    process: Arc<Mutex<std::process::Child>>,
    pub(super) ended: watch::Receiver<Option<ExitStatus>>,
}

/// Starts a process whose output goes to the file `log`.
///
/// # Errors
/// [`OsError::Start`], or [`OsError::Missing`] without util-linux.
pub async fn spawn(command: Command, log: &Path) -> Result<Child, OsError> {
    // The kernel kills it when the thread that started it ends, so that thread is one of its own.
    let setpriv = Command::new(&Program::find("setpriv", "util-linux")?);
    let command = command.behind(setpriv.args(["--pdeathsig", "KILL", "--"]));
    let log = log.to_owned();
    let (tell, told) = oneshot::channel();
    let failed = command.clone();
    std::thread::Builder::new()
        .name("nsboot-child".into())
        .spawn(move || keep(&command, &log, tell))
        .map_err(|source| failed.not_started(source))?;
    match told.await {
        Ok(result) => result,
        Err(_) => Err(failed.not_started(std::io::Error::other("its thread ended"))),
    }
}

/// Starts the process and waits for its end.
fn keep(command: &Command, log: &Path, tell: oneshot::Sender<Result<Child, OsError>>) {
    let started = File::create(log).and_then(|out| {
        let err = out.try_clone()?;
        command.std().stdout(out).stderr(err).spawn()
    });
    let process = match started {
        Ok(process) => process,
        Err(source) => {
            let _ = tell.send(Err(command.not_started(source)));
            return;
        }
    };
    let pid = Pid::from_raw(process.id().cast_signed());
    let process = Arc::new(Mutex::new(process));
    let (end, ended) = watch::channel(None);
    let child = Child {
        process: process.clone(),
        ended,
    };
    // Nobody waits any more: the drop of what could not be sent has killed it.
    let _ = tell.send(Ok(child));
    // Its entry stays until we hold the lock, so that a kill never hits a stranger with its number.
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        == Err(nix::errno::Errno::EINTR)
    {}
    let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
    let status = process.wait().unwrap_or_default();
    drop(process);
    let _ = end.send(Some(status));
}

impl Child {
    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Waits for its end. None when that can't be known any more.
    pub async fn wait(&self) -> Option<ExitStatus> {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status)
    }

    /// Kills it and waits for its end.
    pub async fn kill(&self) {
        self.signal_kill();
        self.wait().await;
    }

    fn signal_kill(&self) {
        if self.is_running() {
            let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have ended just now; then there is nothing to kill.
            let _ = process.kill();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal_kill();
    }
}
