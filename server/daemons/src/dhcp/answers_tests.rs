//! What firmware is answered, through the engine's real choice: recorded packets of real firmware and every
//! architecture code, in full mode, beside another server, and on port 4011.

use super::{
    boots::EngineBoots,
    facts, proxy,
    reply::Settings,
    session::{self, Arrival, Decision, Outcome, tests::oracle::agrees},
    wire::{Item, MessageType, Packet, code, tests::sample},
};
use engine::{
    BootNetworkConfig, Engine, EngineConfig,
    boot::{Firmware, Plane},
    leases::{Pool, Shape},
    settings::{Flags, Sources},
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
};
use types::{AddressRange, DhcpMode, Subnet, Timestamp};

const US: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 31);
const AT: Timestamp = Timestamp(1_800_000_000_000_000);
/// A loader set with something for every architecture that NSBoot knows.
const LOADERS: [&str; 4] = [
    "undionly.kpxe",
    "snponly.efi",
    "i386-efi/snponly.efi",
    "arm64-efi/snponly.efi",
];

/// An engine with that set, and what DHCP asks of it.
pub(super) struct Server {
    full: EngineBoots,
    beside: EngineBoots,
    // In the order in which they go.
    _engine: Engine,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Server {
    pub fn new() -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in LOADERS {
            let path = folder.path().join("loaders/all").join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            std::fs::write(path, file).expect("writable");
        }
        let flags = Flags {
            data_dir: Some(folder.path().to_owned()),
            ..Flags::default()
        };
        let env = [("NSBOOT_CLIENTS__LOADER_SET".into(), "all".into())];
        let (data_dir, sources) = Sources::gather(&flags, env).expect("good settings");
        let config = EngineConfig {
            data_dir,
            sources,
            ..EngineConfig::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let engine = {
            let _entered = runtime.enter();
            Engine::open(config).expect("a fresh folder")
        };
        let boots = |mode| EngineBoots::of(&engine, Plane::at(US, mode), &network(mode));
        Server {
            full: boots(DhcpMode::Full),
            beside: boots(DhcpMode::Proxy),
            _engine: engine,
            _runtime: runtime,
            _folder: folder,
        }
    }

    fn full(&self, packet: &Packet, pool: &mut Pool) -> Decision {
        session::decide(arrival(packet), &settings(), pool, &self.full)
    }

    /// The OFFER and, once it is asked for, the ACK in full mode; both say the same of booting.
    pub fn leased(&self, packet: &Packet) -> Option<Packet> {
        let mut pool = pool();
        let discover = with(packet, code::MESSAGE_TYPE, &[MessageType::Discover as u8]);
        let discover = without(&discover, &[code::SERVER_ID, code::REQUESTED_ADDRESS]);
        let offer = answer(self.full(&discover, &mut pool))?;
        let request = with(packet, code::MESSAGE_TYPE, &[MessageType::Request as u8]);
        let request = with(&request, code::SERVER_ID, &US.octets());
        let request = with(&request, code::REQUESTED_ADDRESS, &offer.yiaddr.octets());
        let ack = answer(self.full(&request, &mut pool)).expect("what was offered is given");
        assert_eq!(ack.message_type(), Some(MessageType::Ack));
        assert_eq!((offer.yiaddr, ack.yiaddr), (ip(100), ip(100)));
        assert_eq!(boot_part(&offer), boot_part(&ack), "{packet:?}");
        Some(offer)
    }

    /// The OFFER beside another server.
    pub fn beside(&self, packet: &Packet) -> Option<Packet> {
        let discover = with(packet, code::MESSAGE_TYPE, &[MessageType::Discover as u8]);
        let discover = without(&discover, &[code::SERVER_ID, code::REQUESTED_ADDRESS]);
        answer(proxy::decide(arrival(&discover), &settings(), &self.beside))
    }

    /// The ACK of port 4011, which is the same in both modes and for REQUEST and INFORM.
    pub fn boot_server(&self, packet: &Packet) -> Option<Packet> {
        let mut request = packet.clone();
        request.ciaddr = CLIENT;
        let source = SocketAddrV4::new(CLIENT, 4011);
        let mut answers = Vec::new();
        for kind in [MessageType::Request, MessageType::Inform] {
            let request = with(&request, code::MESSAGE_TYPE, &[kind as u8]);
            for boots in [&self.full, &self.beside] {
                answers.push(answer(proxy::boot_server(
                    &request,
                    source,
                    &settings(),
                    boots,
                )));
            }
        }
        let first = answers.swap_remove(0);
        let is_same =
            |other: &Option<Packet>| other.as_ref().map(boot_part) == first.as_ref().map(boot_part);
        assert!(answers.iter().all(is_same), "{first:?} {answers:?}");
        first
    }
}

fn network(mode: DhcpMode) -> BootNetworkConfig {
    BootNetworkConfig {
        interface: "br0".into(),
        namespace: None,
        mode,
        range: None,
        router: None,
        dns: Vec::new(),
        lease_seconds: 3600,
        is_lab: false,
    }
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

fn settings() -> Settings {
    Settings::bare(US, 24)
}

fn pool() -> Pool {
    let range = |first, last| AddressRange { first, last };
    Pool::new(Shape {
        subnet: Subnet::of(US, 24),
        ranges: vec![range(ip(100), ip(102))],
        excluded: vec![range(US, US)],
        reserved: vec![],
    })
}

fn arrival(packet: &Packet) -> Arrival<'_> {
    Arrival {
        packet,
        to_us: false,
        at: AT,
    }
}

/// The packet of a decision to answer, as it is read off the wire, and as dhcproto reads it, too.
fn answer(decision: Decision) -> Option<Packet> {
    match decision.outcome {
        Outcome::Answer(answer) | Outcome::Commit(_, Some(answer)) => {
            agrees(&answer.packet);
            let read = Packet::decode(&answer.packet.encode_padded());
            Some(read.expect("our own"))
        }
        Outcome::Silent(_) | Outcome::Commit(_, None) => None,
    }
}

/// The packet with this one value for that option, in the option's place.
fn with(packet: &Packet, wanted: u8, value: &[u8]) -> Packet {
    let mut p = packet.clone();
    let place = p
        .items
        .iter()
        .position(|i| matches!(i, Item::Option { code, .. } if *code == wanted));
    let place = place.unwrap_or(p.items.len());
    p = without(&p, &[wanted]);
    p.items.insert(
        place.min(p.items.len()),
        Item::Option {
            code: wanted,
            data: value.to_vec(),
        },
    );
    p
}

fn without(packet: &Packet, codes: &[u8]) -> Packet {
    let mut p = packet.clone();
    p.items
        .retain(|i| !matches!(i, Item::Option { code, .. } if codes.contains(code)));
    p
}

fn options(p: &Packet) -> Vec<(u8, &[u8])> {
    let items = p.items.iter();
    items
        .filter_map(|item| match item {
            Item::Option { code, data } => Some((*code, data.as_slice())),
            Item::Pad => None,
        })
        .collect()
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).expect("terminated");
    field[..end].escape_ascii().to_string()
}

