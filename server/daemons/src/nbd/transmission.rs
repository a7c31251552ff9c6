//! Requests carried out on the disk, one after the other, and their replies.

use super::{
    buffer::{Line, PIECE},
    handshake::ALLOCATION_ID,
    large::{LARGE, LargeBuffers},
    session::{BLOCK, Terms, Work},
    wire::{self, CHUNK_LEN, ChunkKind, NbdError, Request},
};
use engine::export::{BlockDevice, SessionInfo};
use std::io;

/// How much is discarded before it is looked whether the session still lives, bytes.
const DISCARD_STEP: u64 = 64 << 20;
/// How much is asked about at a time for a block status, bytes.
const STATUS_STEP: u64 = 256 << 20;
/// Runs after which a block status is long enough; the client asks again for the rest.
const STATUS_RUNS: usize = 1024;
/// A run that is a hole and reads as zeros (`NBD_STATE_HOLE`, `NBD_STATE_ZERO`).
const HOLE_AND_ZERO: u32 = 3;

/// The transmission phase of one connection.
pub(super) struct Transmission<'a> {
    line: Line<'a>,
    large: &'a LargeBuffers,
    device: &'a dyn BlockDevice,
    terms: Terms,
    info: &'a SessionInfo,
    /// Whether the session was told to end: long work looks there between two steps.
    is_ending: &'a dyn Fn() -> bool,
    has_read: bool,
}

/// What is said of a request without data: it was done, or the error.
type Done = Result<(), NbdError>;

impl<'a> Transmission<'a> {
    pub fn new(
        (line, large): (Line<'a>, &'a LargeBuffers),
        device: &'a dyn BlockDevice,
        terms: Terms,
        info: &'a SessionInfo,
        is_ending: &'a dyn Fn() -> bool,
    ) -> Self {
        Transmission {
            line,
            large,
            device,
            terms,
            info,
            is_ending,
            has_read: false,
        }
    }

    /// Serves requests until the client leaves; `first_read` is called once, after the first block was
    /// sent.
    ///
    /// # Errors
    /// When the connection is lost, or the client broke the protocol.
    pub fn run(mut self, first_read: &mut dyn FnMut()) -> io::Result<()> {
        let mut told_read = false;
        loop {
            while let Some(bytes) = self.line.inbox.take() {
                let request = Request::parse(&bytes).map_err(io::Error::other)?;
                // What was sent before is not carried out once the session is told to end.
                if (self.is_ending)() {
                    return self.line.out.flush();
                }
                if !self.handle(&request)? {
                    return self.line.out.flush();
                }
            }
            self.line.out.flush()?;
            if self.has_read && !std::mem::replace(&mut told_read, true) {
                first_read();
            }
            if self.line.read_more()? == 0 {
                return Ok(());
            }
        }
    }

    /// Carries out one request; false when the client leaves.
    fn handle(&mut self, request: &Request) -> io::Result<bool> {
        let cookie = request.cookie;
        match self.terms.decide(request) {
            Work::Disconnect => return Ok(false),
            Work::Read { offset, len, whole } => {
                self.has_read = true;
                match self.terms.structured && !whole {
                    true => self.read_chunks(cookie, offset, len)?,
                    false => self.read_whole(cookie, offset, len)?,
                }
            }
            Work::Status { offset, len, one } => self.status(cookie, offset, len, one)?,
            Work::Write {
                offset,
                len,
                durable,
            } => {
                let written = self.write(offset, len)?;
                let done = self.made_durable(written, durable);
                self.reply(request, done)?;
            }
            Work::Discard {
                offset,
                len,
                durable,
            } => {
                let discarded = self.discard(offset, len)?;
                let done = self.made_durable(discarded, durable);
                self.reply(request, done)?;
            }
            Work::WriteZeros {
                offset,
                len,
                durable,
            } => {
                let written = self.write_zeros(offset, len)?;
                let done = self.made_durable(written, durable);
                self.reply(request, done)?;
            }
            Work::Flush => {
                let done = self.made_durable(Ok(()), true);
                self.reply(request, done)?;
            }
            Work::Nothing => self.reply(request, Ok(()))?,
            Work::Refuse { error, payload } => {
                self.line.drain(payload as usize)?;
                self.reply(request, Err(error))?;
            }
        }
        Ok(true)
    }

