//! Reservations of a logical unit: RESERVE/RELEASE (SPC-2) and persistent reservations (SPC-4
//! section 5.12). Pure: the unit tells who asks and passes the unit attentions on.

use super::sense::Sense;
use crate::iscsi::bytes::{be64, put16, put32, put64};
use std::sync::Arc;

/// An initiator port: initiator name and ISID, as `NAME,i,0xISID`.
pub type Port = Arc<str>;

/// What a command does to the medium, as far as reservations care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Allowed whatever is reserved (INQUIRY, REPORT LUNS, REQUEST SENSE).
    Always,
    /// Checks its own rules (PERSISTENT RESERVE, RESERVE, RELEASE) or only looks at the unit.
    Control,
    Read,
    Write,
}

/// Type codes of persistent reservations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    WriteExclusive = 1,
    ExclusiveAccess = 3,
    WriteExclusiveRegistrants = 5,
    ExclusiveAccessRegistrants = 6,
    WriteExclusiveAll = 7,
    ExclusiveAccessAll = 8,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        [
            Kind::WriteExclusive,
            Kind::ExclusiveAccess,
            Kind::WriteExclusiveRegistrants,
            Kind::ExclusiveAccessRegistrants,
            Kind::WriteExclusiveAll,
            Kind::ExclusiveAccessAll,
        ]
        .into_iter()
        .find(|k| *k as u8 == code)
    }

    fn write_only(self) -> bool {
        matches!(
            self,
            Kind::WriteExclusive | Kind::WriteExclusiveRegistrants | Kind::WriteExclusiveAll
        )
    }

    /// Every registrant holds it.
    fn all(self) -> bool {
        matches!(self, Kind::WriteExclusiveAll | Kind::ExclusiveAccessAll)
    }

    /// Every registrant may use the unit.
    fn registrants(self) -> bool {
        !matches!(self, Kind::WriteExclusive | Kind::ExclusiveAccess)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Registration {
    port: Port,
    key: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Held {
    port: Port,
    kind: Kind,
}

/// A command that did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Status RESERVATION CONFLICT.
    Conflict,
    Check(Sense),
}

/// Unit attentions to hand out.
pub type Attentions = Vec<(Port, Sense)>;

/// The most initiator ports that are registered with one unit.
const MAX_REGISTRATIONS: usize = 64;

/// The reservations of one unit.
#[derive(Default, Debug)]
pub struct Reservations {
    legacy: Option<u64>,
    registrations: Vec<Registration>,
    held: Option<Held>,
    generation: u32,
}

impl Reservations {
    /// Whether anything is reserved or registered; while not, no command needs [`Self::conflict`].
    pub fn any(&self) -> bool {
        self.legacy.is_some() || !self.registrations.is_empty()
    }

    /// Whether a command of that session must end with RESERVATION CONFLICT.
    pub fn conflict(&self, session: u64, port: &str, access: Access) -> bool {
        if access == Access::Always {
            return false;
        }
        if self.legacy.is_some_and(|owner| owner != session) {
            return true;
        }
        let Some(held) = &self.held else { return false };
        let allowed = if held.kind.registrants() {
            self.key_of(port).is_some()
        } else {
            *held.port == *port
        };
        match access {
            Access::Always | Access::Control => false,
            Access::Read => !allowed && !held.kind.write_only(),
            Access::Write => !allowed,
        }
    }

    /// RESERVE (6).
    pub fn reserve(&mut self, session: u64) -> Result<(), Refused> {
        if !self.registrations.is_empty() {
            return Err(Refused::Conflict);
        }
        self.legacy = Some(session);
        Ok(())
    }

    /// RELEASE (6); of no effect unless the session holds it.
    pub fn release(&mut self, session: u64) -> Result<(), Refused> {
        if !self.registrations.is_empty() {
            return Err(Refused::Conflict);
        }
        self.session_lost(session);
        Ok(())
    }

    /// The session is gone, and with it its RESERVE (6).
    pub fn session_lost(&mut self, session: u64) {
        if self.legacy == Some(session) {
            self.legacy = None;
        }
    }

    /// A reset ends RESERVE (6); persistent reservations stay.
    pub fn reset(&mut self) {
        self.legacy = None;
    }

    fn key_of(&self, port: &str) -> Option<u64> {
        let mine = self.registrations.iter().find(|r| *r.port == *port);
        mine.map(|r| r.key)
    }

    /// PERSISTENT RESERVE IN.
    pub fn persistent_in(&self, action: u8) -> Result<Vec<u8>, Sense> {
        let mut b = vec![0; 8];
        match action {
            0 => {
                for r in &self.registrations {
                    b.extend_from_slice(&r.key.to_be_bytes());
                }
            }
            1 => {
                if let Some(held) = &self.held {
                    let mut d = [0; 16];
                    let key = if held.kind.all() {
                        0
                    } else {
                        self.key_of(&held.port).unwrap_or(0)
                    };
                    put64(&mut d, 0, key);
                    d[13] = held.kind as u8;
                    b.extend_from_slice(&d);
                }
            }
            2 => {
                put16(&mut b, 0, 8);
                b[2] = 0x00; // no CRH, no SIP_C, no ATP_C, no PTPL_C
                b[3] = 0x80; // TMV: the type mask is valid
                b[4] = 0xea; // WR_EX_AR EX_AC_RO WR_EX_RO EX_AC WR_EX
                b[5] = 0x01; // EX_AC_AR
                return Ok(b);
            }
            3 => {
                for r in &self.registrations {
                    self.full_status(r, &mut b);
                }
            }
            _ => return Err(Sense::INVALID_FIELD_IN_CDB),
        }
        let additional = b.len() - 8;
        put32(&mut b, 0, self.generation);
        put32(&mut b, 4, additional as u32);
        Ok(b)
    }

    fn full_status(&self, r: &Registration, b: &mut Vec<u8>) {
        let mut d = vec![0; 24];
        put64(&mut d, 0, r.key);
        if let Some(held) = self.held.as_ref()
            && (held.kind.all() || held.port == r.port)
        {
            d[12] = 0x01; // R_HOLDER
            d[13] = held.kind as u8;
        }
        put16(&mut d, 18, 1);
        // Transport id of iSCSI with ISID (SPC-4 section 7.6.4.6).
        let mut name = r.port.as_bytes().to_vec();
        name.resize((name.len() + 1).next_multiple_of(4).max(20), 0);
        let mut id = vec![0x45, 0, 0, 0];
        put16(&mut id, 2, name.len() as u16);
        id.extend_from_slice(&name);
        put32(&mut d, 20, id.len() as u32);
        b.extend_from_slice(&d);
        b.extend_from_slice(&id);
    }

    /// PERSISTENT RESERVE OUT with its parameter list.
    pub fn persistent_out(
        &mut self,
        port: &Port,
        action: u8,
        scope: u8,
        kind: u8,
        list: &[u8],
    ) -> Result<Attentions, Refused> {
        if list.len() != 24 {
            return Err(Refused::Check(Sense::PARAMETER_LIST_LENGTH));
        }
        let (key, service_key) = (be64(list, 0), be64(list, 8));
        // SPEC_I_PT and APTPL: not supported, as REPORT CAPABILITIES says.
        if list[20] & 0x09 != 0 {
            return Err(Refused::Check(Sense::INVALID_FIELD_IN_PARAMETERS));
        }
        let registering = matches!(action, 0 | 6);
        if !registering && self.key_of(port) != Some(key) {
            return Err(Refused::Conflict);
        }
        let wanted = match action {
            1 | 2 | 4 | 5 => {
                let kind = Kind::from_code(kind).filter(|_| scope == 0);
                Some(kind.ok_or(Refused::Check(Sense::INVALID_FIELD_IN_CDB))?)
            }
            _ => None,
        };
        match (action, wanted) {
            (0, _) => self.register(port, Some(key), service_key),
            (6, _) => self.register(port, None, service_key),
            (1, Some(kind)) => self.persist(port, kind),
            (2, Some(kind)) => self.unpersist(port, kind),
            (3, _) => Ok(self.clear(port)),
            (4 | 5, Some(kind)) => self.preempt(port, kind, service_key),
            _ => Err(Refused::Check(Sense::INVALID_FIELD_IN_CDB)),
        }
    }

    /// REGISTER, or with `known` None REGISTER AND IGNORE EXISTING KEY.
    fn register(
        &mut self,
        port: &Port,
        known: Option<u64>,
        new: u64,
    ) -> Result<Attentions, Refused> {
        if self.legacy.is_some() {
            return Err(Refused::Conflict);
        }
        let full = self.registrations.len() >= MAX_REGISTRATIONS;
        let mine = self.registrations.iter_mut().find(|r| r.port == *port);
        if let Some(known) = known
            && mine.as_ref().map_or(0, |r| r.key) != known
        {
            return Err(Refused::Conflict);
        }
        let mut attentions = Vec::new();
        match (mine, new) {
            (None, 0) => return Ok(attentions),
            (Some(_), 0) => {
                self.registrations.retain(|r| r.port != *port);
                attentions = self.registrant_left(port);
            }
            (Some(r), key) => r.key = key,
            (None, _) if full => {
                return Err(Refused::Check(Sense::NO_ROOM_FOR_REGISTRATION));
            }
            (None, key) => self.registrations.push(Registration {
                port: port.clone(),
                key,
            }),
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(attentions)
    }

    /// What the end of a registration means for the reservation.
    fn registrant_left(&mut self, port: &Port) -> Attentions {
        let Some(held) = self.held.clone() else {
            return Vec::new();
        };
        let ends = if held.kind.all() {
            self.registrations.is_empty()
        } else {
            held.port == *port
        };
        if !ends {
            return Vec::new();
        }
        self.held = None;
        if held.kind.registrants() {
            self.others(port, Sense::RESERVATIONS_RELEASED)
        } else {
            Vec::new()
        }
    }

    fn others(&self, port: &Port, sense: Sense) -> Attentions {
        let others = self.registrations.iter().filter(|r| r.port != *port);
        others.map(|r| (r.port.clone(), sense)).collect()
    }

    fn persist(&mut self, port: &Port, kind: Kind) -> Result<Attentions, Refused> {
        match &self.held {
            Some(held) if held.kind != kind || !(held.kind.all() || held.port == *port) => {
                Err(Refused::Conflict)
            }
            Some(_) => Ok(Vec::new()),
            None => {
                self.held = Some(Held {
                    port: port.clone(),
                    kind,
                });
                Ok(Vec::new())
            }
        }
    }

    fn unpersist(&mut self, port: &Port, kind: Kind) -> Result<Attentions, Refused> {
        match &self.held {
            Some(held) if held.kind.all() || held.port == *port => {
                if held.kind != kind {
                    return Err(Refused::Check(Sense::INVALID_RELEASE));
                }
            }
            _ => return Ok(Vec::new()),
        }
        self.held = None;
        Ok(if kind.registrants() {
            self.others(port, Sense::RESERVATIONS_RELEASED)
        } else {
            Vec::new()
        })
    }

    fn clear(&mut self, port: &Port) -> Attentions {
        let attentions = self.others(port, Sense::RESERVATIONS_PREEMPTED);
        self.registrations.clear();
        self.held = None;
        self.generation = self.generation.wrapping_add(1);
        attentions
    }

    fn preempt(&mut self, port: &Port, kind: Kind, victim: u64) -> Result<Attentions, Refused> {
        let held = self.held.clone();
        let takes = match &held {
            Some(h) if h.kind.all() => victim == 0,
            Some(h) => self.key_of(&h.port) == Some(victim),
            None => false,
        };
        let all = takes && victim == 0;
        let gone = |r: &Registration| r.port != *port && (all || r.key == victim);
        let removed: Vec<Port> = self
            .registrations
            .iter()
            .filter(|r| gone(r))
            .map(|r| r.port.clone())
            .collect();
        if !takes {
            if victim == 0 {
                return Err(Refused::Check(Sense::INVALID_FIELD_IN_PARAMETERS));
            }
            let own = self.key_of(port) == Some(victim);
            if removed.is_empty() && !own {
                return Err(Refused::Conflict);
            }
        }
        self.registrations.retain(|r| !removed.contains(&r.port));
        let mut attentions: Attentions = removed
            .into_iter()
            .map(|p| (p, Sense::REGISTRATIONS_PREEMPTED))
            .collect();
        if takes {
            if held.is_some_and(|h| h.kind != kind) {
                attentions.extend(self.others(port, Sense::RESERVATIONS_RELEASED));
            }
            self.held = Some(Held {
                port: port.clone(),
                kind,
            });
        }
        self.generation = self.generation.wrapping_add(1);
        Ok(attentions)
    }
}
