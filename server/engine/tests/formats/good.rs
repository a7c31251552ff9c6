//! What `qemu-img` makes comes in as the disk that it was made of. Says that it was skipped where that
//! program is missing, unless `NSBOOT_LIVE=1` makes that a failure, as `make test` does.

use crate::{Stage, craft};
use engine::images::NewImport;
use sha2::{Digest, Sha256};
use std::{fs, path::Path, process::Command};

/// Bytes of the disk.
const DISK: usize = 24 << 20;

/// Some data that pack well, some that do not, and much of nothing.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; DISK];
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for (i, byte) in disk[1 << 20..4 << 20].iter_mut().enumerate() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = if i % 8192 < 4096 {
            state as u8
        } else {
            (i >> 12) as u8
        };
    }
    disk[DISK - 100_000..].fill(0xa5);
    disk
}

fn qemu_img(args: &[&str]) {
    let output = Command::new("qemu-img")
        .args(args)
        .output()
        .expect("qemu-img");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "qemu-img {args:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_qemu_img_makes_comes_in_as_it_was() {
    if Command::new("qemu-img").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("NSBOOT_LIVE").is_none(),
            "qemu-img is not installed"
        );
        return println!("skipped: qemu-img is not installed");
    }
    let stage = Stage::new();
    let dir = tempfile::tempdir().expect("a folder");
    let raw = dir.path().join("disk.raw");
    fs::write(&raw, disk()).expect("written");
    let forms: [(&str, &[&str]); 13] = [
        ("raw", &["-O", "raw"]),
        ("qcow2", &["-O", "qcow2"]),
        ("qcow2-v2", &["-O", "qcow2", "-o", "compat=0.10"]),
        ("qcow2-small", &["-O", "qcow2", "-o", "cluster_size=512"]),
        ("qcow2-large", &["-O", "qcow2", "-o", "cluster_size=2M"]),
        ("qcow2-zlib", &["-O", "qcow2", "-c"]),
        (
            "qcow2-zstd",
            &["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
        ),
        ("vmdk", &["-O", "vmdk"]),
        (
            "vmdk-stream",
            &["-O", "vmdk", "-o", "subformat=streamOptimized"],
        ),
        ("vhd", &["-O", "vpc"]),
        (
            "vhd-fixed",
            &["-O", "vpc", "-o", "subformat=fixed,force_size=on"],
        ),
        ("vhdx", &["-O", "vhdx"]),
        ("vhdx-fixed", &["-O", "vhdx", "-o", "subformat=fixed"]),
    ];
    for (name, how) in forms {
        let (file, back) = (dir.path().join(name), dir.path().join("back.raw"));
        qemu_img(&[&["convert", "-f", "raw", text(&raw), text(&file)], how].concat());
        // A VHD may be longer than what it was made of: its size is one of cylinders.
        qemu_img(&[
            "convert",
            "-f",
            how[1],
            "-O",
            "raw",
            text(&file),
            text(&back),
        ]);
        let expected = fs::read(&back).expect("read");
        let sum: String = Sha256::digest(&expected)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let plain = fs::read(&file).expect("read");
        let packed = [
            (name.to_string(), plain.clone()),
            (format!("{name}.gz"), craft::gz(&plain)),
            (format!("{name}.xz"), craft::xz(&plain)),
            (format!("{name}.zst"), craft::zst(&plain)),
        ];
        for (name, bytes) in packed {
            let image = stage
                .import(NewImport::new(&*name, None), &bytes)
                .await
                .expect(&name);
            assert_eq!(image.size_bytes, expected.len() as u64, "{name}");
            assert_eq!(image.sha256.as_deref(), Some(&*sum), "{name}");
            let most = (3 << 20) + (1 << 20);
            assert!(
                image.allocated_bytes < most,
                "{name}: {}",
                image.allocated_bytes
            );
        }
    }
}
