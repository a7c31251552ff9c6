//! A server of its own on the loopback, started from the binary that is measured.

use super::rest::{Caller, Fault};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How often a starting server is asked whether it is ready.
const POLL: Duration = Duration::from_millis(2);
/// It has to be ready within.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Ends with its owner.
pub struct Server {
    child: Child,
    pub pid: Pid,
    /// Where it listens.
    pub at: SocketAddr,
    /// From before it was executed until `/readyz` said yes.
    pub ready_after: Duration,
}

impl Server {
    /// Starts it on a data directory; a new one gets an account `admin` when a password is given.
    pub fn start(binary: &str, data: &Path, password: Option<&str>) -> Result<Server, Fault> {
        // Free a moment ago; who takes it meanwhile makes the start fail, not a figure wrong.
        let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data").arg(data);
        command.args(["--listen", &at.to_string()]);
        command.env("NSBOOT_LOG", "error").stdout(Stdio::null());
        match password {
            Some(password) => command.env("NSBOOT_ADMIN_PASSWORD", password),
            None => command.env_remove("NSBOOT_ADMIN_PASSWORD"),
        };
        let begin = Instant::now();
        let child = command.spawn().map_err(|e| format!("{binary}: {e}"))?;
        let pid = Pid::from_raw(i32::try_from(child.id())?);
        let mut server = Server {
            child,
            pid,
            at,
            ready_after: Duration::ZERO,
        };
        while !server.is_ready() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended at its start: {status}").into());
            }
            if begin.elapsed() > START_LIMIT {
                return Err("the server was not ready in time".into());
            }
            std::thread::sleep(POLL);
        }
        server.ready_after = begin.elapsed();
        Ok(server)
    }

    fn is_ready(&self) -> bool {
        let ask = || Caller::connect(self.at, "")?.ask("GET", "/readyz", None);
        ask().is_ok_and(|(status, _)| status == 200)
    }

    /// Memory that it holds now, bytes.
    pub fn rss(&self) -> Result<u64, Fault> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kib = line.and_then(|l| l.split_whitespace().next());
        Ok(kib.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
    }

    /// Lets it end by itself.
    pub fn stop(mut self) -> Result<(), Fault> {
        kill(self.pid, Signal::SIGTERM)?;
        let status = self.child.wait()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the server ended badly: {status}").into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or whoever owned it failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
