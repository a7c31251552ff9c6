//! Offers one file as an NBD disk on a loopback address, to whoever asks: for `fio`, `nbdcopy` and QEMU
//! without the rest of NSBoot. Put the file on a tmpfs to measure the server and nothing else.
//!
//! `nbd_ram ADDRESS:PORT FILE MEBIBYTES [NAME]`

#[path = "support/everybody.rs"]
mod everybody;
#[path = "support/file_device.rs"]
mod file_device;

use daemons::nbd::{Limits, NbdServer, serve};
use engine::export::{Export, Exports, SilentObserver};
use everybody::Everybody;
use file_device::FileDevice;
use std::{io, net::TcpListener, path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

const TARGET: &str = "iqn.2026-11.test:a";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || io::Error::other("usage: nbd_ram ADDRESS:PORT FILE MEBIBYTES [NAME]");
    let [address, file, size, rest @ ..] = arguments.as_slice() else {
        return Err(usage());
    };
    let mebibytes: u64 = size.parse().map_err(|_| usage())?;
    let device = FileDevice::open(Path::new(file), mebibytes << 20, false)?;
    let exports = Exports::new();
    exports.publish(Export {
        target: TARGET.into(),
        lun: 0,
        serial: "NSB0001".into(),
        naa: 0x3000_0000_0000_0001,
        device: Arc::new(device),
        data: Vec::new(),
        chap: None,
        initiator: None,
    });
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let name = rest.first().map_or("a", String::as_str);
    let door = Everybody::new(name, TARGET);
    let limits = Limits::default();
    let server = NbdServer::new(exports, Arc::new(SilentObserver), Arc::new(door), limits);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listener, Arc::new(server), CancellationToken::new()))
}
