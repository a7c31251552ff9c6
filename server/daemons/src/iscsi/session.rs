//! The full feature phase of one session (RFC 7143 sections 4.2 to 4.6 and 11): requests in, replies
//! into the outbox. No socket and no clock; the disk is reached through the nexus.

use super::{
    cutter::{BLOCK, Cutter, Piece},
    data::{MAX_TASKS, Origin, Task},
    discovery::{Pending, Targets},
    frame::{MAX_SEGMENT_OUT, Outbox},
    params::Params,
    pulse::Pulse,
    reply::{Numbers, Reply, Residual},
    scsi::{self, Cdb, Ending, Nexus, Plan, SENSE_LEN, status},
    wire::{NO_TAG, Pdu, Request, TaskFunction},
};
use std::{
    io::{self, Write},
    sync::Arc,
};

/// What the connection does after a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Continue,
    /// Send what is left and close.
    Close,
    /// Close this and all other sessions of the target (cold reset).
    CloseTarget,
}

/// Silences after which an initiator that never spoke NOP is given up: five minutes in front of a
/// boot menu, with the usual limit.
const MUTE_SILENCES: u32 = 25;

/// One session in its full feature phase.
pub struct Session {
    pub(super) params: Params,
    /// Its place on each unit of the target, by their numbers; none in a discovery session.
    pub(super) units: Vec<Nexus>,
    pub(super) stat_sn: u32,
    /// Replies with a status that the outbox still holds, unless it is empty.
    unsent: u32,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    pub(super) tasks: Vec<Task>,
    next_tag: u32,
    ping: Option<u32>,
    /// Silences in a row, each as long as [`super::Limits::silence`].
    silences: u32,
    /// Whether the initiator speaks NOP at all: iPXE leaves pings unanswered, and says nothing while
    /// a boot menu waits for a key.
    knows_nop: bool,
    pub(super) targets: Targets,
    pub(super) pending_text: Option<Pending>,
    /// Whether a block was read in this session.
    pub has_read: bool,
    /// Speaks for it while it waits for a disk; there is none without a socket.
    pub pulse: Option<Arc<Pulse>>,
}

impl Session {
    /// A session after its login, with the sequence numbers that go on from there.
    pub fn new(
        params: Params,
        units: Vec<Nexus>,
        targets: Targets,
        stat_sn: u32,
        exp_cmd_sn: u32,
    ) -> Self {
        Session {
            params,
            units,
            stat_sn,
            unsent: 0,
            exp_cmd_sn,
            max_cmd_sn: exp_cmd_sn.wrapping_add(MAX_TASKS - 1),
            tasks: Vec::new(),
            next_tag: 0,
            ping: None,
            silences: 0,
            knows_nop: false,
            targets,
            pending_text: None,
            has_read: false,
            pulse: None,
        }
    }

