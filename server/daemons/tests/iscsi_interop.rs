//! The target under other people's initiators, over real sockets on the loopback address.

#[path = "../examples/support/file_device.rs"]
mod file_device;

use daemons::iscsi::{IscsiServer, Limits, serve};
use engine::export::{Chap, Export, Exports, SilentObserver};
use file_device::FileDevice;
use std::{
    net::{SocketAddr, TcpListener},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const IQN: &str = "iqn.2026-11.test:a";

/// A target on a port of its own; stops with the test.
struct Target {
    address: SocketAddr,
    exports: Exports,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    disk: tempfile::TempDir,
    /// Bytes of a physical block of its disks.
    physical: u32,
}

impl Target {
    fn start() -> Target {
        Target::of_blocks(4096)
    }

    fn of_blocks(physical: u32) -> Target {
        // In memory where there is such a place: the suite flushes thousands of times.
        let disk = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let disk = disk.unwrap();
        let exports = Exports::new();
        let mut target = Target::listen("127.0.0.1:0", exports, disk);
        target.physical = physical;
        target.publish(IQN, None, None);
        target
    }

    fn listen(address: &str, exports: Exports, disk: tempfile::TempDir) -> Target {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (theirs, stopped) = (exports.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let server = IscsiServer::new(theirs, Arc::new(SilentObserver), Limits::default());
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, Arc::new(server), stopped))
                .unwrap();
        });
        Target {
            address,
            exports,
            stop,
            thread: Some(thread),
            disk,
            physical: 4096,
        }
    }

    fn publish(&self, target: &str, chap: Option<Chap>, initiator: Option<&str>) {
        let path = self.disk.path().join(target.replace(':', "_"));
        let device = FileDevice::open(&path, 128 << 20, false).unwrap();
        let device = device.of_blocks(self.physical);
        self.exports.publish(Export {
            target: target.into(),
            lun: 0,
            serial: "NSB0001".into(),
            naa: 0x3000_0000_0000_0001,
            device: Arc::new(device),
            chap,
            initiator: initiator.map(str::to_string),
        });
    }

    fn url(&self, target: &str) -> String {
        format!("iscsi://{}/{target}/0", self.address)
    }

    fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new("timeout")
        .arg("300")
        .arg(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; install the package libiscsi-bin"))
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// What libiscsi's own suite said of a target.
struct Verdict {
    ran: u32,
    failed: Vec<String>,
    /// Tests of which it left something out.
    skipped: BTreeSet<String>,
    output: String,
}

/// `iscsi-test-cu -d -V -t ALL -n`: all of libiscsi's own suite, on a disk that may be overwritten.
fn libiscsis_suite(physical: u32) -> Verdict {
    let target = Target::of_blocks(physical);
    let url = target.url(IQN);
    let output = text(&run("iscsi-test-cu", &["-d", "-V", "-t", "ALL", "-n", &url]));
    let summary = output.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("tests")).then(|| words.flat_map(str::parse).collect::<Vec<u32>>())
    });
    let Some([total, ran, passed, failures, ..]) = summary.as_deref() else {
        panic!("no summary; is iscsi-test-cu of libiscsi-bin installed?\n{output}");
    };
    println!("iscsi-test-cu: {total} tests, {ran} run, {passed} passed, {failures} failed");
    let failed = |line: &str| Some(line.trim().strip_suffix(" had failures:")?.to_owned());
    let failed: Vec<String> = output.lines().filter_map(failed).collect();
    assert_eq!(*failures as usize, failed.len(), "{output}");
    let (ran, skipped) = (*ran, skipped(&output));
    Verdict {
        ran,
        failed,
        skipped,
        output,
    }
}
#[test]
fn discovery_shows_an_initiator_only_its_own_target() {
    let target = Target::start();
    target.publish(
        "iqn.2026-11.test:b",
        None,
        Some("iqn.2026-11.test:client-b"),
    );
    let url = format!("iscsi://{}", target.address);
    let stranger = text(&run("iscsi-ls", &["-i", "iqn.2026-11.test:stranger", &url]));
    assert!(
        stranger.contains(IQN) && !stranger.contains("test:b"),
        "{stranger}"
    );
    let owner = text(&run("iscsi-ls", &["-i", "iqn.2026-11.test:client-b", &url]));
    assert!(owner.contains("test:b"), "{owner}");
    let intruder = run(
        "iscsi-inq",
        &[
            "-i",
            "iqn.2026-11.test:stranger",
            &target.url("iqn.2026-11.test:b"),
        ],
    );
    assert!(!intruder.status.success(), "{}", text(&intruder));
}

#[test]
fn chap_is_demanded_and_checked() {
    let target = Target::start();
    let chap = Chap {
        username: "user123".into(),
        secret: "secretsecret12".into(),
    };
    target.publish("iqn.2026-11.test:c", Some(chap), None);
    let inquire = |login: &str| {
        let url = format!("iscsi://{login}{}/iqn.2026-11.test:c/0", target.address);
        run("iscsi-inq", &[&url]).status.success()
    };
    assert!(inquire("user123%secretsecret12@"));
    assert!(!inquire("user123%wrongwrongwrong@"));
    assert!(!inquire("someone%secretsecret12@"));
    assert!(!inquire(""));
}

#[test]
fn a_stopped_server_lets_go_and_a_new_one_serves_on_the_same_port() {
    let mut target = Target::start();
    let address = target.address.to_string();
    let url = target.url(IQN);
    assert!(run("iscsi-inq", &[&url]).status.success());
    target.stop();
    assert!(target.exports.sessions().is_empty());
    assert!(!run("iscsi-inq", &[&url]).status.success());
    let disk = tempfile::tempdir().unwrap();
    let again = Target::listen(&address, target.exports.clone(), disk);
    assert!(run("iscsi-inq", &[&url]).status.success());
    assert!(again.exports.drained(IQN, Duration::from_secs(5)));
}
