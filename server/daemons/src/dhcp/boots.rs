//! The engine's boots and clients, as DHCP sees them.

use super::{port::Boots, session::BootAdvisor};
use engine::{
    BootNetworkConfig, Engine,
    boot::{Advice, Machine, Plane, Signal, Who},
};
use std::net::Ipv4Addr;
use types::{MacAddr, Timestamp};

/// The engine behind one boot plane.
pub(super) struct EngineBoots {
    engine: Engine,
    plane: Plane,
    /// The boot network's name.
    scope: String,
}

impl EngineBoots {
    pub fn of(engine: &Engine, plane: Plane, network: &BootNetworkConfig) -> EngineBoots {
        EngineBoots {
            engine: engine.clone(),
            plane,
            scope: network.scope(),
        }
    }
}

impl BootAdvisor for EngineBoots {
    fn advise(&self, machine: &Machine) -> Advice {
        self.engine.boots().decide(machine, &self.plane)
    }

    fn host_name(&self, mac: MacAddr) -> Option<String> {
        // A client's name is a host name label by the rule of the engine.
        self.engine.clients().find_mac(mac).map(|c| c.name.clone())
    }
}

impl Boots for EngineBoots {
    fn signal(&self, who: Who, at: Timestamp, signal: Signal) {
        if let Signal::TookOther { server, .. } = signal {
            self.engine.networks().heard(&self.scope, server, at);
        }
        self.engine.boots().signal(who, at, signal);
    }

    fn overheard(&self, mac: MacAddr, address: Ipv4Addr) {
        // Where the addresses are ours, only our leases say whose they are.
        if !self.plane.assigns_addresses {
            let leases = self.engine.leases();
            leases.overheard(self.plane.server, mac, address);
        }
    }
}