    /// Answers a request that has no data to send.
    fn reply(&mut self, request: &Request, done: Done) -> io::Result<()> {
        use wire::Command::{BlockStatus, Read};
        let cookie = request.cookie;
        let in_chunks = self.terms.structured && matches!(request.command, Read | BlockStatus);
        match done {
            Err(error) if in_chunks => self.error_chunk(cookie, error, None),
            Ok(()) if in_chunks => {
                let head = wire::chunk(ChunkKind::None, true, cookie, 0);
                self.line.out.put(&head)
            }
            done => self.line.out.put(&wire::simple_reply(done.err(), cookie)),
        }
    }

    /// Ends a reply with an error, at a place of the disk if that is known.
    fn error_chunk(&mut self, cookie: u64, error: NbdError, at: Option<u64>) -> io::Result<()> {
        let (kind, len) = match at {
            None => (ChunkKind::Error, 6),
            Some(_) => (ChunkKind::ErrorOffset, 14),
        };
        let out = &mut self.line.out;
        out.put(&wire::chunk(kind, true, cookie, len))?;
        out.put(&(error as u32).to_be_bytes())?;
        out.put(&0u16.to_be_bytes())?;
        at.map_or(Ok(()), |at| out.put(&at.to_be_bytes()))
    }

    /// The data in one piece: after a simple reply, or as the one chunk of a structured one. An error
    /// after its beginning was sent can only be told by ending the connection.
    fn read_whole(&mut self, cookie: u64, offset: u64, len: u32) -> io::Result<()> {
        let mut head = Vec::with_capacity(CHUNK_LEN + 8);
        match self.terms.structured {
            false => head.extend(wire::simple_reply(None, cookie)),
            true => {
                head.extend(wire::chunk(ChunkKind::OffsetData, true, cookie, 8 + len));
                head.extend(offset.to_be_bytes());
            }
        }
        let end = offset + u64::from(len);
        let mut at = offset;
        while at < end {
            let n = (end - at).min(PIECE as u64) as usize;
            let before = if at == offset { head.len() } else { 0 };
            let room = self.line.out.room(before + n)?;
            if let Err(error) = self.device.read_at(at, &mut room[before..]) {
                let told = self.failed("read", at, n as u64, &error);
                if at > offset {
                    return Err(error);
                }
                return match self.terms.structured {
                    true => self.error_chunk(cookie, told, Some(at)),
                    false => self.line.out.put(&wire::simple_reply(Some(told), cookie)),
                };
            }
            room[..before].copy_from_slice(&head[..before]);
            self.line.out.commit(before + n);
            at += n as u64;
        }
        Ok(())
    }

    /// The data in chunks, without what is zero anyway. The disk is not asked where its holes are: the answer may
    /// have to look through the rest of its file (on tmpfs page by page), and took five times as long as the read.
    fn read_chunks(&mut self, cookie: u64, offset: u64, len: u32) -> io::Result<()> {
        let end = offset + u64::from(len);
        let buffers = self.large;
        let mut large = (len as usize > PIECE).then(|| buffers.take()).flatten();
        let mut at = offset;
        while at < end {
            if let Some(buffer) = &mut large {
                let n = (end - at).min(LARGE as u64) as usize;
                let data = &mut buffer[..n];
                match self.device.read_at(at, data) {
                    Ok(()) => {
                        self.large_chunks(cookie, at, data, end)?;
                        at += n as u64;
                    }
                    // Read in smaller pieces, it shows where.
                    Err(_) => large = None,
                }
                continue;
            }
            let n = (end - at).min(PIECE as u64) as usize;
            if !self.data_chunk(cookie, at, n, end)? {
                return Ok(());
            }
            at += n as u64;
        }
        Ok(())
    }

