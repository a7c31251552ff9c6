use super::*;
use axum::{body::Body, extract::ConnectInfo};
use engine::{
    EngineConfig,
    boot::{Firmware, Signal, Who},
};
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;
use types::{BootState, Event, MacAddr, ReadyFacts, Timestamp};

#[test]
fn made_up_methods_are_one_label() {
    for (method, label) in [("GET", "GET"), ("BREW", "other"), ("get", "other")] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(name(&method), label);
    }
}

#[test]
fn only_who_is_on_this_box_itself_needs_no_session() {
    for (peer, host, header, here) in [
        ("127.0.0.1:9", "localhost:3000", "", true),
        ("127.0.0.1:9", "127.0.0.1", "", true),
        ("[::1]:9", "[::1]:3000", "", true),
        ("[::ffff:127.0.0.1]:9", "LOCALHOST", "", true),
        ("127.0.0.1:9", "localhost", "x-forwarded-for", false),
        ("127.0.0.1:9", "localhost", "via", false),
        // A proxy that adds no header but keeps the name.
        ("127.0.0.1:9", "nsboot.lan", "", false),
        ("127.0.0.1:9", "10.77.0.1:3000", "", false),
        ("127.0.0.1:9", "localhost.evil.example", "", false),
        ("127.0.0.1:9", "", "", false),
        ("10.77.0.1:9", "localhost", "", false),
        ("[::ffff:10.77.0.1]:9", "localhost", "", false),
        ("[fe80::1]:9", "localhost", "", false),
    ] {
        let mut request = Request::new(Body::empty());
        let address: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        if !host.is_empty() {
            request
                .headers_mut()
                .insert(header::HOST, host.parse().unwrap());
        }
        if !header.is_empty() {
            request.headers_mut().insert(header, "x".parse().unwrap());
        }
        assert_eq!(is_here(&request), here, "{peer} {host} {header}");
    }
}

#[tokio::test]
async fn boots_daemons_and_disks_are_in_the_text_without_their_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        data_dir: dir.path().to_owned(),
        ..EngineConfig::default()
    };
    let engine = Engine::open(config).unwrap();
    let metrics = Metrics::new(engine.clone(), Tasks::new(CancellationToken::new()));
    let mut events = engine.events().subscribe(types::Topics::default());
    let boots = engine.boots().clone();
    tokio::spawn(async move { boots.fold(std::future::pending()).await });
    let (good, going) = (
        MacAddr([2, 0, 0, 0, 0xab, 1]),
        MacAddr([2, 0, 0, 0, 0xab, 2]),
    );
    let begin = engine::now();
    let at = |seconds: i64| Timestamp(begin.0 + seconds * 1_000_000);
    let (firmware, address) = (Firmware::Ipxe, [10, 99, 0, 5].into());
    let facts = Box::new(ReadyFacts {
        hostname: Some("pc-secret".into()),
        ..ReadyFacts::default()
    });
    for (mac, second, signal) in [
        (going, 0, Signal::Discover { firmware }),
        (good, 0, Signal::Discover { firmware }),
        (good, 3, Signal::Ack { address, firmware }),
        (good, 5, Signal::Script),
        (good, 21, Signal::Ready { facts }),
    ] {
        engine.boots().signal(Who::Mac(mac), at(second), signal);
    }
    let ready = async {
        loop {
            let engine::Next::Changes(changes) = events.next().await else {
                panic!("these events are not too many");
            };
            if changes.iter().any(|c| matches!(c.event(), Event::BootChanged { boot } if boot.state == BootState::Ready)) {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), ready).await;
    waited.expect("the boot gets ready");
    let counters = engine.counters();
    counters.dhcp.message(Some(1));
    counters.tftp.sent_bytes.add(70_000);
    counters.disks.read_bytes.add(4096);

    let text = metrics.text().unwrap();
    for line in [
        "nsboot_boots_total{result=\"ready\",phase=\"login\"} 1",
        "nsboot_boots_total{result=\"stopped\",phase=\"dhcp\"} 0",
        "nsboot_boots_in_progress 1",
        "nsboot_boot_duration_seconds_sum 21.0",
        "nsboot_boot_duration_seconds_bucket{le=\"20.0\"} 0",
        "nsboot_boot_duration_seconds_bucket{le=\"25.0\"} 1",
        "nsboot_boot_duration_seconds_bucket{le=\"+Inf\"} 1",
        "nsboot_boot_phase_duration_seconds_sum{phase=\"dhcp\"} 3.0",
        "nsboot_clients{state=\"discovered\"} 2",
        "nsboot_clients{state=\"adopted\"} 0",
        "nsboot_dhcp_messages_total{type=\"discover\"} 1",
        "nsboot_tftp_sent_bytes_total 70000",
        "nsboot_disk_read_bytes_total 4096",
        "nsboot_storage_used_bytes{by=\"overlays\"} 0",
        "nsboot_disk_sessions 0",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
    }
    for secret in ["ab:01", "ab-01", "10.99.0.5", "pc-secret"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
