//! Data from the initiator: immediate, unsolicited and solicited by R2T (RFC 7143 sections 4.2.5,
//! 11.7 and 11.8).

use super::{
    frame::Outbox,
    reply::{Reply, Residual},
    scsi::{Ending, Nexus, Sense, Transfer},
    session::Session,
    wire::NO_TAG,
};
use std::io::{self, Write};

/// Commands that a session may have waiting, which is the command window.
pub const MAX_TASKS: u32 = 128;
/// Commands that may have an R2T out at once: bounds what is buffered.
const MAX_SOLICITED: usize = 16;
const BLOCK: u64 = 512;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Unsolicited Data-Out is on its way.
    Unsolicited,
    /// Needs an R2T.
    Waiting,
    /// An R2T is out.
    Solicited { ttt: u32 },
}

/// Where a command came from, and for which unit of the session.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub itt: u32,
    pub lun: u64,
    pub unit: usize,
}

/// A command that waits for data.
#[derive(Debug)]
pub struct Task {
    pub itt: u32,
    lun: u64,
    /// Which of the session's units it is on.
    pub unit: usize,
    transfer: Transfer,
    expected: u32,
    /// How much is taken: what the command moves, or what the initiator has, if that is less.
    want: u64,
    received: u64,
    /// Bytes that the disk has already.
    taken: u64,
    /// Received, not yet given to the disk.
    held: Vec<u8>,
    phase: Phase,
    burst_end: u64,
    data_sn: u32,
    r2t_sn: u32,
    /// The first error; the rest of the data is still received.
    failed: Option<Sense>,
}

impl Session {
    /// A command that needs data, with what came with it.
    pub(super) fn receive<W: Write>(
        &mut self,
        from: Origin,
        transfer: Transfer,
        expected: u32,
        last: bool,
        data: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        let first_burst = u64::from(self.params.first_burst);
        let length_fits = if transfer.exact {
            u64::from(expected) == transfer.need
        } else {
            transfer.streamed || u64::from(expected) >= transfer.need
        };
        let unsolicited_ok = (data.is_empty() || self.params.immediate_data)
            && data.len() as u64 <= first_burst
            && (last || !self.params.initial_r2t);
        if !length_fits || !unsolicited_ok || data.len() as u64 > expected.into() {
            let sense = if length_fits {
                Sense::TOO_MUCH_WRITE_DATA
            } else {
                Sense::INVALID_FIELD_IN_CDB
            };
            let residual = Residual::between(expected, 0);
            return self.end(from.itt, Ending::Check(sense), residual, 0, out);
        }
        let mut task = Task {
            itt: from.itt,
            lun: from.lun,
            unit: from.unit,
            transfer,
            expected,
            want: transfer.need.min(expected.into()),
            received: 0,
            taken: 0,
            held: Vec::new(),
            phase: if last {
                Phase::Waiting
            } else {
                Phase::Unsolicited
            },
            burst_end: first_burst.min(expected.into()),
            data_sn: 0,
            r2t_sn: 0,
            failed: None,
        };
        self.take(&mut task, data, out);
        if task.received >= task.want && task.phase == Phase::Waiting {
            return self.finish(task, out);
        }
        if self.tasks.len() as u32 >= MAX_TASKS {
            // Only immediate commands can get here: the window counts all others.
            let residual = Residual::between(expected, 0);
            let ending = Ending::Check(Sense::DATA_PHASE_ERROR);
            return self.end(from.itt, ending, residual, 0, out);
        }
        self.tasks.push(task);
        self.solicit(out)
    }

