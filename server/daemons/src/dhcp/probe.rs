//! Looks for addresses that are handed out next, so that nobody gets one that another computer took for
//! itself (RFC 2131 section 2.2): by ARP on the wire, by an ICMP echo behind relays. It runs ahead of the
//! offers, which never wait for it: when more computers come at once than it has looked for, the rest get
//! theirs without a look, and look themselves before they use it.

use crate::net::{Interface, NetError, NetThread, arp::Arp, echo::Echo};
use engine::leases::{Found, Lease, Leases, Scope};
use std::{
    collections::{HashMap, HashSet},
    io,
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use tokio_util::sync::CancellationToken;

/// Addresses of a scope that are known to be silent ahead of the offers.
const AHEAD: usize = 64;
/// Addresses of one look, of all scopes, after which the other scopes wait for the next.
const AT_ONCE: usize = 128;
/// How often it is seen whether there are that many.
const PERIOD: Duration = Duration::from_millis(250);
/// How long an answer is waited for; Ethernet needs a millisecond, a computer that sleeps some more.
const WAIT: Duration = Duration::from_millis(300);
/// ARP questions for each address, as one may be lost.
const QUESTIONS: usize = 2;

/// How it is asked who uses an address.
pub(super) enum Way {
    /// On the wire of the boot network.
    Arp(Arp),
    /// Behind routers.
    Echo(Echo),
}

/// For whose addresses it is looked.
pub(super) enum Whose {
    /// A boot network's own scope.
    Own(Arc<Scope>),
    /// Those of relayed subnets to which the way leads over this interface.
    Relayed {
        leases: Leases,
        net: NetThread,
        interface: Interface,
    },
}

/// A look-out.
pub(super) struct Prober {
    pub way: Way,
    pub whose: Whose,
}

/// A scope, and addresses of it.
type Wanted = (Arc<Scope>, Vec<Ipv4Addr>);

/// The socket of a look-out on the wire; None where it is no Ethernet. Call it inside a tokio runtime.
///
/// # Errors
/// When the socket can't be opened.
pub(super) fn arp(net: &NetThread, interface: &Interface) -> Result<Option<Way>, NetError> {
    let Some(socket) = net.arp(interface)? else {
        return Ok(None);
    };
    let arp = Arp::new(socket).map_err(watching("ARP", interface))?;
    Ok(Some(Way::Arp(arp)))
}

/// The socket of a look-out behind routers. Call it inside a tokio runtime.
///
/// # Errors
/// When the socket can't be opened.
pub(super) fn echo(net: &NetThread, interface: &Interface) -> Result<Way, NetError> {
    let echo = Echo::new(net.echo(interface)?).map_err(watching("ICMP", interface))?;
    Ok(Way::Echo(echo))
}

fn watching(what: &'static str, interface: &Interface) -> impl FnOnce(io::Error) -> NetError {
    let what = format!("watch the {what} socket of {}", interface.name);
    |source| NetError::Socket { what, source }
}

impl Way {
    fn questions(&self) -> usize {
        match self {
            Way::Arp(_) => QUESTIONS,
            Way::Echo(_) => 1,
        }
    }

    /// Forgets what was heard before: it may be an hour old.
    fn drain(&mut self) {
        match self {
            Way::Arp(arp) => arp.drain(),
            Way::Echo(echo) => echo.drain(),
        }
    }

    fn ask(&mut self, address: Ipv4Addr) -> io::Result<()> {
        match self {
            Way::Arp(arp) => arp.ask(address),
            Way::Echo(echo) => echo.ask(address),
        }
    }

    async fn hear(&self) -> io::Result<(Ipv4Addr, Found)> {
        match self {
            Way::Arp(arp) => arp.hear().await.map(|(a, user)| (a, Found::User(user))),
            Way::Echo(echo) => echo.hear().await.map(|a| (a, Found::Somebody)),
        }
    }

    /// Who uses these addresses. One that could not be asked for is left out: nothing is known of it.
    async fn look(&mut self, wanted: &HashSet<Ipv4Addr>) -> io::Result<HashMap<Ipv4Addr, Found>> {
        let mut all: HashMap<_, _> = wanted.iter().map(|a| (*a, Found::Nobody)).collect();
        self.drain();
        let questions = self.questions();
        for _ in 0..questions {
            all.retain(|address, found| *found != Found::Nobody || self.can_ask(*address));
            let end = Instant::now() + WAIT / questions as u32;
            while let Ok(heard) = timeout_at(end, self.hear()).await {
                let (address, user) = heard?;
                all.entry(address).and_modify(|found| *found = user);
            }
        }
        Ok(all)
    }

    fn can_ask(&mut self, address: Ipv4Addr) -> bool {
        let asked = self.ask(address);
        if let Err(error) = &asked {
            tracing::debug!(%address, %error, "can't look for an address");
        }
        asked.is_ok()
    }
}

impl Whose {
    fn scopes(&self) -> Vec<Arc<Scope>> {
        let (leases, net, ours) = match self {
            Whose::Own(scope) => return vec![scope.clone()],
            Whose::Relayed {
                leases,
                net,
                interface,
            } => (leases, net, interface.address),
        };
        // By another way than this nobody would be heard.
        let is_here = |scope: &Arc<Scope>| {
            let (probe, subnet) = scope.decide(|_, plan| (plan.probe, plan.subnet));
            let first = Ipv4Addr::from_bits(subnet.network().to_bits() + 1);
            probe && net.source_to(first).ok().flatten() == Some(ours)
        };
        let mut scopes = leases.relayed_scopes();
        scopes.retain(is_here);
        scopes
    }

    /// What is to be looked for now.
    fn wanted(&self) -> Vec<Wanted> {
        let now = engine::now();
        let mut room = AT_ONCE;
        let wanted = |scope: Arc<Scope>| {
            let addresses = scope.decide(|pool, plan| match plan.probe && room > 0 {
                true => pool.to_probe(AHEAD, now),
                false => Vec::new(),
            });
            room = room.saturating_sub(addresses.len());
            (scope, addresses)
        };
        let all = self.scopes().into_iter().map(wanted);
        all.filter(|(_, addresses)| !addresses.is_empty()).collect()
    }
}

impl Prober {
    /// Looks until `cancel`.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = tick.tick() => {}
            }
            let wanted = self.whose.wanted();
            let addresses: HashSet<Ipv4Addr> =
                wanted.iter().flat_map(|(_, a)| a).copied().collect();
            if addresses.is_empty() {
                continue;
            }
            let looked = tokio::select! {
                () = cancel.cancelled() => return,
                looked = self.way.look(&addresses) => looked,
            };
            match looked {
                Ok(found) => {
                    for (scope, addresses) in &wanted {
                        told(scope, addresses, &found).await;
                    }
                }
                // The interface is down: whether addresses are used can't be known, and they stay unknown.
                Err(error) => tracing::debug!(%error, "can't look for addresses"),
            }
        }
    }
}

async fn told(scope: &Arc<Scope>, wanted: &[Ipv4Addr], found: &HashMap<Ipv4Addr, Found>) {
    let now = engine::now();
    let rest: Vec<Lease> = scope.with_pool(|pool| {
        let told = wanted.iter().filter_map(|a| Some((*a, *found.get(a)?)));
        told.filter_map(|(a, found)| pool.probed(a, found, now))
            .collect()
    });
    let Some(first) = rest.first() else {
        return;
    };
    // One line for all: a room of computers that somebody else gives addresses must not flood the log.
    tracing::warn!(scope = scope.name(), count = rest.len(), address = %first.address, user = %first.mac, "free addresses are used by somebody, this one first; they are not handed out for an hour");
    match scope.commit(rest.clone()).await {
        Ok(()) => scope.announce(&rest),
        // It rests all the same, until the server is started anew.
        Err(error) => tracing::error!(%error, "an address that is used could not be stored"),
    }
}
