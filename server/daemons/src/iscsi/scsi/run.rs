//! Executes commands on a unit.

use super::{
    cdb::{self, Cdb, Check, Command, Span},
    opcodes,
    pages::{self, BLOCK, MAX_WRITE_SAME},
    reserve::{Access, Refused},
    sense::Sense,
    unit::{Nexus, Unit},
};
use std::{io, sync::PoisonError};

/// The longest parameter list that is collected, in bytes.
const MAX_LIST: u64 = 64 * 1024;
/// Scratch for reading back what is compared, in bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Good,
    Check(Sense),
    Conflict,
}

impl From<Result<(), Sense>> for Ending {
    fn from(result: Result<(), Sense>) -> Self {
        result.map_or_else(Ending::Check, |()| Ending::Good)
    }
}

impl From<Refused> for Ending {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Conflict => Ending::Conflict,
            Refused::Check(sense) => Ending::Check(sense),
        }
    }
}

/// What a command needs from the session next.
#[derive(Debug)]
pub enum Plan {
    /// It is over.
    End(Ending),
    /// Good status with these bytes.
    Data(Vec<u8>),
    /// Good status with this range of the disk, read as it is sent.
    Read { offset: u64, len: u64 },
    /// Data from the initiator.
    Receive(Transfer),
}

/// A command that waits for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    command: Command,
    /// How many bytes the command moves.
    pub need: u64,
    /// Whether the data is taken piece by piece, in order; otherwise all of it is given at the end.
    pub streamed: bool,
    /// Whether another length than `need` is an error.
    pub exact: bool,
}

impl Nexus {
    /// Judges a command and does what needs no data from the initiator.
    pub fn begin(&self, block: &Cdb) -> Plan {
        self.plan(block).unwrap_or_else(Plan::End)
    }

    fn plan(&self, block: &Cdb) -> Result<Plan, Ending> {
        let command = cdb::parse(block);
        // These never end with a unit attention (SAM-5 section 5.14).
        let exempt = matches!(
            command,
            Ok(Command::Inquiry { .. } | Command::ReportLuns { .. } | Command::RequestSense { .. })
        );
        if !exempt && let Some(attention) = self.take_attention() {
            return Err(Ending::Check(attention));
        }
        let command = command.map_err(Ending::Check)?;
        if self.conflicts(access(&command)) {
            return Err(Ending::Conflict);
        }
        if self.unit.facts.read_only && writes(&command) {
            return Err(Ending::Check(Sense::WRITE_PROTECTED));
        }
        match command {
            Command::Reserve => self.reservations(|r, id, _| Ok((r.reserve(id)?, Vec::new())))?,
            Command::Release => self.reservations(|r, id, _| Ok((r.release(id)?, Vec::new())))?,
            Command::PersistentIn { action, alloc } => {
                let read = |r: &mut super::reserve::Reservations| r.persistent_in(action);
                let data = self
                    .reservations(|r, _, _| Ok((read(r).map_err(Refused::Check)?, Vec::new())))?;
                return Ok(cut(data, alloc));
            }
            Command::RequestSense { descriptor, alloc } => {
                let sense = self.take_attention().unwrap_or(Sense::NONE);
                return Ok(match descriptor {
                    true => cut(sense.descriptor(), alloc),
                    false => cut(sense.fixed().to_vec(), alloc),
                });
            }
            _ => return self.unit.plan(command).map_err(Ending::Check),
        }
        Ok(Plan::End(Ending::Good))
    }

    /// Reads a range that [`Plan::Read`] named.
    pub fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), Sense> {
        self.unit.read(offset, buf)
    }

    /// The next piece of a streamed transfer: whole blocks, `at` bytes into it.
    pub fn piece(&self, transfer: &Transfer, at: u64, data: &[u8]) -> Result<(), Sense> {
        self.unit.piece(&transfer.command, at, data)
    }

    /// The end of a transfer, with its data unless it was streamed.
    pub fn finish(&self, transfer: &Transfer, data: &[u8]) -> Ending {
        match transfer.command {
            Command::PersistentOut {
                action,
                scope,
                kind,
                ..
            } => {
                let done = self.reservations(|r, _, port| {
                    Ok(((), r.persistent_out(port, action, scope, kind, data)?))
                });
                done.map_or_else(Ending::from, |()| Ending::Good)
            }
            command => self.unit.finish(&command, data).into(),
        }
    }
}

/// What becomes of a command for a logical unit that is not there.
pub fn absent(block: &Cdb) -> Plan {
    match cdb::parse(block) {
        Ok(Command::Inquiry { page: None, alloc }) => cut(pages::inquiry(false), alloc),
        Ok(Command::RequestSense { alloc, .. }) => {
            cut(Sense::LUN_NOT_SUPPORTED.fixed().to_vec(), alloc)
        }
        _ => Plan::End(Ending::Check(Sense::LUN_NOT_SUPPORTED)),
    }
}