/// What an answer says of booting, in one line: fields, then options in their order.
fn boot_part(p: &Packet) -> String {
    const OF_LEASES: [u8; 11] = [53, 54, 51, 58, 59, 1, 28, 12, 97, 61, 82];
    let mut words = Vec::new();
    if !p.siaddr.is_unspecified() {
        words.push(format!("si={}", p.siaddr));
    }
    for (name, field) in [("sname", &p.sname[..]), ("file", &p.file[..])] {
        if field[0] != 0 {
            words.push(format!("{name}={}", text(field)));
        }
    }
    for (code, data) in options(p) {
        if !OF_LEASES.contains(&code) {
            words.push(format!("{code}={}", data.escape_ascii()));
        }
    }
    words.join(" ")
}

/// What a kind of machine is told: in full mode, beside another server, on port 4011; None is silence.
struct Want {
    full: String,
    beside: Option<String>,
    boot_server: Option<String>,
}

const LOAD_NOW: &str = r" 60=PXEClient 43=\x06\x01\x08\xff";
const MENU: &str =
    r"60=PXEClient 43=\x06\x01\x03\n\x04\x00PXE\t\x14\x00\x00\x11Raspberry Pi Boot\xff";

fn named(file: &str, class: &str) -> String {
    format!(r"si=10.77.0.1 file={file}{class} 66=10.77.0.1 67={file}\x00")
}