    /// Handles one request with its data segment.
    pub fn handle<W: Write>(
        &mut self,
        pdu: &Pdu,
        data: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<Flow> {
        // Any sign of life answers the ping.
        self.ping = None;
        self.silences = 0;
        let sequenced = !matches!(pdu.request, Request::DataOut { .. });
        if sequenced && !pdu.immediate {
            // On one connection commands come in order; what is not the next one is a duplicate or
            // outside the window and silently dropped (section 4.2.2.1).
            if pdu.cmd_sn != self.exp_cmd_sn || self.window_closed() {
                return Ok(Flow::Continue);
            }
            self.exp_cmd_sn = self.exp_cmd_sn.wrapping_add(1);
        }
        match pdu.request {
            Request::Scsi {
                last,
                read,
                write,
                expected,
                ref cdb,
            } => {
                let way = Way {
                    last,
                    read: if read { expected } else { 0 },
                    write: if write { expected } else { 0 },
                };
                self.scsi(pdu, cdb, way, data, out)?;
            }
            Request::DataOut {
                last,
                ttt,
                data_sn,
                offset,
            } => self.data_out(pdu.itt, last, ttt, data_sn, offset, data, out)?,
            Request::NopOut { .. } => self.nop_out(pdu, data, out)?,
            Request::TaskManagement {
                function,
                referenced_tag,
                ..
            } => return self.task_management(pdu, function, referenced_tag, out),
            Request::Text { last, more, ttt } => {
                self.text(pdu.itt, last, more, ttt, data, out)?;
            }
            Request::Logout { reason, .. } => return self.logout(pdu.itt, reason, out),
            Request::Login(_) | Request::Unsupported { .. } => {
                // 03h SNACK reject, 04h protocol error, 05h command not supported.
                let reason = match pdu.request {
                    Request::Unsupported { opcode: 0x10 } => 0x03,
                    Request::Login(_) => 0x04,
                    _ => 0x05,
                };
                let header = pdu.encode(data.len());
                self.reply(Reply::Reject { reason }, &header, out)?;
                if matches!(pdu.request, Request::Login(_)) {
                    return Ok(Flow::Close);
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn window_closed(&self) -> bool {
        // Serial number arithmetic (RFC 1982).
        (self.max_cmd_sn.wrapping_sub(self.exp_cmd_sn) as i32) < 0
    }

    /// Nothing has come for a while: asks whether the other side lives, and gives it up when it did
    /// not answer the last time.
    pub fn idle<W: Write>(&mut self, out: &mut Outbox<W>) -> io::Result<Flow> {
        self.silences += 1;
        if self.ping.is_some() {
            let given_up = self.knows_nop || self.silences > MUTE_SILENCES;
            return Ok(if given_up {
                Flow::Close
            } else {
                Flow::Continue
            });
        }
        self.ask(out)?;
        Ok(Flow::Continue)
    }

    /// Asks whether the other side lives. Asked once while it is talking, a system's initiator shows
    /// that it answers: when the power goes, [`Self::idle`] need not wait as long as for firmware.
    pub fn ask<W: Write>(&mut self, out: &mut Outbox<W>) -> io::Result<()> {
        let ttt = self.tag();
        self.ping = Some(ttt);
        let ping = Reply::NopIn {
            lun: 0,
            itt: NO_TAG,
            ttt,
        };
        // A ping does not advance StatSN (section 11.19.3).
        out.send(&ping.encode(self.numbers(), 0), &[])?;
        out.flush()
    }

    /// Says that the target drops the connection and may be back at once (asynchronous event 2).
    pub fn farewell<W: Write>(&mut self, out: &mut Outbox<W>) -> io::Result<()> {
        self.reply(Reply::Async { event: 2, wait: 0 }, &[], out)?;
        out.flush()
    }

    pub(super) fn tag(&mut self) -> u32 {
        self.next_tag = self.next_tag.wrapping_add(1) & 0x7fff_ffff;
        self.next_tag
    }

    /// The numbers of the next reply. The window opens by what was taken in and closes by what still
    /// waits for data; it never moves back.
    pub(super) fn numbers(&mut self) -> Numbers {
        let free = MAX_TASKS.saturating_sub(self.tasks.len() as u32);
        let max = self.exp_cmd_sn.wrapping_add(free).wrapping_sub(1);
        if (max.wrapping_sub(self.max_cmd_sn) as i32) > 0 {
            self.max_cmd_sn = max;
        }
        Numbers {
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
        }
    }

    /// Sends a reply that carries a status, and so advances StatSN.
    pub(super) fn reply<W: Write>(
        &mut self,
        reply: Reply,
        data: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        out.slot(data.len())?;
        let header = reply.encode(self.numbers(), data.len());
        self.count_status(out);
        out.send(&header, data)
    }

    /// One more status goes into the outbox, which has room for it: what that has sent does not count.
    fn count_status<W: Write>(&mut self, out: &Outbox<W>) {
        self.unsent = self.unsent_in(out).wrapping_add(1);
        self.stat_sn = self.stat_sn.wrapping_add(1);
    }

    fn unsent_in<W: Write>(&self, out: &Outbox<W>) -> u32 {
        if out.is_empty() { 0 } else { self.unsent }
    }

    /// The numbers of a reply that overtakes what the outbox holds.
    pub(super) fn numbers_now<W: Write>(&mut self, out: &Outbox<W>) -> Numbers {
        let unsent = self.unsent_in(out);
        let numbers = self.numbers();
        Numbers {
            stat_sn: numbers.stat_sn.wrapping_sub(unsent),
            ..numbers
        }
    }

    /// Work on the disk, which may have to wait for it: meanwhile the initiator hears from us.
    pub(super) fn at_disk<T>(&self, now: Numbers, work: impl FnOnce(&[Nexus]) -> T) -> T {
        match &self.pulse {
            Some(pulse) => pulse.during(now, || work(&self.units)),
            None => work(&self.units),
        }
    }

    fn scsi<W: Write>(
        &mut self,
        pdu: &Pdu,
        cdb: &Cdb,
        way: Way,
        data: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        if self.units.is_empty() {
            // Discovery sessions have no disk (section 4.3).
            let header = pdu.encode(data.len());
            return self.reply(Reply::Reject { reason: 0x04 }, &header, out);
        }
        let now = self.numbers_now(out);
        let (unit, plan) = match self.place(pdu.lun) {
            Some(unit) => (unit, self.at_disk(now, |units| units[unit].begin(cdb))),
            // No plan for an absent one touches a unit.
            None => (0, scsi::absent(cdb)),
        };
        match plan {
            Plan::End(ending) => {
                let expected = way.read.max(way.write);
                self.end(pdu.itt, ending, Residual::between(expected, 0), 0, out)
            }
            Plan::Data(bytes) => self.data_in(pdu.itt, way.read, &bytes, out),
            Plan::Read { offset, len } => self.read(pdu.itt, unit, way.read, (offset, len), out),
            Plan::Receive(transfer) => {
                let from = Origin {
                    itt: pdu.itt,
                    lun: pdu.lun,
                    unit,
                };
                self.receive(from, transfer, way.write, way.last, data, out)
            }
        }
    }

    /// Which of its units an eight-byte LUN names.
    fn place(&self, lun: u64) -> Option<usize> {
        let lun = lun_of(lun)?;
        self.units
            .iter()
            .position(|nexus| nexus.unit().lun() == lun)
    }

    /// Ends a command with a response of its own.
    pub(super) fn end<W: Write>(
        &mut self,
        itt: u32,
        ending: Ending,
        residual: Residual,
        exp_data_sn: u32,
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        let response = |status| Reply::Scsi {
            itt,
            status,
            residual,
            exp_data_sn,
        };
        match ending {
            Ending::Good => self.reply(response(status::GOOD), &[], out),
            Ending::Conflict => self.reply(response(status::RESERVATION_CONFLICT), &[], out),
            Ending::Check(sense) => {
                let mut data = [0; 2 + SENSE_LEN];
                data[1] = SENSE_LEN as u8;
                data[2..].copy_from_slice(&sense.fixed());
                self.reply(response(status::CHECK_CONDITION), &data, out)
            }
        }
    }

    /// Sends bytes that are in memory, with the status on the last PDU.
    fn data_in<W: Write>(
        &mut self,
        itt: u32,
        expected: u32,
        bytes: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        let residual = Residual::between(expected, bytes.len() as u64);
        let bytes = &bytes[..bytes.len().min(expected as usize)];
        if bytes.is_empty() {
            return self.end(itt, Ending::Good, residual, 0, out);
        }
        let mut cutter = Cutter::new(&self.params, bytes.len() as u64);
        while let Some(piece) = cutter.next() {
            out.slot(piece.len)?;
            let header = self.data_in_header(itt, &piece, residual, out);
            let at = piece.offset as usize;
            out.send(&header, &bytes[at..at + piece.len])?;
        }
        Ok(())
    }

    /// Sends a range of the disk, each piece read straight into the outbox.
    fn read<W: Write>(
        &mut self,
        itt: u32,
        unit: usize,
        expected: u32,
        (offset, len): (u64, u64),
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        let residual = Residual::between(expected, len);
        let send = len.min(expected.into());
        if send == 0 {
            return self.end(itt, Ending::Good, residual, 0, out);
        }
        self.has_read = true;
        let mut cutter = Cutter::new(&self.params, send);
        while let Some(piece) = cutter.next() {
            // The disk gives whole blocks; of the last one only a part may be wanted.
            let whole = piece.len.next_multiple_of(BLOCK as usize);
            out.slot(whole)?;
            let (now, at) = (self.numbers_now(out), offset + u64::from(piece.offset));
            let slot = out.slot(whole)?;
            let read = self.at_disk(now, |units| units[unit].read(at, slot));
            if let Err(sense) = read {
                let residual = Residual::between(expected, piece.offset.into());
                return self.end(itt, Ending::Check(sense), residual, piece.sn, out);
            }
            let header = self.data_in_header(itt, &piece, residual, out);
            out.commit(&header, piece.len);
        }
        Ok(())
    }

    fn data_in_header<W: Write>(
        &mut self,
        itt: u32,
        piece: &Piece,
        residual: Residual,
        out: &Outbox<W>,
    ) -> [u8; 48] {
        let reply = Reply::DataIn {
            last: piece.burst_end,
            status: piece.end.then_some(residual),
            itt,
            data_sn: piece.sn,
            offset: piece.offset,
        };
        let header = reply.encode(self.numbers(), piece.len);
        if piece.end {
            self.count_status(out);
        }
        header
    }

    fn nop_out<W: Write>(&mut self, pdu: &Pdu, data: &[u8], out: &mut Outbox<W>) -> io::Result<()> {
        self.knows_nop = true;
        if pdu.itt == NO_TAG {
            // The answer to our ping.
            return Ok(());
        }
        let reply = Reply::NopIn {
            lun: pdu.lun,
            itt: pdu.itt,
            ttt: NO_TAG,
        };
        let most = (self.params.their_segment as usize).min(MAX_SEGMENT_OUT);
        self.reply(reply, &data[..data.len().min(most)], out)
    }

    fn task_management<W: Write>(
        &mut self,
        pdu: &Pdu,
        function: TaskFunction,
        referenced: u32,
        out: &mut Outbox<W>,
    ) -> io::Result<Flow> {
        const COMPLETE: u8 = 0;
        const NO_SUCH_TASK: u8 = 1;
        const NO_SUCH_LUN: u8 = 2;
        const NOT_SUPPORTED: u8 = 5;
        let has_units = !self.units.is_empty();
        let mut flow = Flow::Continue;
        let response = match (function, self.place(pdu.lun)) {
            (TaskFunction::TargetWarmReset | TaskFunction::TargetColdReset, _) if has_units => {
                self.tasks.clear();
                self.units.iter().for_each(Nexus::reset);
                if function == TaskFunction::TargetColdReset {
                    flow = Flow::CloseTarget;
                }
                COMPLETE
            }
            (_, None) => NO_SUCH_LUN,
            (TaskFunction::AbortTask, Some(unit)) => {
                // What does not wait for data is answered already, within the same turn.
                let is_it = |t: &Task| t.itt == referenced && t.unit == unit;
                let waits = self.tasks.iter().any(is_it);
                self.tasks.retain(|t| !is_it(t));
                if waits { COMPLETE } else { NO_SUCH_TASK }
            }
            (TaskFunction::AbortTaskSet | TaskFunction::ClearTaskSet, Some(unit)) => {
                self.tasks.retain(|t| t.unit != unit);
                COMPLETE
            }
            (TaskFunction::LogicalUnitReset, Some(unit)) => {
                self.tasks.retain(|t| t.unit != unit);
                self.units[unit].reset();
                COMPLETE
            }
            _ => NOT_SUPPORTED,
        };
        let itt = pdu.itt;
        self.reply(Reply::TaskManagement { itt, response }, &[], out)?;
        self.solicit(out)?;
        Ok(flow)
    }

    fn logout<W: Write>(&mut self, itt: u32, reason: u8, out: &mut Outbox<W>) -> io::Result<Flow> {
        // Reason 2 keeps the connection's tasks for another one: no recovery here (response 2).
        let recovery = reason == 2;
        let response = if recovery { 2 } else { 0 };
        self.reply(Reply::Logout { itt, response }, &[], out)?;
        Ok(if recovery {
            Flow::Continue
        } else {
            Flow::Close
        })
    }
}

/// Which way a command moves data, and how much at most.
struct Way {
    last: bool,
    read: u32,
    write: u32,
}

/// The logical unit that an eight-byte LUN names, if it has one level (SAM-5 section 4.7).
fn lun_of(lun: u64) -> Option<u16> {
    let first = (lun >> 48) as u16;
    // Peripheral (bus 0) or flat addressing.
    let single = lun & 0xffff_ffff_ffff == 0 && matches!(first >> 14, 0 | 1);
    let bus_zero = first >> 14 == 1 || first < 0x100;
    (single && bus_zero).then_some(first & 0x3fff)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "units_tests.rs"]
mod units_tests;
