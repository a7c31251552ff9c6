//! Offers one file as an iSCSI disk on a loopback address: for `iscsi-test-cu`, `iscsi-perf` and QEMU
//! without the rest of NSBoot. Put the file on a tmpfs to measure the target and nothing else.
//!
//! `iscsi_ram ADDRESS:PORT FILE MEBIBYTES [IQN [CHAP_USER CHAP_SECRET]]`

#[path = "support/file_device.rs"]
mod file_device;

use daemons::iscsi::{IscsiServer, Limits, serve};
use engine::export::{Chap, Export, Exports, SilentObserver};
use file_device::FileDevice;
use std::{io, net::TcpListener, path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage =
        || io::Error::other("usage: iscsi_ram ADDRESS:PORT FILE MEBIBYTES [IQN [USER SECRET]]");
    let [address, file, size, rest @ ..] = arguments.as_slice() else {
        return Err(usage());
    };
    let mebibytes: u64 = size.parse().map_err(|_| usage())?;
    let device = FileDevice::open(Path::new(file), mebibytes << 20, false)?;
    let exports = Exports::new();
    exports.publish(Export {
        target: rest
            .first()
            .map_or("iqn.2026-11.test:a", String::as_str)
            .to_string(),
        lun: 0,
        serial: "NSB0001".into(),
        naa: 0x3000_0000_0000_0001,
        device: Arc::new(device),
        data: Vec::new(),
        chap: match rest.get(1..) {
            Some([username, secret]) => Some(Chap {
                username: username.clone(),
                secret: secret.clone().into(),
            }),
            _ => None,
        },
        initiator: None,
    });
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    let server = IscsiServer::new(exports, Arc::new(SilentObserver), Limits::default());
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listener, Arc::new(server), CancellationToken::new()))
}
