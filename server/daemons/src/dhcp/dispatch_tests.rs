//! No ACK before its lease is on disk: a recorder below the store sees writes, syncs and the
//! packets that leave, in one order.

use super::super::{
    port::{Boots, Held},
    reply::{Destination, Settings},
    session::BootAdvisor,
    wire::{MessageType, Packet, code, tests::sample},
};
use super::*;
use engine::leases::OwnNetwork;
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
            delay: std::time::Duration::ZERO,
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
    let own = OwnNetwork {
        interface: "br0".into(),
        server: US,
        prefix_len: 24,
        range,
        router: None,
        dns: vec![],
        lease_seconds: 3600,
    };
    engine.leases().open_scope("br0", own).expect("valid")
}

fn dispatch(engine: &Engine, disk: &Recorder) -> Arc<Dispatch<Noting>> {
    with_outlet(engine, Noting(disk.clone()))
}

fn with_outlet<O: Outlet>(engine: &Engine, outlet: O) -> Arc<Dispatch<O>> {
    Arc::new(Dispatch {
        port: Arc::new(Port {
            name: "br0".into(),
            settings: Settings::bare(US, 24),
            rules: engine.settings().clone(),
            boots: Arc::new(NoBoots),
            outlet,
            counters: engine.counters().clone(),
            held: Held::default(),
        }),
        scope: scope(engine),
        leases: engine.leases().clone(),
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

/// A packet by a relay, with what the relay says of itself.
fn relayed(mut p: Packet, giaddr: [u8; 4], information: &[u8]) -> Packet {
    p.giaddr = giaddr.into();
    if !information.is_empty() {
        p.push(code::RELAY_AGENT, information);
    }
    p
}

/// What a packet is answered with, once it is stored.
async fn answered(dhcp: &Arc<Dispatch<Noting>>, disk: &Recorder, packet: &Packet) -> Vec<String> {
    let before = disk.log().len();
    let bytes = packet.encode();
    let mut batch = Batch::default();
    dhcp.take(&bytes, arrived(bytes.len()), &mut batch);
    dhcp.store(batch).await;
    let notes = disk.log().split_off(before);
    let notes = notes.into_iter().filter_map(|op| match op {
        Op::Note(note) => Some(note),
        _ => None,
    });
    notes.collect()
}

#[tokio::test]
async fn a_relays_address_or_the_link_that_it_names_says_which_scope() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Recorder::new();
    let engine = engine(&disk, folder.path());
    let dhcp = dispatch(&engine, &disk);
    let admin = engine.as_itself("test");
    for (name, subnet, range) in [
        ("room-2", "10.20.0.0/24", "10.20.0.50-10.20.0.59"),
        ("room-3", "10.30.0.0/24", "10.30.0.50-10.30.0.59"),
    ] {
        let params = types::CreateScopeParams {
            name: name.into(),
            subnet: subnet.parse().expect("a subnet"),
            ranges: vec![range.parse().expect("a range")],
            exclusions: Vec::new(),
            router: None,
            dns: Vec::new(),
            domain: None,
            lease_seconds: None,
            options: Vec::new(),
        };
        admin.create_scope(params).await.expect("made");
    }
    let discover = |n, giaddr, information: &[u8]| {
        let packet = Packet::decode(&packet(n, None)).expect("well formed");
        relayed(packet, giaddr, information)
    };
    let selects_3 = [5, 4, 10, 30, 0, 0];
    for (packet, want) in [
        (discover(1, [0; 4], &[]), vec!["Some(Offer) 10.77.0.100"]),
        (
            discover(2, [10, 77, 0, 254], &[]),
            vec!["Some(Offer) 10.77.0.101"],
        ),
        (
            discover(3, [10, 20, 0, 1], &[]),
            vec!["Some(Offer) 10.20.0.50"],
        ),
        (
            discover(4, [10, 20, 0, 1], &selects_3),
            vec!["Some(Offer) 10.30.0.50"],
        ),
        // A relay that nobody made a scope for, and a link that nobody did.
        (discover(5, [10, 40, 0, 1], &[]), vec![]),
        (discover(6, [10, 20, 0, 1], &[5, 4, 10, 40, 0, 0]), vec![]),
    ] {
        assert_eq!(answered(&dhcp, &disk, &packet).await, want, "{packet:?}");
    }
    let address = Ipv4Addr::new(10, 20, 0, 50);
    let request = Packet::decode(&self::packet(3, Some(address))).expect("well formed");
    let request = relayed(request, [10, 20, 0, 1], &[]);
    assert_eq!(
        answered(&dhcp, &disk, &request).await,
        ["Some(Ack) 10.20.0.50"]
    );

    // It renews with us directly, as nobody is between any more.
    let mut renewal = Packet::decode(&self::packet(3, None)).expect("well formed");
    renewal.items.clear();
    renewal.push(code::MESSAGE_TYPE, &[MessageType::Request as u8]);
    renewal.ciaddr = address;
    let bytes = renewal.encode();
    let to_us = Datagram {
        to: Some(US),
        ..arrived(bytes.len())
    };
    let before = disk.log().len();
    let mut batch = Batch::default();
    dhcp.take(&bytes, to_us, &mut batch);
    dhcp.store(batch).await;
    let ack = Op::Note("Some(Ack) 10.20.0.50".into());
    assert!(disk.log()[before..].contains(&ack));
    // On our own wire that address is refused: the computer was carried to another room.
    assert_eq!(
        answered(&dhcp, &disk, &renewal).await,
        ["Some(Nak) 0.0.0.0"]
    );
    let leases = engine.leases().list();
    assert_eq!((leases.len(), leases[0].scope.as_str()), (1, "room-2"));
}

/// Keeps each packet that leaves.
#[derive(Default)]
struct Keeping(std::sync::Mutex<Vec<Packet>>);
impl Outlet for Keeping {
    fn transmit(&self, bytes: &[u8], _: Destination) -> io::Result<()> {
        let packet = Packet::decode(bytes).map_err(io::Error::other)?;
        self.0.lock().expect("whole").push(packet);
        Ok(())
    }
}

/// The offer to computer `n`, which says who it is (option 61).
fn offered(dhcp: &Dispatch<Keeping>, n: u8) -> Packet {
    let mut discover = Packet::decode(&packet(n, None)).expect("well formed");
    discover.push(code::CLIENT_ID, &[1, 2, 3]);
    let bytes = discover.encode();
    dhcp.take(&bytes, arrived(bytes.len()), &mut Batch::default());
    let mut sent = dhcp.port.outlet.0.lock().expect("whole");
    sent.pop().expect("an offer")
}

fn options(all: &[&str]) -> Vec<types::DhcpOption> {
    all.iter().map(|o| o.parse().expect("an option")).collect()
}

#[tokio::test]
async fn a_groups_options_go_before_its_scopes_and_behind_its_computers() {
    const NTP: u8 = 42;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(&Recorder::new(), folder.path());
    let dhcp = with_outlet(&engine, Keeping::default());
    let admin = engine.as_itself("test");
    let scope = types::UpdateScopeParams {
        options: Some(options(&["42:addresses:10.77.0.3", "2:u32:7"])),
        ..types::UpdateScopeParams::default()
    };
    admin.update_scope("br0", None, scope).await.expect("set");
    let group = types::CreateGroupParams {
        name: "row-1".into(),
        options: options(&["42:addresses:10.77.0.4", "4:addresses:10.77.0.9"]),
        ..types::CreateGroupParams::default()
    };
    admin.create_group(group).await.expect("made");
    let mac = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 1]);
    let client = types::CreateClientParams::new("pc-1", mac);
    admin.create_client(client).await.expect("made");
    let says = |n, code| offered(&dhcp, n).option(code).map(|v| v.to_vec());
    assert_eq!(says(1, NTP), Some(vec![10, 77, 0, 3]), "in no group yet");
    let join = types::UpdateClientParams {
        group: Some("row-1".into()),
        ..types::UpdateClientParams::default()
    };
    admin.update_client("pc-1", None, join).await.expect("set");
    assert_eq!(says(1, NTP), Some(vec![10, 77, 0, 4]));
    assert_eq!(says(1, 4), Some(vec![10, 77, 0, 9]));
    assert_eq!(says(1, 2), Some(vec![0, 0, 0, 7]), "of its scope");
    assert_eq!((says(2, NTP), says(2, 4)), (Some(vec![10, 77, 0, 3]), None));
    let own = types::CreateReservationParams {
        mac,
        address: Ipv4Addr::new(10, 77, 0, 20),
        scope: None,
        hostname: None,
        options: options(&["42:addresses:10.77.0.5"]),
    };
    admin.create_reservation(own).await.expect("made");
    assert_eq!(says(1, NTP), Some(vec![10, 77, 0, 5]));
    let none = types::UpdateGroupParams {
        options: Some(Vec::new()),
        ..types::UpdateGroupParams::default()
    };
    let group = admin.update_group("row-1", None, none).await.expect("set");
    assert_eq!(group.options, []);
    assert_eq!(says(1, 4), None);
    // What booting hangs on is not theirs to set.
    let bad = types::UpdateGroupParams {
        options: Some(options(&["67:text:evil.efi"])),
        ..types::UpdateGroupParams::default()
    };
    let refused = admin.update_group("row-1", None, bad).await;
    let refused = refused.expect_err("ours").problem();
    assert_eq!(
        (refused.code.as_str(), refused.status),
        ("NSB-GROUP-001", 422)
    );
}

#[tokio::test]
async fn whether_the_clients_identifier_goes_back_is_a_setting_that_holds_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(&Recorder::new(), folder.path());
    let dhcp = with_outlet(&engine, Keeping::default());
    let echoed = || {
        offered(&dhcp, 1)
            .option(code::CLIENT_ID)
            .map(|v| v.to_vec())
    };
    assert_eq!(echoed(), Some(vec![1, 2, 3]));
    for (text, want) in [("false", None), ("true", Some(vec![1, 2, 3]))] {
        let value = types::SettingValue::Text(text.into());
        let params = types::UpdateSettingsParams {
            values: [("dhcp.echo_client_id".to_string(), Some(value))].into(),
            confirm_within_seconds: None,
        };
        let admin = engine.as_itself("test");
        admin.update_settings(None, params).await.expect("saved");
        assert_eq!(echoed(), want);
    }
}