fn cut(mut data: Vec<u8>, alloc: usize) -> Plan {
    data.truncate(alloc);
    Plan::Data(data)
}

fn access(command: &Command) -> Access {
    match command {
        Command::Inquiry { .. }
        | Command::ReportLuns { .. }
        | Command::RequestSense { .. }
        | Command::Release => Access::Always,
        Command::Read(_) | Command::Verify { .. } | Command::Prefetch(_) => Access::Read,
        Command::GetLbaStatus { .. } => Access::Read,
        command if writes(command) => Access::Write,
        Command::SynchronizeCache { .. } | Command::ModeSelect { .. } => Access::Write,
        _ => Access::Control,
    }
}

fn writes(command: &Command) -> bool {
    matches!(
        command,
        Command::Write { .. }
            | Command::WriteSame { .. }
            | Command::Unmap { .. }
            | Command::CompareAndWrite { .. }
            | Command::OrWrite { .. }
    )
}

impl Unit {
    fn plan(&self, command: Command) -> Result<Plan, Sense> {
        match command {
            Command::Read(span) => {
                let (offset, len) = self.range(span)?;
                Ok(Plan::Read { offset, len })
            }
            Command::Write { span, .. } | Command::OrWrite { span, .. } => {
                let (_, need) = self.range(span)?;
                Ok(receive(command, need, true, false))
            }
            Command::Verify { span, check } => self.plan_verify(command, span, check),
            Command::CompareAndWrite { lba, blocks, .. } => {
                let (_, len) = self.range(Span {
                    lba,
                    blocks: blocks.into(),
                })?;
                Ok(receive(command, 2 * len, false, true))
            }
            Command::WriteSame { span, no_data, .. } => {
                self.range(span)?;
                if span.blocks == 0 || u64::from(span.blocks) > MAX_WRITE_SAME {
                    return Err(Sense::INVALID_FIELD_IN_CDB);
                }
                let need = if no_data { 0 } else { BLOCK };
                Ok(receive(command, need, false, true))
            }
            Command::Unmap { len }
            | Command::ModeSelect { len, .. }
            | Command::PersistentOut { len, .. } => {
                if len as u64 > MAX_LIST {
                    return Err(Sense::PARAMETER_LIST_LENGTH);
                }
                if let Command::ModeSelect {
                    save, page_format, ..
                } = command
                    && (save || !page_format)
                {
                    return Err(Sense::INVALID_FIELD_IN_CDB);
                }
                Ok(receive(command, len as u64, false, false))
            }
            Command::SynchronizeCache { span, immediate } => {
                self.range(span)?;
                // IMMED only allows an early status; a flush that has failed must be told.
                let _ = immediate;
                self.flush()?;
                Ok(Plan::End(Ending::Good))
            }
            Command::Prefetch(span) => {
                self.range(span)?;
                Ok(Plan::End(Ending::Good))
            }
            other => self.answer(other),
        }
    }

    fn plan_verify(&self, command: Command, span: Span, check: Check) -> Result<Plan, Sense> {
        let (offset, len) = self.range(span)?;
        match check {
            Check::Data => Ok(receive(command, len, true, false)),
            Check::OneBlock if len > 0 => Ok(receive(command, BLOCK, false, true)),
            _ => {
                let mut buf = vec![0; CHUNK];
                let mut at = 0;
                while at < len {
                    let n = (len - at).min(CHUNK as u64) as usize;
                    self.read(offset + at, &mut buf[..n])?;
                    at += n as u64;
                }
                Ok(Plan::End(Ending::Good))
            }
        }
    }

    /// Commands that only look at the unit.
    fn answer(&self, command: Command) -> Result<Plan, Sense> {
        let facts = &self.facts;
        Ok(match command {
            Command::Inquiry { page: None, alloc } => cut(pages::inquiry(true), alloc),
            Command::Inquiry {
                page: Some(page),
                alloc,
            } => cut(pages::vpd(page, facts)?, alloc),
            Command::ModeSense {
                ten,
                no_descriptor,
                long,
                control,
                page,
                subpage,
                alloc,
            } => {
                let ask = pages::ModeSense {
                    ten,
                    no_descriptor,
                    long,
                    control,
                    page,
                    subpage,
                };
                cut(pages::mode_sense(ask, facts)?, alloc)
            }
            Command::ReportLuns { select, alloc } => {
                cut(pages::report_luns(select, &facts.luns)?, alloc)
            }
            Command::ReadCapacity10 => Plan::Data(pages::capacity10(facts).to_vec()),
            Command::ReadCapacity16 { alloc } => cut(pages::capacity16(facts).to_vec(), alloc),
            Command::GetLbaStatus { lba, alloc } => cut(self.lba_status(lba, alloc)?, alloc),
            Command::ReportOpcodes {
                timeouts,
                options,
                opcode,
                service,
                alloc,
            } => cut(opcodes::report(timeouts, options, opcode, service)?, alloc),
            Command::ReportTaskFunctions { alloc } => {
                cut(opcodes::task_functions().to_vec(), alloc)
            }
            Command::StartStop {
                power_condition,
                load_eject,
                start,
            } => {
                // The medium can't be ejected, and a disk that others may use is never stopped; a
                // stop makes what was written durable.
                if load_eject {
                    return Err(Sense::INVALID_FIELD_IN_CDB);
                }
                if power_condition == 0 && !start && !facts.read_only {
                    self.flush()?;
                }
                Plan::End(Ending::Good)
            }
            _ => Plan::End(Ending::Good),
        })
    }