    /// What was read into a large buffer, as runs of pieces that are zeros and of others.
    fn large_chunks(&mut self, cookie: u64, from: u64, data: &[u8], end: u64) -> io::Result<()> {
        let mut rest = data;
        while let Some(first) = rest.chunks(PIECE).next() {
            let zeros = is_zero(first);
            let alike = rest.chunks(PIECE).take_while(|p| is_zero(p) == zeros);
            let run = alike.map(<[u8]>::len).sum();
            let at = from + (data.len() - rest.len()) as u64;
            let is_last = at + run as u64 == end;
            match zeros {
                true => self.hole_chunk(cookie, at, run as u32, is_last)?,
                false => {
                    let head = data_head(cookie, at, run, is_last);
                    self.line.send_large(&head, &rest[..run])?;
                }
            }
            rest = &rest[run..];
        }
        Ok(())
    }

    /// One chunk of data, or of a hole when it is all zeros; false when an error ended the reply.
    fn data_chunk(&mut self, cookie: u64, at: u64, n: usize, end: u64) -> io::Result<bool> {
        let is_last = at + n as u64 == end;
        let room = self.line.out.room(DATA_HEAD + n)?;
        let (head, data) = room.split_at_mut(DATA_HEAD);
        if let Err(error) = self.device.read_at(at, data) {
            let told = self.failed("read", at, n as u64, &error);
            return self.error_chunk(cookie, told, Some(at)).map(|()| false);
        }
        if is_zero(data) {
            return self
                .hole_chunk(cookie, at, n as u32, is_last)
                .map(|()| true);
        }
        head.copy_from_slice(&data_head(cookie, at, n, is_last));
        self.line.out.commit(DATA_HEAD + n);
        Ok(true)
    }

    fn hole_chunk(&mut self, cookie: u64, at: u64, len: u32, is_last: bool) -> io::Result<()> {
        let out = &mut self.line.out;
        out.put(&wire::chunk(ChunkKind::OffsetHole, is_last, cookie, 12))?;
        out.put(&at.to_be_bytes())?;
        out.put(&len.to_be_bytes())
    }

    /// The runs of a range, exactly as long as it. What can't be told counts as data.
    fn runs(&self, offset: u64, len: u64) -> Vec<(u64, bool)> {
        let told = self.device.extents(offset, len).unwrap_or_else(|error| {
            self.failed("a look for holes", offset, len, &error);
            Vec::new()
        });
        let mut left = len;
        let mut runs: Vec<(u64, bool)> = Vec::with_capacity(told.len());
        for (run, has_data) in told {
            let run = run.min(left);
            left -= run;
            match runs.last_mut() {
                _ if run == 0 => {}
                Some((total, data)) if *data == has_data => *total += run,
                _ => runs.push((run, has_data)),
            }
        }
        if left > 0 {
            runs.push((left, true));
        }
        runs
    }

    /// Which runs hold data: as many as there are, or fit, or one.
    fn status(&mut self, cookie: u64, offset: u64, len: u32, one: bool) -> io::Result<()> {
        let end = offset + u64::from(len);
        let most = if one { 1 } else { STATUS_RUNS };
        let mut all: Vec<(u64, bool)> = Vec::new();
        let mut at = offset;
        // One more than is sent, so that the last one that is sent is whole.
        while at < end && all.len() <= most {
            let step = (end - at).min(STATUS_STEP);
            for (run, has_data) in self.runs(at, step) {
                match all.last_mut() {
                    Some((total, data)) if *data == has_data => *total += run,
                    _ => all.push((run, has_data)),
                }
            }
            at += step;
        }
        all.truncate(most);
        let out = &mut self.line.out;
        let payload = 4 + 8 * all.len() as u32;
        out.put(&wire::chunk(ChunkKind::BlockStatus, true, cookie, payload))?;
        out.put(&ALLOCATION_ID.to_be_bytes())?;
        for (run, has_data) in all {
            let state = if has_data { 0 } else { HOLE_AND_ZERO };
            out.put(&(run as u32).to_be_bytes())?;
            out.put(&state.to_be_bytes())?;
        }
        Ok(())
    }

