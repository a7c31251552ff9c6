//! The boot networks: what the admin chose, and how each of them is.

use crate::EventBus;
use std::{
    collections::{HashMap, VecDeque},
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};
use types::{AddressRange, BootNetworkView, DhcpMode, Event, OtherServer, Timestamp};

/// Seconds that a lease lasts unless the config says otherwise.
pub const LEASE_SECONDS: u32 = 3600;
/// Other servers that are shown of one network: made-up ones must not fill the page.
const MAX_OTHERS: usize = 8;
/// Other servers that are new on one network within a second, and told of.
const NEW_A_SECOND: usize = 2;

/// One `[[boot]]` of the config: an interface that we serve. Address and prefix come from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootNetworkConfig {
    /// The interface, e.g. `br0`.
    pub interface: String,
    /// A named network namespace; None is the host's own.
    pub namespace: Option<String>,
    /// Who hands out addresses.
    pub mode: DhcpMode,
    /// What we hand out in mode full.
    pub range: Option<AddressRange>,
    /// The way to other networks, told to the computers; None tells of none.
    pub router: Option<Ipv4Addr>,
    /// Name servers, told to the computers.
    pub dns: Vec<Ipv4Addr>,
    /// How long a lease lasts.
    pub lease_seconds: u32,
    /// Made by the virtual lab.
    pub is_lab: bool,
}

impl BootNetworkConfig {
    /// The scope's name, as leases are kept under: `br0`, or `lab1/br0` in a namespace.
    pub fn scope(&self) -> String {
        scope_name(self.namespace.as_deref(), &self.interface)
    }
}

/// The name of the scope on an interface: `br0`, or `lab1/br0` in a namespace.
pub fn scope_name(namespace: Option<&str>, interface: &str) -> String {
    match namespace {
        Some(ns) => format!("{ns}/{interface}"),
        None => interface.to_string(),
    }
}

/// The boot networks as they are now. Boot planes report here; page and REST read.
#[derive(Clone)]
pub struct Networks {
    views: Arc<RwLock<Vec<BootNetworkView>>>,
    /// When other servers were last new, by the scope's name: the newest few.
    news: Arc<Mutex<HashMap<String, VecDeque<Timestamp>>>>,
    events: EventBus,
}

impl Networks {
    pub(crate) fn new(events: EventBus) -> Self {
        Networks {
            views: Arc::default(),
            news: Arc::default(),
            events,
        }
    }

    /// Puts a network in, or replaces the one on the same interface, and tells the page.
    pub fn set(&self, view: BootNetworkView) {
        {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            let same = |v: &&mut BootNetworkView| {
                v.interface == view.interface && v.namespace == view.namespace
            };
            match views.iter_mut().find(same) {
                Some(old) if *old == view => return,
                Some(old) => *old = view.clone(),
                None => views.push(view.clone()),
            }
        }
        self.events.publish(Event::NetworkChanged { network: view });
    }

    /// Takes out a network that is not served any more, and tells the page.
    pub fn remove(&self, namespace: Option<&str>, interface: &str) {
        let here =
            |v: &BootNetworkView| v.interface == interface && v.namespace.as_deref() == namespace;
        let removed = {
            let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
            let before = views.len();
            views.retain(|v| !here(v));
            before != views.len()
        };
        if removed {
            let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
            news.remove(&scope_name(namespace, interface));
            drop(news);
            self.events.publish(Event::NetworkRemoved {
                interface: interface.into(),
                namespace: namespace.map(Into::into),
            });
        }
    }

    /// A computer took an address from another DHCP server on the network of a scope name. Kept to the
    /// minute, so that a busy server is no flood of events; nor are made-up ones, of which few a second
    /// are taken in.
    pub fn heard(&self, scope: &str, server: Ipv4Addr, at: Timestamp) {
        let is_fresh =
            |old: &OtherServer| old.address == server && old.heard_at.seconds_to(at) < 60.0;
        let here = |v: &BootNetworkView| scope_name(v.namespace.as_deref(), &v.interface) == scope;
        let (is_told, is_known) = {
            let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
            let Some(view) = views.iter().find(|v| here(v)) else {
                return;
            };
            let others = &view.other_servers;
            let is_known = others.iter().any(|old| old.address == server);
            (others.iter().any(is_fresh), is_known)
        };
        if !is_told && (is_known || self.has_room(scope, at)) {
            self.update(scope, |view| {
                view.other_servers.retain(|old| old.address != server);
                let heard = OtherServer {
                    address: server,
                    heard_at: at,
                };
                view.other_servers.insert(0, heard);
                view.other_servers.truncate(MAX_OTHERS);
            });
        }
    }