    /// The bytes of a span, if it lies on the disk.
    pub(super) fn range(&self, span: Span) -> Result<(u64, u64), Sense> {
        let end = span.lba.checked_add(span.blocks.into());
        match end {
            Some(end) if end <= self.facts.blocks => {
                Ok((span.lba * BLOCK, u64::from(span.blocks) * BLOCK))
            }
            _ => Err(Sense::LBA_OUT_OF_RANGE),
        }
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), Sense> {
        self.device.read_at(offset, buf).map_err(|error| {
            tracing::error!(target = %self.facts.target, offset, %error, "read failed");
            Sense::READ_ERROR
        })
    }

    pub(super) fn write(&self, offset: u64, buf: &[u8]) -> Result<(), Sense> {
        self.device
            .write_at(offset, buf)
            .map_err(|error| self.not_written("write", offset, &error))
    }

    fn flush(&self) -> Result<(), Sense> {
        self.device
            .flush()
            .map_err(|error| self.not_written("flush", 0, &error))
    }

    /// What a guest is told of a change that was not made.
    pub(super) fn not_written(&self, what: &str, offset: u64, error: &io::Error) -> Sense {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let target = &self.facts.target;
        if matches!(error.kind(), QuotaExceeded | StorageFull) {
            // Not an error of ours, and a guest may try again without end: who watches disks tells of it.
            tracing::debug!(%target, offset, %error, "{what} refused");
            return Sense::SPACE_ALLOCATION_FAILED;
        }
        tracing::error!(%target, offset, %error, "{what} failed");
        Sense::WRITE_ERROR
    }

    fn piece(&self, command: &Command, at: u64, data: &[u8]) -> Result<(), Sense> {
        match command {
            Command::Write { span, compare, .. } => {
                let offset = span.lba * BLOCK + at;
                self.write(offset, data)?;
                if *compare {
                    self.compare(offset, at, data)
                } else {
                    Ok(())
                }
            }
            Command::Verify { span, .. } => self.compare(span.lba * BLOCK + at, at, data),
            Command::OrWrite { span, .. } => {
                let _atomic = self.atomic.lock().unwrap_or_else(PoisonError::into_inner);
                let offset = span.lba * BLOCK + at;
                let mut merged = vec![0; data.len()];
                self.read(offset, &mut merged)?;
                merged.iter_mut().zip(data).for_each(|(m, d)| *m |= d);
                self.write(offset, &merged)
            }
            _ => Ok(()),
        }
    }

    /// Compares the disk with data; `base` is where in the transfer the data begins.
    fn compare(&self, offset: u64, base: u64, data: &[u8]) -> Result<(), Sense> {
        let mut buf = vec![0; data.len().min(CHUNK)];
        let mut at = 0;
        for part in data.chunks(CHUNK) {
            let on_disk = &mut buf[..part.len()];
            self.read(offset + at, on_disk)?;
            if let Some(i) = on_disk.iter().zip(part).position(|(a, b)| a != b) {
                return Err(Sense::MISCOMPARE.at(base + at + i as u64));
            }
            at += part.len() as u64;
        }
        Ok(())
    }

    fn finish(&self, command: &Command, data: &[u8]) -> Result<(), Sense> {
        match *command {
            Command::Write { fua: true, .. } | Command::OrWrite { fua: true, .. } => self.flush(),
            Command::Verify {
                span,
                check: Check::OneBlock,
            } => {
                let (offset, len) = self.range(span)?;
                (0..len / BLOCK).try_for_each(|i| self.compare(offset + i * BLOCK, 0, data))
            }
            Command::CompareAndWrite { lba, fua, .. } => {
                let (expected, new) = data.split_at(data.len() / 2);
                let _atomic = self.atomic.lock().unwrap_or_else(PoisonError::into_inner);
                self.compare(lba * BLOCK, 0, expected)?;
                self.write(lba * BLOCK, new)?;
                if fua { self.flush() } else { Ok(()) }
            }
            Command::WriteSame { span, unmap, .. } => self.write_same(span, unmap, data),
            Command::Unmap { .. } => self.unmap(data),
            Command::ModeSelect { ten, .. } => pages::mode_select(ten, data, &self.facts),
            _ => Ok(()),
        }
    }
}

fn receive(command: Command, need: u64, streamed: bool, exact: bool) -> Plan {
    Plan::Receive(Transfer {
        command,
        need,
        streamed,
        exact,
    })
}
