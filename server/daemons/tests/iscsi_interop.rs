//! The target under other people's initiators, over real sockets on the loopback address.

#[path = "../examples/support/file_device.rs"]
mod file_device;

use daemons::iscsi::{IscsiServer, Limits, serve};
use engine::export::{Chap, DataDisk, Export, Exports, SilentObserver};
use file_device::FileDevice;
use std::{
    collections::BTreeSet,
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

    /// The disk of a target.
    fn device(&self, target: &str, read_only: bool) -> FileDevice {
        self.file(target, 128 << 20, read_only)
    }

    fn file(&self, name: &str, bytes: u64, read_only: bool) -> FileDevice {
        let path = self.disk.path().join(name.replace(':', "_"));
        let device = FileDevice::open(&path, bytes, read_only).unwrap();
        device.of_blocks(self.physical)
    }

    fn publish(&self, target: &str, chap: Option<Chap>, initiator: Option<&str>) {
        self.publish_with(target, &[], (chap, initiator));
    }

    /// Beside the system disk, data disks of so many bytes.
    fn publish_with(
        &self,
        target: &str,
        data: &[u64],
        (chap, initiator): (Option<Chap>, Option<&str>),
    ) {
        let disk = |(lun, bytes): (u16, &u64)| DataDisk {
            lun,
            serial: format!("NSBDATA{lun}"),
            naa: 0x3000_0000_0000_0001 + u64::from(lun),
            device: Arc::new(self.file(&format!("{target}.{lun}"), *bytes, false)),
        };
        self.exports.publish(Export {
            target: target.into(),
            lun: 0,
            serial: "NSB0001".into(),
            naa: 0x3000_0000_0000_0001,
            device: Arc::new(self.device(target, false)),
            data: (1..).zip(data).map(disk).collect(),
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

/// What libiscsi's own suite said of a target. A test is named `Suite.Test`.
struct Verdict {
    failed: BTreeSet<String>,
    /// Tests of which it left something out.
    skipped: BTreeSet<String>,
    /// As its summary counts.
    ran: usize,
}

/// `iscsi-test-cu`, destructive, by two paths, each test with what it says.
fn libiscsis_suite(target: &Target, which: &str) -> Verdict {
    let url = target.url(IQN);
    let arguments = ["-d", "-V", "-v", "-t", which, &url, &url];
    let output = text(&run("iscsi-test-cu", &arguments));
    let (mut failed, mut skipped) = (BTreeSet::new(), BTreeSet::new());
    let (mut suite, mut test) = ("", String::new());
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("Suite: ") {
            suite = name.trim();
        }
        if let Some(rest) = line.strip_prefix("  Test: ") {
            let name = rest.split_whitespace().next().unwrap_or_default();
            test = format!("{suite}.{name}");
        }
        if line == "FAILED" || line.ends_with("...FAILED") {
            failed.insert(test.clone());
        }
        if line.contains("[SKIPPED]") {
            skipped.insert(test.clone());
        }
    }
    let summary = output.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("tests")).then(|| words.flat_map(str::parse).collect::<Vec<usize>>())
    });
    let Some([_, ran, _, failures, ..]) = summary.as_deref() else {
        panic!("no summary; is iscsi-test-cu of libiscsi-bin installed?\n{output}");
    };
    assert_eq!(*failures, failed.len(), "{output}");
    let ran = *ran;
    println!(
        "iscsi-test-cu -t {which}: {ran} run, failed {failed:?}, something left out of {skipped:?}"
    );
    Verdict {
        failed,
        skipped,
        ran,
    }
}

/// Families of commands that a disk may do without.
const MAY: &[&str] = &[
    "ExtendedCopy",
    "NoMedia",
    "PreventAllow",
    "ReadDefectData10",
    "ReadDefectData12",
    "ReceiveCopyResults",
    "Sanitize",
    "WriteAtomic16",
];

