//! Boot planes: one for each chosen interface, started and stopped while the server runs. A plane
//! that can't start says why on the page and is tried again; the rest of the server goes on.

use crate::{
    http::{
        boot,
        listener::{self, Pace as PaceOf, Socket},
    },
    nbd::Nbd,
    observer::BootObserver,
    tasks::{Pace, TaskHandle, Tasks},
};
use daemons::{
    dhcp::{Beside, Dhcp, DhcpError},
    iscsi::{self, IscsiServer, Limits},
    ndp::Ndp,
    net::{Interface, NetError, NetThread},
    tftp::Tftp,
};
use engine::{
    BootNetworkConfig, Engine,
    boot::{Plane, Who},
};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use types::BootNetworkView;

/// A plane that failed is tried again soon: an interface may come later than we do, and somebody
/// stands before the computer.
const RETRY: Pace = Pace {
    first: Duration::from_secs(1),
    most: Duration::from_secs(5),
    steady: Duration::from_secs(60),
};

/// How often it is looked whether an interface is still the same.
const WATCH: Duration = Duration::from_secs(3);

/// The running planes. Cheap to clone.
#[derive(Clone)]
pub struct Planes {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    tasks: Tasks,
    /// By scope name.
    planes: Mutex<HashMap<String, Handle>>,
    /// Whether disks are offered by NBD, too.
    nbd: watch::Sender<bool>,
}

/// A plane that was started.
struct Handle {
    task: TaskHandle,
    network: BootNetworkConfig,
}