    /// Writes the payload as it comes. After an error the rest is only used up.
    fn write(&mut self, offset: u64, len: u32) -> io::Result<Done> {
        let end = offset + u64::from(len);
        let mut at = offset;
        let mut done = Ok(());
        while at < end {
            // Cut between the disk's blocks: half a block costs a read of the other half.
            let n = (end - at).min(PIECE as u64 - at % BLOCK) as usize;
            let payload = self.line.payload(n)?;
            if done.is_ok() {
                let written = self.device.write_at(at, payload);
                done = written.map_err(|e| self.failed("write", at, n as u64, &e));
            }
            self.line.inbox.skip(n);
            at += n as u64;
        }
        Ok(done)
    }

    fn discard(&self, offset: u64, len: u32) -> io::Result<Done> {
        self.in_steps(offset, len, DISCARD_STEP, |at, n| {
            let done = self.device.discard(at, n);
            done.map_err(|e| self.failed("discard", at, n, &e))
        })
    }

    fn write_zeros(&self, offset: u64, len: u32) -> io::Result<Done> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        self.in_steps(offset, len, ZEROS.len() as u64, |at, n| {
            let done = self.device.write_at(at, &ZEROS[..n as usize]);
            done.map_err(|e| self.failed("write of zeros", at, n, &e))
        })
    }

    /// Long work, cut between the disk's blocks. It ends with the session: who waits for that must not wait
    /// for four gigabytes.
    fn in_steps(
        &self,
        offset: u64,
        len: u32,
        step: u64,
        work: impl Fn(u64, u64) -> Done,
    ) -> io::Result<Done> {
        let end = offset + u64::from(len);
        let mut at = offset;
        while at < end {
            if (self.is_ending)() {
                return Err(io::Error::other("the session was told to end"));
            }
            let n = (end - at).min(step - at % BLOCK);
            if let Err(error) = work(at, n) {
                return Ok(Err(error));
            }
            at += n;
        }
        Ok(Ok(()))
    }

    /// What was done is on stable storage when this returns, if that is wanted.
    fn made_durable(&self, done: Done, durable: bool) -> Done {
        done?;
        match durable {
            true => self
                .device
                .flush()
                .map_err(|e| self.failed("flush", 0, self.terms.size, &e)),
            false => Ok(()),
        }
    }

    /// Tells the log of an error of the disk; what the client is told of it.
    fn failed(&self, what: &str, offset: u64, len: u64, error: &io::Error) -> NbdError {
        tracing::error!(target_name = %self.info.target, offset, len, %error, "{what} failed");
        NbdError::of(error)
    }
}

/// What goes before the data of a chunk, bytes.
const DATA_HEAD: usize = CHUNK_LEN + 8;

fn data_head(cookie: u64, at: u64, n: usize, is_last: bool) -> [u8; DATA_HEAD] {
    let mut head = [0; DATA_HEAD];
    let (chunk, place) = head.split_at_mut(CHUNK_LEN);
    let kind = ChunkKind::OffsetData;
    chunk.copy_from_slice(&wire::chunk(kind, is_last, cookie, 8 + n as u32));
    place.copy_from_slice(&at.to_be_bytes());
    head
}

/// Whether there is nothing but zeros: the first byte is, and each other is as the one before it.
fn is_zero(data: &[u8]) -> bool {
    match data {
        [] => true,
        [first, rest @ ..] => *first == 0 && *rest == data[..rest.len()],
    }
}
