//! A server and a computer with a cable between them, in network namespaces of their own.

use std::{
    path::Path,
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
/// The server's address on the cable.
pub const SERVER: &str = "10.99.0.1";

pub fn run(program: &str, args: &[&str]) -> Output {
    let started = Command::new("timeout")
        .arg("60")
        .arg(program)
        .args(args)
        .output();
    started.unwrap_or_else(|e| panic!("{program} does not start: {e}"))
}

pub fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn ip(args: &[&str]) {
    let output = run("ip", args);
    assert!(output.status.success(), "ip {args:?}: {}", said(&output));
}

/// The server's namespace with the interface `vs`, the computer's with the other end, `vc`. Gone when dropped.
pub struct Cable {
    pub server: String,
    pub computer: String,
}

impl Cable {
    /// The server is a process here, and the computer has this MAC.
    pub fn new(mac: &str) -> Cable {
        let cable = Cable::bare(mac);
        let address = format!("{SERVER}/24");
        ip(&["-n", &cable.server, "addr", "add", &address, "dev", "vs"]);
        cable
    }

    /// The server is a virtual machine whose network card is the tap `vm` in the server's namespace.
    pub fn with_machine(mac: &str) -> Cable {
        let cable = Cable::bare(mac);
        let at_server = |args: &[&str]| ip(&[&["-n", &cable.server], args].concat());
        at_server(&["link", "add", "br0", "type", "bridge"]);
        at_server(&["tuntap", "add", "dev", "vm", "mode", "tap"]);
        for port in ["vs", "vm"] {
            at_server(&["link", "set", port, "master", "br0", "up"]);
        }
        at_server(&["link", "set", "br0", "up"]);
        cable
    }

    fn bare(mac: &str) -> Cable {
        static CABLES: AtomicU32 = AtomicU32::new(0);
        let number = CABLES.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", std::process::id());
        let cable = Cable {
            server: format!("nsb-ns{id}"),
            computer: format!("nsb-nc{id}"),
        };
        let (s, c) = (cable.server.as_str(), cable.computer.as_str());
        ip(&["netns", "add", s]);
        ip(&["netns", "add", c]);
        let veth = ["type", "veth", "peer", "name", "vc", "netns", c];
        ip(&[&["-n", s, "link", "add", "vs"], &veth[..]].concat());
        ip(&["-n", c, "link", "set", "vc", "address", mac]);
        for (namespace, device) in [(s, "vs"), (c, "vc"), (c, "lo")] {
            ip(&["-n", namespace, "link", "set", device, "up"]);
        }
        cable
    }

    /// Runs a program on the computer.
    pub fn on(&self, program: &str, args: &[&str]) -> Output {
        let enter = ["netns", "exec", &self.computer, program];
        run("ip", &[&enter[..], args].concat())
    }

    /// The whole of `[[boot]]` for the server.
    pub fn config(&self) -> String {
        format!(
            "[[boot]]\nnamespace = \"{}\"\ninterface = \"vs\"\nrange = \"10.99.0.20-10.99.0.250\"\n",
            self.server
        )
    }

    /// What the server leases to the computer.
    pub fn lease(&self) -> String {
        let dhcp = ["udhcpc", "-i", "vc", "-n", "-q", "-f", "-s", "/bin/true"];
        soon("a lease", || {
            let text = said(&self.on("busybox", &dhcp));
            let after = text.split("lease of ").nth(1).ok_or(text.clone())?;
            let address = after.split_whitespace().next().ok_or(text.clone())?;
            Ok(address.trim_end_matches(',').to_owned())
        })
    }

    /// The computer is another one from now on; it keeps its addresses.
    pub fn change_mac(&self, mac: &str) {
        ip(&["-n", &self.computer, "link", "set", "vc", "address", mac]);
        // Whoever knew it by the other one asks again.
        ip(&["-n", &self.server, "neigh", "flush", "dev", "vs"]);
    }

    /// The computer has this address, too.
    pub fn add_address(&self, address: &str) {
        let prefix = format!("{address}/24");
        ip(&["-n", &self.computer, "addr", "add", &prefix, "dev", "vc"]);
    }

    /// Tells all at the other end that the computer has this address, also after it had another MAC.
    pub fn announce(&self, address: &str) {
        self.on("busybox", &["arping", "-A", "-c", "1", "-I", "vc", address]);
    }

    /// Pulls the cable at the server, or plugs it in again.
    pub fn plug(&self, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        ip(&["-n", &self.server, "link", "set", "vs", state]);
    }

    /// This thread is on the computer from now on.
    pub fn enter(&self) {
        let namespace = std::fs::File::open(format!("/run/netns/{}", self.computer)).unwrap();
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// The computer has this address, and no other.
    pub fn move_to(&self, address: &str) {
        ip(&[
            "-n",
            &self.computer,
            "addr",
            "flush",
            "dev",
            "vc",
            "scope",
            "global",
        ]);
        let prefix = format!("{address}/24");
        ip(&["-n", &self.computer, "addr", "add", &prefix, "dev", "vc"]);
    }

    /// The size that the computer is told of an export, or why not.
    pub fn size(&self, name: &str) -> Result<String, String> {
        let url = format!("nbd://{SERVER}/{name}");
        // What the server says of a refusal is shown to those who debug.
        let output = self.on("env", &["LIBNBD_DEBUG=1", "nbdinfo", "--size", &url]);
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(said(&output)),
        }
    }

    pub fn copy(&self, from: &str, to: &str) {
        let output = self.on("nbdcopy", &["--flush", from, to]);
        assert!(output.status.success(), "{from} to {to}: {}", said(&output));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.computer] {
            run("ip", &["netns", "del", namespace]);
        }
    }
}

pub fn can_run() -> bool {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
    let here = |program: &str| folders.iter().any(|f| Path::new(f).join(program).exists());
    let needed = ["ip", "busybox", "curl", "nbdinfo", "nbdcopy"];
    let missing: Vec<&str> = needed.into_iter().filter(|p| !here(p)).collect();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root && missing.is_empty() {
        return true;
    }
    let why = format!("root: {is_root}, missing programs: {missing:?}");
    let must = std::env::var_os("NSBOOT_LIVE").is_some();
    assert!(!must, "can't run: {why}");
    eprintln!("not run: {why}");
    false
}

/// What comes of something once it is as it should be, soon.
pub fn soon<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{what}: {why}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
