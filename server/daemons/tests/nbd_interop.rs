//! The NBD server under other people's clients, over loopback: libnbd, QEMU and fio.

#[path = "../examples/support/file_device.rs"]
mod file_device;
#[path = "support/nbd.rs"]
mod support;

use file_device::FileDevice;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};
use support::{PATIENCE, Server, TARGET};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 64 * MIB;

/// A folder in memory where there is such a place.
fn folder() -> TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    dir.unwrap()
}

/// pc-1's disk is a sparse file in the folder.
fn server(dir: &TempDir, read_only: bool) -> Server {
    let file = dir.path().join("disk");
    Server::start(Arc::new(FileDevice::open(&file, SIZE, read_only).unwrap()))
}

/// As tools name an export.
fn url(server: &Server, name: &str) -> String {
    format!("nbd://{}/{name}", server.address)
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new("timeout")
        .arg("120")
        .arg(program)
        .args(arguments)
        // fio leaves a file of what it verified where it runs.
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

/// Runs a program that has to succeed; what it printed.
fn good(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {} (is it installed? libnbd-bin, qemu-utils, fio)\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// A file of that size with data here and there, also at unround places and at its end.
fn patchy(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    for (i, at) in [0, 512, MIB - 512, 5 * MIB + 4096, 33 * MIB, SIZE - 1536]
        .into_iter()
        .enumerate()
    {
        let len = [512, 4096, 1024, 3 * MIB as usize, 700 * 1024, 1536][i];
        let data: Vec<u8> = (0..len).map(|b| (b * 7 + i + 1) as u8 | 1).collect();
        file.write_all_at(&data, at).unwrap();
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).unwrap() == std::fs::read(other).unwrap()
}

/// The paths of pc-1's disk, a patchy file and one to be written.
fn files(dir: &TempDir) -> [PathBuf; 3] {
    let all = ["disk", "patchy", "copy"].map(|name| dir.path().join(name));
    patchy(&all[1]);
    all
}

#[test]
fn nbdinfo_shows_what_the_disk_is_and_can() {
    let dir = folder();
    let server = server(&dir, false);
    let shown = good("nbdinfo", &["--json", &url(&server, "pc-1")]);
    for line in [
        "\"protocol\": \"newstyle-fixed\"",
        "\"structured\": true",
        "\"export-name\": \"pc-1\"",
        "\"description\": \"the NSBoot disk of pc-1\"",
        "\"base:allocation\"",
        "\"is_read_only\": false",
        "\"can_df\": true",
        "\"can_fast_zero\": true",
        "\"can_flush\": true",
        "\"can_fua\": true",
        "\"can_multi_conn\": true",
        "\"can_trim\": true",
        "\"can_zero\": true",
        "\"can_cache\": false",
        "\"block_size_minimum\": 512",
        "\"block_size_preferred\": 4096",
        "\"block_size_maximum\": 33554432",
        "\"export-size\": 67108864",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    let list = good("nbdinfo", &["--list", &url(&server, "")]);
    assert!(
        list.contains("export=\"pc-1\"") && list.matches("export=").count() == 1,
        "{list}"
    );
    let own = good("nbdinfo", &["--size", &url(&server, "")]);
    assert_eq!(
        own.trim(),
        SIZE.to_string(),
        "the empty name is one's own disk"
    );
    for name in ["pc-2", "pc-1x"] {
        assert!(!run("nbdinfo", &[&url(&server, name)]).status.success());
    }
}

#[test]
fn a_read_only_disk_says_so_and_is_not_written() {
    let dir = folder();
    let [_, patchy, _] = files(&dir);
    let server = server(&dir, true);
    good("nbdinfo", &["--is", "read-only", &url(&server, "pc-1")]);
    assert!(
        !run("nbdcopy", &[&text(&patchy), &url(&server, "pc-1")])
            .status
            .success()
    );
    assert!(
        std::fs::read(dir.path().join("disk"))
            .unwrap()
            .iter()
            .all(|b| *b == 0)
    );
}

#[test]
fn nbdcopy_brings_every_byte_there_and_back() {
    let dir = folder();
    let [disk, patchy, copy] = files(&dir);
    let server = server(&dir, false);
    let url = url(&server, "pc-1");
    for ways in [
        &["--connections=1"][..],
        &["--connections=4"],
        &["--synchronous"],
    ] {
        // What was there before must go, also where the source has holes.
        File::options()
            .write(true)
            .open(&disk)
            .unwrap()
            .write_all_at(&vec![0xee; 12 << 20], 0)
            .unwrap();
        let _ = std::fs::remove_file(&copy);
        good(
            "nbdcopy",
            &[ways, &["--flush", &text(&patchy), &url]].concat(),
        );
        assert!(same(&disk, &patchy), "{ways:?}: to the server");
        good("nbdcopy", &[ways, &[&url, &text(&copy)]].concat());
        assert!(same(&copy, &patchy), "{ways:?}: from the server");
    }
    // The map is that of the file: the data where it is, and nothing else.
    let map = good("nbdinfo", &["--map", "--json", &url]);
    let total = good("nbdinfo", &["--map", "--totals", &url]);
    assert!(map.contains("\"description\": \"hole,zero\""), "{map}");
    assert!(map.contains("\"description\": \"data\""), "{map}");
    let data: f64 = total
        .lines()
        .find(|line| line.ends_with("data"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no data in {total}"));
    assert!(
        data >= 3.0 * MIB as f64 && data < 6.0 * MIB as f64,
        "{total}"
    );
}

#[test]
fn qemu_converts_and_compares_what_it_wrote() {
    let dir = folder();
    let [disk, patchy, copy] = files(&dir);
    let server = server(&dir, false);
    let (url, raw) = (url(&server, "pc-1"), ["-f", "raw"]);
    let to = [
        "convert",
        "-n",
        "-f",
        "raw",
        "-O",
        "raw",
        &text(&patchy),
        &url,
    ];
    good("qemu-img", &to);
    let compared = ["compare", "-f", "raw", "-F", "raw", &text(&patchy), &url];
    good("qemu-img", &compared);
    let back = ["convert", "-f", "raw", "-O", "qcow2", &url, &text(&copy)];
    good("qemu-img", &back);
    let compared = ["compare", "-f", "raw", "-F", "qcow2", &url, &text(&copy)];
    good("qemu-img", &compared);
    assert!(same(&disk, &patchy));
    let map = good("qemu-img", &["map", raw[0], raw[1], "--output=json", &url]);
    assert!(
        map.contains("\"data\": false") && map.contains("\"data\": true"),
        "{map}"
    );
    // Each command of QEMU's own disk: zeros with and without holes, discards, writes with FUA.
    let io = [
        "-f",
        "raw",
        "-c",
        "write -P 7 1M 1M",
        "-c",
        "write -z -u 1M 64k",
        "-c",
        "write -z 1152k 64k",
        "-c",
        "discard 1280k 64k",
        "-c",
        "write -f -P 9 1408k 512",
        "-c",
        "flush",
        "-c",
        "read -P 0 1M 64k",
        "-c",
        "read -P 7 1088k 64k",
        "-c",
        "read -P 0 1152k 64k",
        "-c",
        "read -P 0 1280k 64k",
        "-c",
        "read -P 9 1408k 512",
        "-c",
        "read -P 7 1536k 512k",
        &url,
    ];
    let said = good("qemu-io", &io);
    assert!(!said.contains("failed"), "{said}");
}

#[test]
fn fio_finds_what_it_wrote_over_several_connections() {
    let dir = folder();
    let server = server(&dir, false);
    let uri = format!("--uri={}", url(&server, "pc-1"));
    let said = good(
        "fio",
        &[
            "--name=verify",
            "--ioengine=nbd",
            &uri,
            "--rw=randwrite",
            "--bsrange=512-64k",
            "--size=12m",
            "--offset_increment=16m",
            "--numjobs=4",
            "--iodepth=16",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--do_verify=1",
            "--randrepeat=1",
            "--thread=0",
            "--group_reporting",
            "--fsync=64",
        ],
    );
    assert!(said.contains("err= 0"), "{said}");
    let opened = server.seen.all().iter().filter(|t| *t == "in pc-1").count();
    assert!(opened >= 4, "{opened} connections");
    assert!(server.exports.drained(TARGET, PATIENCE));
}

#[test]
fn a_killed_client_frees_its_place() {
    let dir = folder();
    let server = server(&dir, false);
    let uri = format!("--uri={}", url(&server, "pc-1"));
    let mut fio = Command::new("fio")
        .current_dir(std::env::temp_dir())
        .args([
            "--name=x",
            "--ioengine=nbd",
            &uri,
            "--rw=randrw",
            "--bs=4k",
            "--size=32m",
            "--iodepth=32",
            "--time_based",
            "--runtime=600",
            "--thread=1",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(server.seen.is_told("read pc-1"), "fio reads nothing");
    fio.kill().unwrap();
    fio.wait().unwrap();
    assert!(server.exports.drained(TARGET, PATIENCE));
    assert!(server.exports.withdraw_idle(TARGET));
}
