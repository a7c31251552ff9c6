//! Overlays on a raw image as the server keeps them, offered on a loopback address without the rest of NSBoot: for
//! `end2end/bench/disks.py`. Says on its output what making them took, in milliseconds each.
//!
//! `disks ADDRESS FOLDER BASE COMPUTERS VERSIONS`
//!
//! BASE is linked into FOLDER. By iSCSI on port 3261: `overlay-1` and so on, one for each computer, `raw`, the image
//! itself, `null`, which holds nothing, `first`, a computer on the image, and two on the last of so many versions above
//! it: `deep`, where each changed runs of 64 KiB, and `scattered`, where each changed single blocks. By NBD: `overlay-1` on 10811, `raw` on 10812.

#[path = "support/everybody.rs"]
mod everybody;
#[path = "support/file_device.rs"]
mod file_device;

use daemons::{iscsi, nbd};
use engine::{
    export::{BlockDevice, Export, Exports, SilentObserver},
    storage::{EmbeddedStorage, StorageBackend},
};
use everybody::Everybody;
use file_device::FileDevice;
use std::{error::Error, io, net::TcpListener, path::Path, sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;
use types::{ClientId, DiskId, VersionId};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error>>;

const BLOCK: u64 = 4096;

/// A disk that takes everything and holds nothing: what is left is the protocol.
struct Null(u64);

impl BlockDevice for Null {
    fn size_bytes(&self) -> u64 {
        self.0
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Ok(())
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn extents(&self, _: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        Ok(vec![(len, false)])
    }
}

fn client(n: u128) -> DiskId {
    ClientId(Uuid::from_u128(n)).into()
}

fn version(n: u128) -> VersionId {
    VersionId(Uuid::from_u128(1 << 64 | n))
}

fn target(name: &str) -> String {
    format!("iqn.2026-11.test:{name}")
}

fn offer(exports: &Exports, name: &str, device: Arc<dyn BlockDevice>) {
    exports.publish(Export {
        target: target(name),
        lun: 0,
        serial: "NSB0001".into(),
        naa: 0x3000_0000_0000_0001,
        device,
        data: Vec::new(),
        chap: None,
        initiator: None,
    });
}

/// A computer whose disk begins on that version.
fn overlay(storage: &EmbeddedStorage, n: u128, on: VersionId) -> Outcome<Arc<dyn BlockDevice>> {
    storage.reset_overlay(client(n), on)?;
    Ok(storage.open_overlay(client(n))?)
}

/// Makes versions above the image, each with every so many-th run of blocks of it, so that each layer is met. The last.
fn pile_up(storage: &EmbeddedStorage, versions: u128, run: u64) -> Outcome<VersionId> {
    let superclient = u128::MAX;
    let step = versions as usize + 1;
    let mut last = version(0);
    for n in 1..=versions {
        let device = overlay(storage, superclient, last)?;
        let runs = device.size_bytes() / BLOCK / run;
        for at in (n as u64..runs).step_by(step) {
            let number = [at.to_le_bytes(), (n as u64).to_le_bytes()].concat();
            let blocks = number.repeat((run * BLOCK) as usize / 16);
            device.write_at(at * run * BLOCK, &blocks)?;
        }
        device.flush()?;
        let next = version(u128::from(run) << 32 | n);
        let made = storage.promote(client(superclient), next, &mut |_, _| true)?;
        made.ok_or("a version was broken off")?;
        last = next;
    }
    storage.remove_overlay(client(superclient))?;
    Ok(last)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, folder, base, computers, versions] = arguments.as_slice() else {
        return Err("usage: disks ADDRESS FOLDER BASE COMPUTERS VERSIONS".into());
    };
    let (computers, versions): (u128, u128) = (computers.parse()?, versions.parse()?);
    let (folder, base) = (Path::new(folder), Path::new(base));
    let size = std::fs::metadata(base)?.len();
    let storage = EmbeddedStorage::open(folder)?;
    let image = format!("images/{}.raw", version(0));
    std::fs::hard_link(base, folder.join(image))?;

    let exports = Exports::new();
    let mut took = Vec::new();
    for n in 1..=computers {
        let begun = Instant::now();
        let device = overlay(&storage, n, version(0))?;
        took.push(format!("{:.2}", begun.elapsed().as_secs_f64() * 1e3));
        offer(&exports, &format!("overlay-{n}"), device);
    }
    println!("[{}]", took.join(", "));
    if versions > 0 {
        offer(&exports, "first", overlay(&storage, 1 << 32, version(0))?);
        for (name, run) in [("deep", 16), ("scattered", 1)] {
            let last = pile_up(&storage, versions, run)?;
            offer(
                &exports,
                name,
                overlay(&storage, 1 << 33 | u128::from(run), last)?,
            );
        }
    }
    offer(
        &exports,
        "raw",
        Arc::new(FileDevice::open(base, size, false)?),
    );
    offer(&exports, "null", Arc::new(Null(size)));
    serve(&exports, address)
}

fn serve(exports: &Exports, address: &str) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stop = CancellationToken::new();
    runtime.block_on(async {
        for (name, port) in [("overlay-1", 10811), ("raw", 10812)] {
            let door = Everybody::new(name, &target(name));
            let (observer, limits) = (Arc::new(SilentObserver), nbd::Limits::default());
            let server = nbd::NbdServer::new(exports.clone(), observer, Arc::new(door), limits);
            let listener = TcpListener::bind((address, port))?;
            tokio::spawn(nbd::serve(listener, Arc::new(server), stop.clone()));
        }
        let listener = TcpListener::bind((address, 3261))?;
        let (observer, limits) = (Arc::new(SilentObserver), iscsi::Limits::default());
        let server = iscsi::IscsiServer::new(exports.clone(), observer, limits);
        println!("listening");
        iscsi::serve(listener, Arc::new(server), stop.clone()).await
    })?;
    Ok(())
}
