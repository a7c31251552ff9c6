//! The engine's boots and clients, as DHCP sees them.

use super::{dispatch::Boots, session::BootAdvisor};
use engine::{
    Engine,
    boot::{BootFile, Machine, Plane, Signal, Who},
};
use types::{MacAddr, Timestamp};

/// The engine behind one boot plane.
pub(super) struct EngineBoots {
    pub engine: Engine,
    pub plane: Plane,
}

impl BootAdvisor for EngineBoots {
    fn boot_file(&self, machine: &Machine) -> BootFile {
        self.engine.boots().decide(machine, &self.plane)
    }

    fn host_name(&self, mac: MacAddr) -> Option<String> {
        // A client's name is a host name label by the rule of the engine.
        self.engine.clients().find_mac(mac).map(|c| c.name.clone())
    }
}

impl Boots for EngineBoots {
    fn signal(&self, who: Who, at: Timestamp, signal: Signal) {
        self.engine.boots().signal(who, at, signal);
    }
}