    /// Whether one more new server is taken in within this second.
    fn has_room(&self, scope: &str, at: Timestamp) -> bool {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let news = news.entry(scope.to_owned()).or_default();
        let is_full = news.len() >= NEW_A_SECOND;
        let is_old = |then: &Timestamp| then.seconds_to(at).abs() >= 1.0;
        if is_full && !news.front().is_some_and(is_old) {
            return false;
        }
        if is_full {
            news.pop_front();
        }
        news.push_back(at);
        true
    }

    /// Changes the network of a scope name, if there is one, and tells the page when it differs.
    pub fn update(&self, scope: &str, change: impl FnOnce(&mut BootNetworkView)) {
        let found = self
            .list()
            .into_iter()
            .find(|v| scope_name(v.namespace.as_deref(), &v.interface) == scope);
        if let Some(mut view) = found {
            change(&mut view);
            self.set(view);
        }
    }

    /// All of them, in the order they came.
    pub fn list(&self) -> Vec<BootNetworkView> {
        self.views
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(namespace: Option<&str>, interface: &str) -> BootNetworkView {
        BootNetworkView {
            interface: interface.into(),
            namespace: namespace.map(Into::into),
            mode: DhcpMode::Full,
            address: None,
            prefix_len: 24,
            range: None,
            leases_active: 0,
            leases_total: 0,
            lease_seconds: LEASE_SECONDS,
            other_servers: vec![],
            error: None,
            is_lab: false,
        }
    }

    #[tokio::test]
    async fn the_same_interface_in_two_namespaces_is_two_networks() {
        let events = EventBus::default();
        let networks = Networks::new(events.clone());
        networks.set(view(None, "br0"));
        networks.set(view(Some("lab1"), "br0"));
        networks.set(view(None, "br0"));
        assert_eq!(
            (networks.list().len(), events.seq()),
            (2, 2),
            "no change, no event"
        );
        networks.update("lab1/br0", |v| v.leases_active = 3);
        networks.update("lab2/br0", |v| v.leases_active = 9);
        let active: Vec<u32> = networks.list().iter().map(|v| v.leases_active).collect();
        assert_eq!(active, [0, 3]);
        // Each server once, and no event for each packet.
        let (one, two) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let at = |s| Timestamp(1_800_000_000_000_000).plus_seconds(s);
        for (server, second) in [(one, 0), (one, 10), (two, 20), (one, 30), (one, 90)] {
            networks.heard("br0", server, at(second));
        }
        networks.heard("br7", one, at(0));
        let heard: Vec<_> = networks.list()[0]
            .other_servers
            .iter()
            .map(|o| (o.address, o.heard_at))
            .collect();
        assert_eq!(
            (heard, events.seq()),
            (vec![(one, at(90)), (two, at(20))], 6)
        );
        // A flood of made-up servers is no flood of events, and pushes no list over its size.
        let before = events.seq();
        for n in 0..1000 {
            networks.heard("br0", Ipv4Addr::from_bits(n), at(200));
        }
        assert_eq!(events.seq() - before, NEW_A_SECOND as u64);
        for n in 0..60 {
            networks.heard("br0", Ipv4Addr::from_bits(5000 + n), at(300 + i64::from(n)));
        }
        let heard = networks.list()[0].other_servers.clone();
        assert_eq!(heard.len(), MAX_OTHERS);
        assert_eq!(heard[0].address, Ipv4Addr::from_bits(5059), "the oldest go");
        let before = events.seq();
        networks.remove(None, "br0");
        networks.remove(None, "br0");
        let left: Vec<_> = networks.list().into_iter().map(|v| v.namespace).collect();
        let want = (vec![Some("lab1".to_string())], before + 1);
        assert_eq!((left, events.seq()), want);
    }
}