    /// One Data-Out PDU. Data for a command that is over is dropped.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn data_out<W: Write>(
        &mut self,
        itt: u32,
        last: bool,
        ttt: u32,
        data_sn: u32,
        offset: u32,
        data: &[u8],
        out: &mut Outbox<W>,
    ) -> io::Result<()> {
        let Some(index) = self.tasks.iter().position(|t| t.itt == itt) else {
            return Ok(());
        };
        let mut task = self.tasks.remove(index);
        let tag_ok = match task.phase {
            Phase::Unsolicited => ttt == NO_TAG,
            Phase::Waiting => false,
            Phase::Solicited { ttt: ours } => ttt == ours,
        };
        let after = task.received + data.len() as u64;
        let solicited = matches!(task.phase, Phase::Solicited { .. });
        let sound = tag_ok
            && data_sn == task.data_sn
            && u64::from(offset) == task.received
            && after <= task.burst_end
            && (!last || !solicited || after == task.burst_end);
        if !sound {
            let residual = Residual::between(task.expected, task.received);
            self.end(
                itt,
                Ending::Check(Sense::DATA_PHASE_ERROR),
                residual,
                0,
                out,
            )?;
            return self.solicit(out);
        }
        self.take(&mut task, data, out);
        task.data_sn = task.data_sn.wrapping_add(1);
        if last {
            if task.received >= task.want {
                self.finish(task, out)?;
                return self.solicit(out);
            }
            task.phase = Phase::Waiting;
        }
        // Back to its place: the oldest is served first.
        self.tasks.insert(index, task);
        if last { self.solicit(out) } else { Ok(()) }
    }

    /// Gives data to the disk as far as it makes whole blocks, and keeps the rest.
    fn take<W: Write>(&mut self, task: &mut Task, data: &[u8], out: &Outbox<W>) {
        let room = task.want.saturating_sub(task.received);
        let data_used = &data[..data.len().min(room as usize)];
        task.received += data.len() as u64;
        if !task.transfer.streamed {
            task.held.extend_from_slice(data_used);
            return;
        }
        let now = self.numbers_now(out);
        let whole = |n: usize| n - n % BLOCK as usize;
        let give = |task: &mut Task, bytes: &[u8]| {
            if task.failed.is_none() && !bytes.is_empty() {
                let work =
                    |units: &[Nexus]| units[task.unit].piece(&task.transfer, task.taken, bytes);
                task.failed = self.at_disk(now, work).err();
            }
            task.taken += bytes.len() as u64;
        };
        if task.held.is_empty() {
            // The common case: straight from the inbox.
            let (blocks, rest) = data_used.split_at(whole(data_used.len()));
            give(task, blocks);
            task.held.extend_from_slice(rest);
        } else {
            task.held.extend_from_slice(data_used);
            let mut held = std::mem::take(&mut task.held);
            let blocks = whole(held.len());
            give(task, &held[..blocks]);
            held.drain(..blocks);
            task.held = held;
        }
    }

    fn finish<W: Write>(&mut self, task: Task, out: &mut Outbox<W>) -> io::Result<()> {
        let now = self.numbers_now(out);
        let finish = |units: &[Nexus]| units[task.unit].finish(&task.transfer, &task.held);
        let ending = match task.failed {
            Some(sense) => Ending::Check(sense),
            None => self.at_disk(now, finish),
        };
        let residual = Residual::between(task.expected, task.transfer.need);
        self.end(task.itt, ending, residual, task.r2t_sn, out)
    }

    /// Asks for the next burst of commands that wait, oldest first.
    pub(super) fn solicit<W: Write>(&mut self, out: &mut Outbox<W>) -> io::Result<()> {
        let is_solicited = |t: &&Task| matches!(t.phase, Phase::Solicited { .. });
        let mut out_now = self.tasks.iter().filter(is_solicited).count();
        for index in 0..self.tasks.len() {
            if out_now >= MAX_SOLICITED {
                break;
            }
            if self.tasks[index].phase != Phase::Waiting {
                continue;
            }
            let ttt = self.tag();
            let numbers = self.numbers();
            let burst = (u64::from(self.params.max_burst) / BLOCK * BLOCK).max(BLOCK);
            let task = &mut self.tasks[index];
            let length = (task.want - task.received).min(burst);
            task.phase = Phase::Solicited { ttt };
            task.burst_end = task.received + length;
            task.data_sn = 0;
            let r2t = Reply::R2t {
                lun: task.lun,
                itt: task.itt,
                ttt,
                r2t_sn: task.r2t_sn,
                offset: task.received as u32,
                length: length as u32,
            };
            task.r2t_sn = task.r2t_sn.wrapping_add(1);
            out_now += 1;
            out.send(&r2t.encode(numbers, 0), &[])?;
        }
        Ok(())
    }
}
