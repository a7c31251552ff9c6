//! No ACK before its lease is on disk: a recorder below the store sees writes, syncs and the
//! packets that leave, in one order.

use super::super::{
    port::Boots,
    reply::{Destination, Settings},
    session::BootAdvisor,
    wire::{MessageType, Packet, code, tests::sample},
};
use super::*;
use engine::{
    Engine, EngineConfig,
    boot::{Advice, BootFile, Form, Machine, Signal, Who},
};
use std::{io, net::Ipv4Addr, path::Path};
use store::recorder::{Op, Recorder};
use types::AddressRange;

const US: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

struct NoBoots;
impl BootAdvisor for NoBoots {
    fn advise(&self, _: &Machine) -> Advice {
        Advice {
            file: BootFile::None,
            form: Form::None,
        }
    }
    fn host_name(&self, _: MacAddr) -> Option<String> {
        None
    }
}
impl Boots for NoBoots {
    fn signal(&self, _: Who, _: Timestamp, _: Signal) {}
    fn overheard(&self, _: MacAddr, _: Ipv4Addr) {}
}

/// Notes each packet that leaves among the writes of the store.
struct Noting(Recorder);
impl Outlet for Noting {
    fn transmit(&self, bytes: &[u8], _: Destination) -> io::Result<()> {
        let packet = Packet::decode(bytes).map_err(io::Error::other)?;
        let kind = packet.message_type();
        self.0.note(format!("{kind:?} {}", packet.yiaddr));
        Ok(())
    }
}

fn engine(disk: &Recorder, folder: &Path) -> Engine {
    let config = EngineConfig {
        data_dir: folder.to_owned(),
        ..EngineConfig::default()
    };
    Engine::open_on(config, disk.open().expect("opens")).expect("opens")
}

fn scope(engine: &Engine) -> Arc<Scope> {
    let range = AddressRange {
        first: Ipv4Addr::new(10, 77, 0, 100),
        last: Ipv4Addr::new(10, 77, 0, 199),
    };
    engine
        .leases()
        .open_scope("br0", "br0", range, &[US])
        .expect("valid")
}

fn dispatch(engine: &Engine, disk: &Recorder) -> Arc<Dispatch<Noting>> {
    Arc::new(Dispatch {
        port: Port {
            name: "br0".into(),
            settings: Settings {
                server: US,
                prefix_len: 24,
                router: None,
                dns: vec![],
                lease_seconds: 3600,
                echo_client_id: true,
            },
            boots: Arc::new(NoBoots),
            outlet: Noting(disk.clone()),
            counters: engine.counters().clone(),
        },
        scope: scope(engine),
    })
}

/// DISCOVER, or REQUEST of an address that was offered, by computer `n`.
fn packet(n: u8, request: Option<Ipv4Addr>) -> Vec<u8> {
    let mut p = sample();
    p.chaddr[5] = n;
    p.items.clear();
    match request {
        None => p.push(code::MESSAGE_TYPE, &[MessageType::Discover as u8]),
        Some(address) => {
            p.push(code::MESSAGE_TYPE, &[MessageType::Request as u8]);
            p.push_address(code::SERVER_ID, US);
            p.push_address(code::REQUESTED_ADDRESS, address);
        }
    }
    p.encode()
}

fn arrived(len: usize) -> Datagram {
    Datagram {
        len,
        source: None,
        to: Some(Ipv4Addr::BROADCAST),
        at: None,
    }
}

#[tokio::test]
async fn no_ack_leaves_before_its_lease_is_durable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Recorder::new();
    let engine = engine(&disk, folder.path());
    let dhcp = dispatch(&engine, &disk);
    let mut batch = Batch::default();
    let before = disk.log().len();
    for n in 0..20 {
        let bytes = packet(n, None);
        dhcp.take(&bytes, arrived(bytes.len()), &mut batch);
    }
    let log = disk.log();
    let offers = &log[before..];
    assert_eq!(offers.len(), 20);
    assert!(
        offers.iter().all(|op| matches!(op, Op::Note(_))),
        "a DISCOVER touched the database: {offers:?}"
    );

    // Two batches under way at once, as when the disk is slow.
    let mut stored = Vec::new();
    for half in [0..10u8, 10..20] {
        let mut batch = Batch::default();
        for n in half {
            let bytes = packet(n, Some(Ipv4Addr::new(10, 77, 0, 100 + n)));
            dhcp.take(&bytes, arrived(bytes.len()), &mut batch);
        }
        stored.push(dhcp.store(batch));
    }
    for future in stored {
        future.await;
    }
    drop(dhcp);

    for n in 0..20 {
        let address = Ipv4Addr::new(10, 77, 0, 100 + n);
        // Power goes at the moment in which this ACK leaves, and all that was not synced is lost.
        let disk = disk
            .at_note(&format!("{:?} {address}", Some(MessageType::Ack)))
            .expect("it was acknowledged");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = self::engine(&disk, folder.path());
        let scope = scope(&engine);
        let mut mac = [0x52, 0x54, 0, 0x12, 0x34, 0];
        mac[5] = n;
        let owner = scope.with_pool(|pool| pool.owner(address, engine::now()));
        assert_eq!(
            owner,
            Some(MacAddr(mac)),
            "{address} was acknowledged and lost"
        );
    }
}

#[tokio::test]
async fn many_requests_share_few_commits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Recorder::new();
    let engine = engine(&disk, folder.path());
    let dhcp = dispatch(&engine, &disk);
    let mut batch = Batch::default();
    for n in 0..64 {
        let bytes = packet(n, Some(Ipv4Addr::new(10, 77, 0, 100 + n)));
        dhcp.take(&bytes, arrived(bytes.len()), &mut batch);
    }
    let before = disk.log().len();
    dhcp.store(batch).await;
    let log = disk.log();
    let syncs = log[before..].iter().filter(|op| **op == Op::Sync).count();
    let acks = log[before..]
        .iter()
        .filter(|op| matches!(op, Op::Note(_)))
        .count();
    assert_eq!(acks, 64);
    let counted: Vec<_> = engine
        .counters()
        .dhcp
        .by_type()
        .filter(|(_, n)| *n > 0)
        .collect();
    assert_eq!(counted, [("request", 64), ("ack", 64)]);
    assert!(syncs <= 4, "{syncs} syncs for one batch");
}

#[tokio::test]
async fn bytes_that_are_no_packet_change_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Recorder::new();
    let engine = engine(&disk, folder.path());
    let dhcp = dispatch(&engine, &disk);
    let before = disk.log().len();
    let mut batch = Batch::default();
    for bytes in [&b""[..], &[0; 240], &[255; 600], b"GET / HTTP/1.0\r\n\r\n"] {
        dhcp.take(bytes, arrived(bytes.len()), &mut batch);
    }
    assert!(batch.is_empty());
    assert_eq!(disk.log().len(), before);
    assert_eq!(engine.leases().list(), vec![]);
    assert_eq!(engine.counters().dhcp.malformed.get(), 4);
}