fn on_4011(file: &str, class: &str) -> Option<String> {
    Some(format!(
        r"si=10.77.0.1 sname=10.77.0.1 file={file} 60={class} 66=10.77.0.1 67={file}\x00"
    ))
}

fn bios() -> Want {
    let told = named("all/undionly.kpxe", LOAD_NOW);
    Want {
        full: told.clone(),
        beside: Some(told),
        boot_server: on_4011("all/undionly.kpxe", "PXEClient"),
    }
}

/// It just loads what the server of its address names; beside another it is to ask on port 4011, by an
/// offer with neither file nor option 43.
fn uefi(file: &str) -> Want {
    Want {
        full: named(file, ""),
        beside: Some("si=10.77.0.1 60=PXEClient".into()),
        boot_server: on_4011(file, "PXEClient"),
    }
}

fn http(file: &str) -> Want {
    let url = format!("http://10.77.0.1:8080/f/{file}");
    let told = named(&url, " 60=HTTPClient");
    Want {
        full: told.clone(),
        beside: Some(told),
        boot_server: on_4011(&url, "HTTPClient"),
    }
}

fn ipxe(mac: &str) -> Want {
    let url = format!("http://10.77.0.1:8080/b/{mac}.ipxe");
    Want {
        full: named(&url, r" 175=\xb0\x01\x01"),
        beside: Some(named(&url, " 60=PXEClient")),
        boot_server: on_4011(&url, "PXEClient"),
    }
}

/// It names its files itself.
fn raspberry_pi() -> Want {
    let told = format!("si=10.77.0.1 {MENU} 66=10.77.0.1");
    Want {
        full: told.clone(),
        beside: Some(told),
        boot_server: Some(format!("si=10.77.0.1 sname=10.77.0.1 {MENU} 66=10.77.0.1")),
    }
}

/// An address, and no word of booting.
fn nothing() -> Want {
    Want {
        full: String::new(),
        beside: None,
        boot_server: None,
    }
}

fn check(server: &Server, packet: &Packet, want: &Want, what: &str) {
    let offer = server.leased(packet).expect("addresses are free");
    let beside = server.beside(packet);
    let boot_server = server.boot_server(packet);
    assert_eq!(boot_part(&offer), want.full, "{what}, full");
    assert_eq!(
        beside.as_ref().map(boot_part),
        want.beside,
        "{what}, beside another server"
    );
    assert_eq!(
        boot_server.as_ref().map(boot_part),
        want.boot_server,
        "{what}, port 4011"
    );
    is_framed(&offer, packet, &[53, 54, 51, 58, 59, 1, 28]);
    for answer in [beside, boot_server].iter().flatten() {
        assert_eq!(answer.yiaddr, Ipv4Addr::UNSPECIFIED, "{what}");
        is_framed(answer, packet, &[53, 54]);
    }
}

