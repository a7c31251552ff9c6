//! NBD of the whole server, in network namespaces of its own: a computer gets its address, its script and
//! then its disk, and nobody else does. A binary of its own: other tests look at which namespaces there are.
//! Needs root, `iproute2`, `busybox`, `curl` and `libnbd-bin`; says so and passes where they are missing,
//! unless `NSBOOT_LIVE=1` makes that a failure, as `make test` does.

#[allow(dead_code)] // shared with the tests of the API
#[path = "it/server.rs"]
mod server;

use serde_json::json;
use server::{Server, Session};
use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
const MAC: &str = "52:54:00:4e:42:44";
const SERVER: &str = "10.99.0.1";
const SCRIPT: &str = "http://10.99.0.1:8080/b/52-54-00-4e-42-44.ipxe";

fn run(program: &str, args: &[&str]) -> Output {
    let started = Command::new("timeout")
        .arg("60")
        .arg(program)
        .args(args)
        .output();
    started.unwrap_or_else(|e| panic!("{program} does not start: {e}"))
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn ip(args: &[&str]) {
    let output = run("ip", args);
    assert!(output.status.success(), "ip {args:?}: {}", said(&output));
}

/// The server's namespace with the interface `vs`, the computer's with the other end, `vc`. Gone when dropped.
struct Cable {
    server: String,
    computer: String,
}

impl Cable {
    fn new() -> Cable {
        let id = std::process::id();
        let cable = Cable {
            server: format!("nsb-ns{id}"),
            computer: format!("nsb-nc{id}"),
        };
        let (s, c) = (cable.server.as_str(), cable.computer.as_str());
        ip(&["netns", "add", s]);
        ip(&["netns", "add", c]);
        let veth = ["type", "veth", "peer", "name", "vc", "netns", c];
        ip(&[&["-n", s, "link", "add", "vs"], &veth[..]].concat());
        ip(&["-n", c, "link", "set", "vc", "address", MAC]);
        ip(&["-n", s, "addr", "add", "10.99.0.1/24", "dev", "vs"]);
        for (namespace, device) in [(s, "vs"), (c, "vc"), (c, "lo")] {
            ip(&["-n", namespace, "link", "set", device, "up"]);
        }
        cable
    }

    /// Runs a program on the computer.
    fn on(&self, program: &str, args: &[&str]) -> Output {
        let enter = ["netns", "exec", &self.computer, program];
        run("ip", &[&enter[..], args].concat())
    }

    /// The computer has this address, and no other.
    fn move_to(&self, address: &str) {
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
    fn size(&self, name: &str) -> Result<String, String> {
        let url = format!("nbd://{SERVER}/{name}");
        // What the server says of a refusal is shown to those who debug.
        let output = self.on("env", &["LIBNBD_DEBUG=1", "nbdinfo", "--size", &url]);
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(said(&output)),
        }
    }

    fn copy(&self, from: &str, to: &str) {
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

fn can_run() -> bool {
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
fn soon<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{what}: {why}"),
        }
    }
}

fn set_nbd(session: &Session<'_>, on: bool) {
    let params = json!({"values": {"nbd.enabled": on.to_string()}});
    let answer = session.json("PATCH", "/api/v1/settings", params);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A disk that is not all the same.
fn disk() -> Vec<u8> {
    (0..4u32 << 20)
        .map(|i| (i / 4096 * 7 + i % 251) as u8)
        .collect()
}

/// The image, and the computer that starts from it.
fn fill(session: &Session<'_>) {
    let kind = [("content-type", "application/octet-stream")];
    let made = session.send("POST", "/api/v1/images?name=disk", &kind, &disk());
    assert_eq!(made.status, 201, "{made:?}");
    for (name, mac) in [("pc-1", MAC), ("pc-2", "52:54:00:00:00:02")] {
        let client = json!({"name": name, "mac": mac, "image": "disk"});
        let made = session.json("POST", "/api/v1/clients", client);
        assert_eq!(made.status, 201, "{made:?}");
    }
}

#[test]
fn a_computer_opens_its_own_disk_by_nbd_from_its_own_address() {
    if !can_run() {
        return;
    }
    let cable = Cable::new();
    let server = Server::with_file(&format!(
        "[[boot]]\nnamespace = \"{}\"\ninterface = \"vs\"\nrange = \"10.99.0.100-10.99.0.199\"\n",
        cable.server
    ));
    let session = server.login();
    fill(&session);
    let dhcp = ["udhcpc", "-i", "vc", "-n", "-q", "-f", "-s", "/bin/true"];
    let lease = soon("a lease", || {
        let text = said(&cable.on("busybox", &dhcp));
        let after = text.split("lease of ").nth(1).ok_or(text.clone())?;
        let address = after.split_whitespace().next().ok_or(text.clone())?;
        Ok(address.trim_end_matches(',').to_owned())
    });
    cable.move_to(&lease);
    let off = cable.size("pc-1").unwrap_err();
    assert!(
        off.contains("Connection refused"),
        "it is off at first: {off}"
    );

    set_nbd(&session, true);
    let none = soon("NBD listens", || match cable.size("pc-1") {
        Err(why) if !why.contains("Connection refused") => Ok(why),
        other => Err(format!("{other:?}")),
    });
    assert!(
        none.contains("no disk is offered"),
        "no script was served yet: {none}"
    );
    let script = said(&cable.on("curl", &["-s", SCRIPT]));
    assert!(script.contains("sanboot"), "{script}");
    for name in ["pc-1", ""] {
        assert_eq!(cable.size(name).as_deref(), Ok("4194304"));
    }
    let other = cable.size("pc-2").unwrap_err();
    assert!(other.contains("another computer's"), "{other}");

    // What is written is there, until the next boot in mode reset.
    let here = |name: &str| server.data().join(name).display().to_string();
    let (new, back, url) = (here("new"), here("back"), format!("nbd://{SERVER}/pc-1"));
    std::fs::write(&new, vec![9; 4 << 20]).unwrap();
    cable.copy(&new, &url);
    cable.copy(&url, &back);
    assert!(std::fs::read(&back).unwrap() == vec![9; 4 << 20]);
    cable.on("curl", &["-s", SCRIPT]);
    cable.copy(&url, &back);
    assert!(std::fs::read(&back).unwrap() == disk(), "fresh again");
    let boots = soon("the timeline", || {
        let text = String::from_utf8(session.get("/api/v1/clients/pc-1/boots").body).unwrap();
        match text.contains("read its disk") {
            true => Ok(text),
            false => Err(text),
        }
    });
    assert!(
        boots.contains("The operating system opened its disk by NBD"),
        "{boots}"
    );
    assert!(boots.contains("the disk is another computer's"), "{boots}");

    cable.move_to("10.99.0.50");
    let stranger = cable.size("pc-1").unwrap_err();
    assert!(stranger.contains("this address is not known"), "{stranger}");
    cable.move_to(&lease);
    assert!(cable.size("pc-1").is_ok());
    set_nbd(&session, false);
    soon("NBD is off", || match cable.size("pc-1") {
        Err(why) if why.contains("Connection refused") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