/// What libiscsi 1.19 leaves out of the others, though nothing is missing.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "ReadOnly.ReadOnlySBC",
        "for a write-protected disk; it has a run of its own",
    ),
    (
        "ReportSupportedOpcodes.OneCommand",
        "takes INVALID FIELD IN CDB, which SPC-4 section 6.35 wants there, for a command that is not known",
    ),
    ("StartStopUnit.NoLoej", "for a disk that can be taken out"),
    ("StartStopUnit.PwrCnd", "for a disk that can be taken out"),
    (
        "StartStopUnit.Simple",
        "its part for a disk that can be taken out",
    ),
    (
        "WriteSame10.ZeroBlocks",
        "zero means up to the end, which WSNZ lets a disk refuse, as ours does",
    ),
    ("WriteSame16.ZeroBlocks", "the same"),
];

/// On disks of both kinds: with physical blocks of 4 KiB, as ours are, one test of libiscsi can't pass. It asks for
/// block i + 1 and demands a descriptor of block i + 8; SBC-3 section 5.6 wants the first to begin at the block asked
/// for. With blocks of 512 bytes it leaves out what is about unaligned ones.
#[test]
fn libiscsis_suite_passes() {
    let small = libiscsis_suite(&Target::of_blocks(512), "ALL");
    assert_eq!(small.failed, BTreeSet::new());
    let usual = libiscsis_suite(&Target::of_blocks(4096), "ALL");
    let its_mistake = BTreeSet::from(["GetLBAStatus.UnmapSingle".to_string()]);
    assert_eq!(usual.failed, its_mistake);
    assert!(
        small.ran >= 230 && usual.ran >= 230,
        "{}, {}",
        small.ran,
        usual.ran
    );
    let is_known = |name: &str| {
        let family = name.split('.').next().unwrap_or_default();
        MAY.contains(&family) || LEFT_OUT.iter().any(|(known, _)| *known == name)
    };
    let left_out = small.skipped.intersection(&usual.skipped);
    let unknown: Vec<_> = left_out.filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "left out: {unknown:?}");
}

#[test]
fn a_write_protected_disk_is_one_to_libiscsi() {
    let target = Target::start();
    let protected = Export {
        device: Arc::new(target.device(IQN, true)),
        ..target.exports.offered(IQN).unwrap()
    };
    target.exports.publish(protected);
    let verdict = libiscsis_suite(&target, "SCSI.ReadOnly");
    assert_eq!(
        (verdict.failed, verdict.skipped),
        (BTreeSet::new(), BTreeSet::new())
    );
    assert!(verdict.ran > 0, "nothing ran");
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
fn data_disks_are_further_units_of_the_same_target() {
    let target = Target::start();
    let name = "iqn.2026-11.test:d";
    target.publish_with(name, &[64 << 20, 32 << 20], (None, None));
    let portal = format!("iscsi://{}", target.address);
    let listed = text(&run("iscsi-ls", &["-s", &portal]));
    let of_it = listed
        .lines()
        .skip_while(|line| !line.contains(name))
        .skip(1);
    let units: Vec<_> = of_it
        .take_while(|line| line.starts_with("Lun:"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(units.len(), 3, "{listed}");
    for (lun, unit) in units.iter().enumerate() {
        assert!(unit.starts_with(&format!("Lun:{lun} ")), "{listed}");
        assert!(unit.contains("DIRECT_ACCESS"), "{listed}");
    }
    // Pages 80h and 83h; it takes them as decimal numbers.
    let ask = |lun: u16, page: &str| {
        let url = format!("{portal}/{name}/{lun}");
        text(&run("iscsi-inq", &["-e", "1", "-c", page, &url]))
    };
    let serials = [(0, "NSB0001"), (1, "NSBDATA1"), (2, "NSBDATA2")];
    for (lun, serial) in serials {
        let told = ask(lun, "128");
        assert!(told.contains(serial), "unit {lun}: {told}");
    }
    let [first, second] = [1, 2].map(|lun| ask(lun, "131"));
    assert!(
        first.contains("NSBDATA1") && second.contains("NSBDATA2"),
        "{first}\n{second}"
    );
    let readings = format!("{portal}/{name}/2");
    for suite in [
        "SCSI.Read10",
        "SCSI.Write10",
        "SCSI.ReadCapacity16",
        "SCSI.Inquiry",
    ] {
        let done = run("iscsi-test-cu", &["-d", "-t", suite, "-n", &readings]);
        assert!(done.status.success(), "{suite}: {}", text(&done));
    }
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
