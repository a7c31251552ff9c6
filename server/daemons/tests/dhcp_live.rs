//! DHCP with real clients, in network namespaces of its own: busybox `udhcpc` and Kea's `perfdhcp`.
//! Needs root, `iproute2`, `busybox` and `kea-admin`; says so and passes where they are missing,
//! unless `NSBOOT_LIVE=1` makes that a failure, as `make test` does.

use daemons::{
    dhcp::{Boots, Dhcp, DhcpError, session::BootAdvisor},
    net::{NetThread, arp::Arp},
};
use engine::{
    BootNetworkConfig, Engine, EngineConfig, Next,
    boot::{Advice, BootFile, Firmware, Form, Machine, Signal, Who},
};
use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use types::{
    AddressRange, CreateReservationParams, DhcpMode, Event, LeaseState, MacAddr, Timestamp,
    UpdateScopeParams,
};

const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x31]);

/// Two namespaces: the server's with the chosen interface `vs` and another, `vx`; the clients' with
/// the other ends, `vc` and `vy`. Gone when dropped.
struct Cable {
    server: String,
    clients: String,
}

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program} does not start: {e}"))
}

fn ip(args: &[&str]) {
    let out = run("ip", args);
    assert!(
        out.status.success(),
        "ip {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

impl Cable {
    fn new(name: &str) -> Cable {
        let id = std::process::id();
        let cable = Cable {
            server: format!("nsb-s{name}{id}"),
            clients: format!("nsb-c{name}{id}"),
        };
        let (s, c) = (cable.server.as_str(), cable.clients.as_str());
        ip(&["netns", "add", s]);
        ip(&["netns", "add", c]);
        for (ours, theirs) in [("vs", "vc"), ("vx", "vy")] {
            ip(&[
                "-n", s, "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", c,
            ]);
        }
        let mac = CLIENT_MAC.to_string();
        ip(&["-n", c, "link", "set", "vc", "address", &mac]);
        ip(&["-n", s, "addr", "add", "10.99.0.1/16", "dev", "vs"]);
        ip(&["-n", s, "addr", "add", "10.98.0.1/16", "dev", "vx"]);
        for (namespace, device) in [
            (s, "lo"),
            (s, "vs"),
            (s, "vx"),
            (c, "lo"),
            (c, "vc"),
            (c, "vy"),
        ] {
            ip(&["-n", namespace, "link", "set", device, "up"]);
        }
        cable
    }

    async fn on_client_side(&self, program: &str, args: &[&str]) -> Output {
        let mut all = vec!["netns", "exec", &self.clients, program];
        all.extend(args);
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        tokio::task::spawn_blocking(move || {
            run("ip", &all.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .await
        .expect("the child ran")
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.clients] {
            run("ip", &["netns", "del", namespace]);
        }
    }
}

/// A namespace that is gone when dropped.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.0]);
    }
}

type Seen = (Who, Timestamp, Signal);

/// Passes on what was signalled.
struct Witness(UnboundedSender<Seen>);
impl BootAdvisor for Witness {
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
impl Boots for Witness {
    fn signal(&self, who: Who, at: Timestamp, signal: Signal) {
        // Nobody listens any more once the test has seen enough.
        let _ = self.0.send((who, at, signal));
    }
    fn overheard(&self, _: MacAddr, _: Ipv4Addr) {}
}

fn can_run() -> bool {
    let here = |program: &str| {
        ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
    };
    let missing: Vec<&str> = ["ip", "busybox", "perfdhcp"]
        .into_iter()
        .filter(|p| !here(p))
        .collect();
    let is_root = nix::unistd::geteuid().is_root();
    if is_root && missing.is_empty() {
        return true;
    }
    let why = format!("root: {is_root}, missing programs: {missing:?}");
    assert!(
        std::env::var_os("NSBOOT_LIVE").is_none(),
        "can't run: {why}"
    );
    eprintln!("not run: {why}");
    false
}

fn engine(folder: &Path) -> Engine {
    Engine::open(EngineConfig {
        data_dir: folder.to_owned(),
        ..EngineConfig::default()
    })
    .expect("a fresh folder")
}

fn network(cable: &Cable, first: [u8; 4], last: [u8; 4]) -> BootNetworkConfig {
    BootNetworkConfig {
        interface: "vs".into(),
        namespace: Some(cable.server.clone()),
        mode: DhcpMode::Full,
        range: Some(AddressRange {
            first: first.into(),
            last: last.into(),
        }),
        router: None,
        dns: Vec::new(),
        lease_seconds: 3600,
        is_lab: false,
    }
}

/// A running server, what it signals, and how to end it.
struct Running {
    signals: UnboundedReceiver<Seen>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn serve(engine: &Engine, network: &BootNetworkConfig) -> Running {
    let (sender, signals) = unbounded_channel();
    let net = NetThread::enter(network.namespace.as_deref()).expect("the namespace is there");
    let dhcp = Dhcp::with_boots(&net, engine, network, Arc::new(Witness(sender)))
        .expect("the interface is there")
        .expect("mode full");
    let stop = CancellationToken::new();
    let task = tokio::spawn(dhcp.run(stop.clone()));
    Running {
        signals,
        stop,
        task,
    }
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("ends");
    }
}

/// udhcpc's arguments: once, in the foreground, without touching the system.
const UDHCPC: [&str; 10] = [
    "udhcpc",
    "-n",
    "-q",
    "-f",
    "-t",
    "3",
    "-T",
    "2",
    "-s",
    "/bin/true",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_clients_get_durable_leases_on_the_chosen_interface_only() {
    if !can_run() {
        return;
    }
    let cable = Cable::new("a");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = network(&cable, [10, 99, 1, 0], [10, 99, 3, 255]);
    let first = Ipv4Addr::new(10, 99, 1, 0);
    {
        let engine = engine(folder.path());
        let mut running = serve(&engine, &network);
        let args = [&UDHCPC[..], &["-i", "vc", "-x", "hostname:pc31"]].concat();
        let before = engine::now();
        let out = cable.on_client_side("busybox", &args).await;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{said}");
        assert!(said.contains("lease of 10.99.1.0 obtained"), "{said}");
        let lease = &engine.leases().list()[0];
        assert_eq!((lease.address, lease.mac), (first, CLIENT_MAC));
        assert_eq!(lease.hostname.as_deref(), Some("pc31"));
        let signal = tokio::time::timeout(Duration::from_secs(5), running.signals.recv()).await;
        let (who, at, signal) = signal.expect("in time").expect("still running");
        let acked = Signal::Ack {
            address: first,
            firmware: Firmware::Other,
        };
        assert_eq!((who, signal), (Who::Mac(CLIENT_MAC), acked));
        assert!(before <= at && at <= engine::now());

        let args = [&UDHCPC[..], &["-i", "vy"]].concat();
        let out = cable.on_client_side("busybox", &args).await;
        assert!(
            !out.status.success(),
            "an interface that nobody chose was answered"
        );

        // No address of its own: a raw exchange as boot ROMs do it, fifty computers at once.
        ip(&[
            "-n",
            &cable.clients,
            "addr",
            "add",
            "10.99.255.2/16",
            "dev",
            "vc",
        ]);
        // -W: half a second for the last answers, after the last question.
        let load = "-4 -l vc -r 100 -R 50 -n 200 -W 500000 -xi";
        let load: Vec<&str> = load.split(' ').collect();
        let out = cable.on_client_side("perfdhcp", &load).await;
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        let drops = said.lines().filter(|l| l.starts_with("drops:"));
        assert!(drops.clone().count() >= 2, "{said}");
        assert!(drops.clone().all(|l| l == "drops: 0"), "{said}");
        assert_eq!(engine.leases().list().len(), 51);
        running.end().await;
        assert!(engine.leases().list().is_empty(), "the scope is closed");
    }
    let engine = engine(folder.path());
    let running = serve(&engine, &network);
    assert_eq!(engine.leases().list().len(), 51, "they survive a restart");
    assert_eq!(engine.leases().address_of(CLIENT_MAC), Some(first));
    running.end().await;
}

/// Behind a router, in a namespace of its own, sits a computer with an address of the scope there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_behind_a_relay_that_is_used_rests() {
    if !can_run() {
        return;
    }
    let cable = Cable::new("e");
    let (s, router) = (cable.server.as_str(), cable.clients.as_str());
    let room = format!("nsb-r{}", std::process::id());
    ip(&["netns", "add", &room]);
    let _gone = Namespace(room.clone());
    let words = |text: &str| ip(&text.split(' ').collect::<Vec<_>>());
    words(&format!(
        "-n {router} link add vr type veth peer name vm netns {room}"
    ));
    words(&format!("-n {router} addr add 10.99.0.254/16 dev vc"));
    words(&format!("-n {router} addr add 10.20.0.1/24 dev vr"));
    words(&format!("-n {router} link set vr up"));
    words(&format!("-n {room} addr add 10.20.0.50/24 dev vm"));
    words(&format!("-n {room} link set vm up"));
    words(&format!("-n {room} route add default via 10.20.0.1"));
    words(&format!(
        "netns exec {router} busybox sysctl -w net.ipv4.ip_forward=1"
    ));
    words(&format!("-n {s} route add 10.20.0.0/24 via 10.99.0.254"));
    // That one can't be asked for says nothing of the others, and nothing good of itself.
    // A broadcast address is one: the kernel refuses the question.
    words(&format!("-n {s} route add broadcast 10.20.0.55 dev vs"));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(folder.path());
    let mut events = engine
        .events()
        .subscribe("leases".parse().expect("a topic"));
    let running = serve(&engine, &network(&cable, [10, 99, 1, 0], [10, 99, 1, 99]));
    let scope = types::CreateScopeParams {
        name: "room".into(),
        subnet: "10.20.0.0/24".parse().expect("a subnet"),
        ranges: vec!["10.20.0.50-10.20.0.59".parse().expect("a range")],
        exclusions: Vec::new(),
        router: Some(Ipv4Addr::new(10, 20, 0, 1)),
        dns: Vec::new(),
        domain: None,
        lease_seconds: None,
        options: Vec::new(),
    };
    let made = engine.as_itself("test").create_scope(scope).await;
    assert!(made.expect("made").probe);
    let found = async {
        loop {
            let Next::Changes(changes) = events.next().await else {
                panic!("few events");
            };
            let used = changes.iter().find_map(|c| match c.event() {
                Event::LeaseChanged { lease } => Some(lease.clone()),
                _ => None,
            });
            if let Some(used) = used {
                return used;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    let found = found.expect("it is looked for before anybody asks");
    let used = Ipv4Addr::new(10, 20, 0, 50);
    assert_eq!((found.address, found.state), (used, LeaseState::Declined));
    assert_eq!((found.scope.as_str(), found.mac), ("room", MacAddr([0; 6])));
    let relayed = engine.leases().relayed_scope(used).expect("served");
    let offer = relayed.with_pool(|pool| pool.offer(CLIENT_MAC, None, engine::now()));
    assert_eq!(offer, Some(Ipv4Addr::new(10, 20, 0, 51)));
    let (other, wish) = (MacAddr([2, 0, 0, 0, 0, 9]), Ipv4Addr::new(10, 20, 0, 55));
    let offer = relayed.with_pool(|pool| pool.offer(other, Some(wish), engine::now()));
    assert_eq!(offer, Some(Ipv4Addr::new(10, 20, 0, 52)), "not looked for");
    running.end().await;
}

/// An address that was used an hour ago says nothing of now.
#[tokio::test]
async fn what_was_heard_before_a_look_is_forgotten() {
    if !can_run() {
        return;
    }
    let cable = Cable::new("f");
    let net = NetThread::enter(Some(&cable.server)).expect("the namespace is there");
    let interface = net.interface("vs").expect("it is there");
    let socket = net.arp(&interface).expect("opens").expect("Ethernet");
    let arp = Arp::new(socket).expect("watched");
    let c = cable.clients.as_str();
    ip(&["-n", c, "addr", "add", "10.99.1.5/16", "dev", "vc"]);
    ip(&["-n", c, "addr", "add", "10.99.1.6/16", "dev", "vc"]);
    let ping = ["ping", "-c", "1", "-W", "5", "10.99.0.1"];
    let heard = async || {
        let out = cable.on_client_side("busybox", &ping).await;
        assert!(out.status.success(), "{out:?}");
        ip(&["-n", c, "neigh", "flush", "dev", "vc"]);
    };
    heard().await;
    assert_eq!(
        arp.hear().await.expect("heard").0,
        Ipv4Addr::new(10, 99, 1, 5)
    );
    heard().await;
    arp.drain();
    let asked = Ipv4Addr::new(10, 99, 1, 6);
    arp.ask(asked).expect("asked");
    assert_eq!(arp.hear().await.expect("an answer").0, asked);
}

#[tokio::test]
async fn what_can_not_run_says_why() {
    if !can_run() {
        return;
    }
    let cable = Cable::new("b");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(folder.path());
    let net = NetThread::enter(Some(&cable.server)).expect("the namespace is there");
    let open = |network: &BootNetworkConfig| {
        Dhcp::with_boots(
            &net,
            &engine,
            network,
            Arc::new(Witness(unbounded_channel().0)),
        )
    };
    let mut wanted = network(&cable, [10, 99, 1, 0], [10, 100, 0, 0]);
    assert!(matches!(open(&wanted), Err(DhcpError::RangeOutside { .. })));
    wanted.range = None;
    assert!(matches!(open(&wanted), Err(DhcpError::NoRange(_))));
    wanted.mode = DhcpMode::Off;
    assert!(matches!(open(&wanted), Ok(None)));
    wanted = network(&cable, [10, 99, 1, 0], [10, 99, 1, 9]);
    wanted.interface = "none0".into();
    let error = open(&wanted).err().expect("no such interface").to_string();
    assert!(
        error.contains("none0") && error.contains("ip link"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_count_at_once_and_addresses_that_are_used_rest() {
    if !can_run() {
        return;
    }
    let cable = Cable::new("d");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(folder.path());
    let network = network(&cable, [10, 99, 1, 0], [10, 99, 1, 99]);
    // Somebody took an address out of the range for itself.
    let c = cable.clients.as_str();
    ip(&["-n", c, "addr", "add", "10.99.1.5/16", "dev", "vc"]);
    let mut events = engine
        .events()
        .subscribe("leases".parse().expect("a topic"));
    let running = serve(&engine, &network);
    let found = async {
        loop {
            let Next::Changes(changes) = events.next().await else {
                panic!("few events");
            };
            let used = changes.iter().find_map(|c| match c.event() {
                Event::LeaseChanged { lease } => Some(lease.clone()),
                _ => None,
            });
            if let Some(used) = used {
                return used;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    let found = found.expect("it is looked for before anybody asks");
    assert_eq!(
        (found.address, found.mac),
        (Ipv4Addr::new(10, 99, 1, 5), CLIENT_MAC)
    );
    assert_eq!(found.state, LeaseState::Declined);

    let ask = [&UDHCPC[..], &["-i", "vc"]].concat();
    let obtained = async || {
        let out = cable.on_client_side("busybox", &ask).await;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let lease = said.split("lease of ").nth(1);
        let lease = lease.unwrap_or_else(|| panic!("{said}"));
        lease.split(' ').next().unwrap_or_default().to_string()
    };
    let admin = engine.as_itself("test");
    let name = network.scope();
    let exclude = UpdateScopeParams {
        exclusions: Some(vec!["10.99.1.0-10.99.1.6".parse().expect("a range")]),
        ..UpdateScopeParams::default()
    };
    admin
        .update_scope(&name, None, exclude)
        .await
        .expect("changed");
    assert_eq!(obtained().await, "10.99.1.7");
    let reserve = CreateReservationParams {
        mac: CLIENT_MAC,
        address: Ipv4Addr::new(10, 99, 2, 7),
        scope: None,
        hostname: None,
        options: Vec::new(),
    };
    admin.create_reservation(reserve).await.expect("made");
    assert_eq!(obtained().await, "10.99.2.7");
    admin
        .remove_reservation("10.99.2.7", None)
        .await
        .expect("removed");
    assert_ne!(obtained().await, "10.99.2.7", "it is in no range");
    running.end().await;
}