/// Why a plane does not run.
#[derive(Debug, thiserror::Error)]
enum PlaneError {
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Dhcp(#[from] DhcpError),
    #[error("{part} failed: {source}; it is started again")]
    Part {
        part: &'static str,
        source: io::Error,
    },
    #[error("{part} ended by itself; it is started again")]
    Ended { part: &'static str },
    #[error("a part of the boot plane broke: {0}; it is started again. Please report it")]
    Broke(String),
}

impl Planes {
    /// No plane yet. Each becomes a task `boot-plane/SCOPE` and ends with the other tasks.
    pub fn new(engine: Engine, tasks: Tasks) -> Planes {
        let nbd = engine.settings().with(|values| values.nbd);
        let inner = Inner {
            engine,
            tasks,
            planes: Mutex::default(),
            nbd: watch::Sender::new(nbd),
        };
        Planes {
            inner: Arc::new(inner),
        }
    }

    /// Starts the plane of a network; one that runs on that interface already stays as it is. Whether
    /// it was started.
    pub fn start(&self, network: BootNetworkConfig) -> bool {
        let mut planes = self
            .inner
            .planes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let scope = network.scope();
        if planes.contains_key(&scope) || self.inner.tasks.is_stopping() {
            return false;
        }
        // In the list at once, before the plane itself says what became of it.
        self.inner.engine.networks().set(view(&network, None, None));
        let (engine, wanted) = (self.inner.engine.clone(), network.clone());
        let nbd = self.inner.nbd.subscribe();
        let name = format!("boot-plane/{scope}");
        let task = self.inner.tasks.spawn_paced(&name, RETRY, move |stop| {
            let (engine, network, nbd) = (engine.clone(), wanted.clone(), nbd.clone());
            async move { serve(&engine, &network, nbd, &stop).await }
        });
        planes.insert(scope, Handle { task, network });
        true
    }

    /// Offers disks by NBD on all planes from now on, or no longer. What is open is closed, soon.
    pub fn offer_nbd(&self, on: bool) {
        self.inner.nbd.send_replace(on);
    }

    /// Ends the planes of the lab and waits until their sockets are closed.
    pub async fn stop_lab(&self) {
        self.stop(|handle| handle.network.is_lab).await;
    }

    /// Serves these networks and the lab's, and no others. One that is as it was goes on untouched.
    /// Whether anything was changed.
    pub async fn keep_only(&self, networks: &[BootNetworkConfig]) -> bool {
        let other = |handle: &Handle| !handle.network.is_lab && !networks.contains(&handle.network);
        let mut changed = self.stop(other).await;
        for network in networks {
            changed |= self.start(network.clone());
        }
        changed
    }

    /// Ends planes and waits until their sockets are closed. Whether there were any.
    async fn stop(&self, which: impl Fn(&Handle) -> bool) -> bool {
        let stopped: Vec<Handle> = {
            let mut planes = self
                .inner
                .planes
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            planes
                .extract_if(|_, handle| which(handle))
                .map(|(_, handle)| handle)
                .collect()
        };
        stopped.iter().for_each(|handle| handle.task.stop());
        for handle in &stopped {
            handle.task.ended().await;
            let network = &handle.network;
            let networks = self.inner.engine.networks();
            networks.remove(network.namespace.as_deref(), &network.interface);
        }
        !stopped.is_empty()
    }
}

/// One run of a plane; why it failed is shown with its network until it runs again.
async fn serve(
    engine: &Engine,
    network: &BootNetworkConfig,
    nbd: watch::Receiver<bool>,
    stop: &CancellationToken,
) -> Result<(), PlaneError> {
    let served = run(engine, network, nbd, stop).await;
    match &served {
        Ok(()) => tracing::info!(scope = network.scope(), "boot plane stopped"),
        Err(e) => engine
            .networks()
            .set(view(network, None, Some(e.to_string()))),
    }
    served
}

/// Opens the sockets inside the namespace and serves until `stop` or until a part of it ends.
async fn run(
    engine: &Engine,
    network: &BootNetworkConfig,
    nbd: watch::Receiver<bool>,
    stop: &CancellationToken,
) -> Result<(), PlaneError> {
    let net = NetThread::enter(network.namespace.as_deref())?;
    let interface = net.interface(&network.interface)?;
    let plane = Plane::at(interface.address, network.mode);
    let listen = |port| net.tcp_listen(&interface.name, SocketAddrV4::new(plane.server, port));
    let disks = listen(plane.iscsi_port)?;
    let files = tcp(listen(plane.http_port)?)?;
    let observer = Arc::new(BootObserver(engine.clone(), plane));
    let loaders = engine.loaders().clone();
    let counters = engine.counters().clone();
    let tftp = Tftp::open(&net, &interface.name, loaders, observer.clone(), counters)?;
    let proxy = Beside::proxy(&net, engine, network, plane)?;
    let boot_server = Beside::boot_server(&net, engine, network, plane)?;
    // Last: it opens the scope, which must not stay open when another part can't start.
    let dhcp = Dhcp::open(&net, engine, network, plane)?;
    let nbd = Nbd {
        net: net.clone(),
        device: interface.name.clone(),
        plane,
        exports: engine.exports().clone(),
        observer: observer.clone(),
        wanted: nbd,
    };
    let target = IscsiServer::new(engine.exports().clone(), observer, Limits::default());

    let mut parts = Parts::new(stop);
    parts.add("iSCSI", |end| iscsi::serve(disks, Arc::new(target), end));
    parts.add("NBD", |end| endless(nbd.run(end)));
    if let Some(dhcp) = dhcp {
        parts.add("DHCP", |end| endless(dhcp.run(end)));
    }
    if let Some(proxy) = proxy {
        parts.add("Proxy DHCP", |end| endless(proxy.run(end)));
    }
    if let Some(boot_server) = boot_server {
        parts.add("The PXE boot server", |end| endless(boot_server.run(end)));
    }
    parts.add("TFTP", |end| endless(tftp.run(end)));
    // Spares iPXE a wait; nothing fails without it.
    match Ndp::open(&net, &interface, engine) {
        Ok(ndp) => parts.add("The answer to router solicitations", |end| {
            endless(ndp.run(end))
        }),
        Err(error) => tracing::info!(%error, "iPXE will wait 16 s for an IPv6 router"),
    }
    let router = boot::router(engine.clone(), plane);
    let files = Socket::Paced(files, pace(engine));
    parts.add("HTTP", |end| endless(listener::serve(files, router, end)));
    parts.add("The interface", |end| watch(net, interface.clone(), end));
    engine.networks().set(view(network, Some(&interface), None));
    tracing::info!(
        scope = network.scope(),
        address = %interface.address,
        prefix_len = interface.prefix_len,
        "boot plane runs"
    );
    parts.first_to_end(stop).await
}

/// Some cards hang when they are sent to as fast as we can.
fn pace(engine: &Engine) -> PaceOf {
    let boots = engine.boots().clone();
    Box::new(move |peer| match peer.ip().to_canonical() {
        IpAddr::V4(address) => {
            let kib = boots.quirks(Who::Address(address)).pace?;
            Some(kib.saturating_mul(1024))
        }
        IpAddr::V6(_) => None,
    })
}

/// What runs for one plane. One part that ends takes the others down, to be made anew.
struct Parts {
    tasks: JoinSet<(&'static str, io::Result<()>)>,
    ending: CancellationToken,
}

impl Parts {
    fn new(stop: &CancellationToken) -> Parts {
        Parts {
            tasks: JoinSet::new(),
            ending: stop.child_token(),
        }
    }

    fn add<F>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let running = run(self.ending.clone());
        self.tasks.spawn(async move { (name, running.await) });
    }

    /// Waits until one part has ended, and then for all of them; an error unless `stop` ended them.
    async fn first_to_end(mut self, stop: &CancellationToken) -> Result<(), PlaneError> {
        let first = self.tasks.join_next().await;
        self.ending.cancel();
        while self.tasks.join_next().await.is_some() {}
        match first {
            _ if stop.is_cancelled() => Ok(()),
            Some(Ok((part, Err(source)))) => Err(PlaneError::Part { part, source }),
            Some(Ok((part, Ok(())))) => Err(PlaneError::Ended { part }),
            Some(Err(e)) => Err(PlaneError::Broke(e.to_string())),
            None => Ok(()),
        }
    }
}

/// A part that reports no error.
async fn endless(running: impl Future<Output = ()>) -> io::Result<()> {
    running.await;
    Ok(())
}

/// Ends when the interface is no longer what the sockets were opened on: they would hear nothing
/// any more, without an error.
async fn watch(net: NetThread, opened: Interface, stop: CancellationToken) -> io::Result<()> {
    loop {
        tokio::select! {
            _ = stop.cancelled() => return Ok(()),
            _ = tokio::time::sleep(WATCH) => {}
        }
        let (net, name) = (net.clone(), opened.name.clone());
        let now = tokio::task::spawn_blocking(move || net.interface(&name)).await?;
        match now {
            // Whether it is up does not count: it may come up again.
            Ok(now)
                if (now.index, now.address, now.prefix_len)
                    == (opened.index, opened.address, opened.prefix_len) => {}
            Ok(_) => return Err(io::Error::other("its address or number changed")),
            Err(e @ (NetError::NoInterface(_) | NetError::NoAddress(_) | NetError::Gone)) => {
                return Err(io::Error::other(e));
            }
            // It could not be asked, e.g. for want of descriptors: what runs goes on.
            Err(error) => tracing::warn!(%error, "the interface can't be looked at just now"),
        }
    }
}

fn tcp(listener: std::net::TcpListener) -> Result<TcpListener, PlaneError> {
    TcpListener::from_std(listener).map_err(|source| PlaneError::Part {
        part: "HTTP",
        source,
    })
}

fn view(
    network: &BootNetworkConfig,
    interface: Option<&Interface>,
    error: Option<String>,
) -> BootNetworkView {
    BootNetworkView {
        interface: network.interface.clone(),
        namespace: network.namespace.clone(),
        mode: network.mode,
        address: interface.map(|i| i.address),
        prefix_len: interface.map_or(0, |i| i.prefix_len),
        range: network.range,
        leases_active: 0,
        leases_total: network.range.map_or(0, |r| {
            r.last
                .to_bits()
                .saturating_sub(r.first.to_bits())
                .saturating_add(1)
        }),
        lease_seconds: network.lease_seconds,
        other_servers: Vec::new(),
        error,
        is_lab: network.is_lab,
    }
}
