//! A logical unit as all its sessions share it: reservations and unit attentions.

use super::{
    pages::{BLOCK, Facts},
    reserve::{Access, Attentions, Port, Reservations},
    sense::Sense,
};
use engine::export::{BlockDevice, Export};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The most unit attentions kept for one session; the oldest are dropped.
const MAX_ATTENTIONS: usize = 8;

/// A disk and what its sessions have to know of each other.
pub struct Unit {
    pub(super) lun: u16,
    pub(super) facts: Facts,
    pub(super) device: Arc<dyn BlockDevice>,
    /// Never held while the device is asked for anything.
    state: Mutex<State>,
    /// Makes COMPARE AND WRITE and ORWRITE atomic among themselves: held from their read to their
    /// write, and by no other command.
    pub(super) atomic: Mutex<()>,
    /// Whether `state` has any reservation; spares the hot path the lock.
    restricted: AtomicBool,
}

#[derive(Default)]
struct State {
    reservations: Reservations,
    sessions: Vec<SessionState>,
    next: u64,
}

struct SessionState {
    id: u64,
    port: Port,
    attentions: VecDeque<Sense>,
    pending: Arc<AtomicBool>,
}

impl Unit {
    /// The unit of an export that stands first in it, beside the others.
    fn new(export: &Export, luns: Arc<[u16]>) -> Arc<Unit> {
        Arc::new(Unit {
            lun: export.lun,
            facts: Facts {
                blocks: export.device.size_bytes() / BLOCK,
                physical_exponent: physical_exponent(export.device.physical_block_bytes()),
                read_only: export.device.read_only(),
                serial: export.serial.clone(),
                naa: export.naa,
                target: export.target.clone(),
                luns,
            },
            device: export.device.clone(),
            state: Mutex::default(),
            atomic: Mutex::new(()),
            restricted: AtomicBool::new(false),
        })
    }

    /// All units of an export, in the order of their numbers. `known` may have one of a target and a number that
    /// sessions are on: it goes on when it is the same disk beside the same others.
    pub fn all(export: &Export, known: impl Fn(u16) -> Option<Arc<Unit>>) -> Vec<Arc<Unit>> {
        let luns: Arc<[u16]> = export.luns().collect();
        let units = luns.iter().filter_map(|lun| export.unit(*lun));
        let unit = |alone: Export| {
            let same = known(alone.lun)
                .filter(|unit| Arc::ptr_eq(&unit.device, &alone.device) && unit.facts.luns == luns);
            same.unwrap_or_else(|| Unit::new(&alone, luns.clone()))
        };
        units.map(unit).collect()
    }

    /// Its logical unit number.
    pub fn lun(&self) -> u16 {
        self.lun
    }

    /// Enters a session. Its place is given up when the nexus is dropped.
    pub fn join(self: &Arc<Unit>, initiator: &str, isid: [u8; 6]) -> Nexus {
        let [a, b, c, d, e, f] = isid;
        let port: Port =
            format!("{initiator},i,0x{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}").into();
        let pending = Arc::new(AtomicBool::new(false));
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.sessions.push(SessionState {
            id,
            port: port.clone(),
            attentions: VecDeque::new(),
            pending: pending.clone(),
        });
        drop(state);
        Nexus {
            unit: self.clone(),
            id,
            port,
            pending,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logical blocks in so many bytes, as a power of two.
fn physical_exponent(bytes: u32) -> u8 {
    let blocks = (u64::from(bytes) / BLOCK).max(1);
    blocks.ilog2() as u8
}

/// One session on a unit (an I_T nexus).
pub struct Nexus {
    pub(super) unit: Arc<Unit>,
    id: u64,
    port: Port,
    pending: Arc<AtomicBool>,
}

impl Nexus {
    /// The unit that this session is on.
    pub fn unit(&self) -> &Arc<Unit> {
        &self.unit
    }

    /// The oldest unit attention, taken out.
    pub(super) fn take_attention(&self) -> Option<Sense> {
        if !self.pending.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.unit.state();
        let me = state.sessions.iter_mut().find(|s| s.id == self.id)?;
        let sense = me.attentions.pop_front();
        me.pending
            .store(!me.attentions.is_empty(), Ordering::Release);
        sense
    }

    /// Whether a reservation forbids this.
    pub(super) fn conflicts(&self, access: Access) -> bool {
        self.unit.restricted.load(Ordering::Acquire)
            && self
                .unit
                .state()
                .reservations
                .conflict(self.id, &self.port, access)
    }

    /// Changes the reservations and hands out the unit attentions that follow.
    pub(super) fn reservations<T>(
        &self,
        change: impl FnOnce(
            &mut Reservations,
            u64,
            &Port,
        ) -> Result<(T, Attentions), super::reserve::Refused>,
    ) -> Result<T, super::reserve::Refused> {
        let mut state = self.unit.state();
        let result = change(&mut state.reservations, self.id, &self.port);
        let any = state.reservations.any();
        self.unit.restricted.store(any, Ordering::Release);
        let (value, attentions) = result?;
        for (port, sense) in attentions {
            let named = state.sessions.iter_mut().filter(|s| s.port == port);
            named.for_each(|s| s.attend(sense));
        }
        Ok(value)
    }

    /// A reset of the unit: RESERVE (6) ends and every session is told.
    pub fn reset(&self) {
        let mut state = self.unit.state();
        state.reservations.reset();
        let any = state.reservations.any();
        self.unit.restricted.store(any, Ordering::Release);
        for session in &mut state.sessions {
            session.attend(Sense::DEVICE_RESET);
        }
    }
}

impl SessionState {
    fn attend(&mut self, sense: Sense) {
        if self.attentions.len() == MAX_ATTENTIONS {
            self.attentions.pop_front();
        }
        self.attentions.push_back(sense);
        self.pending.store(true, Ordering::Release);
    }
}

impl Drop for Nexus {
    fn drop(&mut self) {
        let mut state = self.unit.state();
        state.reservations.session_lost(self.id);
        let any = state.reservations.any();
        self.unit.restricted.store(any, Ordering::Release);
        state.sessions.retain(|s| s.id != self.id);
    }
}