/// What every answer has: the options of its kind first, and last what goes back as it came.
fn is_framed(answer: &Packet, request: &Packet, first: &[u8]) {
    let codes: Vec<u8> = options(answer).iter().map(|(code, _)| *code).collect();
    assert!(codes.starts_with(first), "{answer:?}");
    let echoed = [97, 61, 82].into_iter();
    let echoed: Vec<u8> = echoed.filter(|c| request.option(*c).is_some()).collect();
    let mut last = codes.clone();
    last.dedup();
    assert!(last.ends_with(&echoed), "{answer:?}");
    for code in echoed {
        assert_eq!(answer.option(code), request.option(code), "echo of {code}");
    }
    assert_eq!(answer.option(52), None, "never overloaded");
    assert_eq!(
        (answer.xid, answer.chaddr, answer.giaddr, answer.op),
        (request.xid, request.chaddr, request.giaddr, 2)
    );
    assert_eq!(answer.address(code::SERVER_ID), Some(US));
}

#[path = "recorded_tests.rs"]
mod recorded;

fn made(class: &str, arch: u16) -> Packet {
    let mut p = sample();
    p.items.clear();
    p.push(code::MESSAGE_TYPE, &[1]);
    p.push(
        code::VENDOR_CLASS,
        format!("{class}:Arch:{arch:05}:UNDI:003001").as_bytes(),
    );
    p.push(code::ARCHITECTURE, &arch.to_be_bytes());
    p.push(code::MACHINE_ID, &[0; 17]);
    p
}

/// IANA, *Processor Architecture Types*, all that are given away.
#[test]
fn every_architecture_is_told_what_it_understands() {
    let server = Server::new();
    for arch in 0..=41 {
        let (pxe, by_http) = match arch {
            0 => (bios(), http("all/undionly.kpxe")),
            6 | 15 => (
                uefi("all/i386-efi/snponly.efi"),
                http("all/i386-efi/snponly.efi"),
            ),
            7..=9 | 16 | 17 => (uefi("all/snponly.efi"), http("all/snponly.efi")),
            11 | 19 => (
                uefi("all/arm64-efi/snponly.efi"),
                http("all/arm64-efi/snponly.efi"),
            ),
            // A BIOS that boots by HTTP.
            20 => (uefi("all/undionly.kpxe"), http("all/undionly.kpxe")),
            41 => (raspberry_pi(), nothing()),
            _ => (nothing(), nothing()),
        };
        check(&server, &made("PXEClient", arch), &pxe, &format!("{arch}"));
        check(
            &server,
            &made("HTTPClient", arch),
            &by_http,
            &format!("{arch} by HTTP"),
        );
        // Firmware that leaves option 93 out says it in its class.
        let bare = without(&made("PXEClient", arch), &[code::ARCHITECTURE]);
        check(&server, &bare, &pxe, &format!("{arch} by its class"));
        // It may be a list, whose first is itself (RFC 4578 section 2.1).
        let list = [arch.to_be_bytes(), [0, 0]].concat();
        let listed = with(&made("PXEClient", arch), code::ARCHITECTURE, &list);
        check(&server, &listed, &pxe, &format!("{arch} in a list"));
    }
}

#[test]
fn ipxe_that_lacks_what_scripts_need_loads_ours_first() {
    let server = Server::new();
    let old = |arch, features: &[u8]| {
        let mut p = made("PXEClient", arch);
        p.push(code::USER_CLASS, b"iPXE");
        p.push(code::IPXE, features);
        p
    };
    let script = "http://10.77.0.1:8080/b/52-54-00-12-34-56.ipxe";
    let full = |p: &Packet| boot_part(&server.leased(p).expect("an address"));
    for (arch, file) in [
        (0, "all/undionly.kpxe"),
        (7, "all/snponly.efi"),
        (11, "all/arm64-efi/snponly.efi"),
    ] {
        let able = [0x13, 1, 1, 0x11, 1, 1];
        assert!(full(&old(arch, &able)).contains(script), "{arch}");
        for lacking in [&[][..], &[0x13, 1, 1], &[0x11, 1, 1]] {
            let told = full(&old(arch, lacking));
            assert!(
                told.contains(&format!(" file={file} ")),
                "{arch} {lacking:?}: {told}"
            );
        }
    }
    // There is nothing else for this one.
    assert!(full(&old(27, &[])).contains(script));
}
