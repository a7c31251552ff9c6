//! PDUs on a byte stream: what has come in is cut into frames, what goes out is collected and sent
//! in one write. Lengths are checked before anything is kept, digests when they were agreed on.

use super::wire::{BHS_LEN, Bhs, Lengths};
use std::{
    io::{self, Read, Write},
    ops::Range,
};

/// Room of the inbox: the longest frame that a session may send us, twice padded and with digests.
const INBOX: usize = 256 * 1024 + 4096;
/// Room of the outbox: one data segment of the longest kind and what goes around it.
const OUTBOX: usize = MAX_SEGMENT_OUT + 4096;
/// The longest data segment that we send, in bytes.
pub const MAX_SEGMENT_OUT: usize = 256 * 1024;

/// Why the stream can't be read on.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    #[error("a data segment of {0} bytes is longer than agreed")]
    TooLong(usize),
    #[error("the header digest does not match")]
    HeaderDigest,
    #[error("the data digest does not match")]
    DataDigest,
}

/// Digests in use, which begin with the full feature phase.
#[derive(Clone, Copy, Default, Debug)]
pub struct Digests {
    pub header: bool,
    pub data: bool,
}

/// One PDU in the inbox.
#[derive(Debug)]
pub struct Frame {
    pub header: Bhs,
    /// Where its data segment is; see [`Inbox::bytes`].
    pub data: Range<usize>,
}

/// Bytes that have come in and are not used up.
pub struct Inbox {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    pub digests: Digests,
    /// The longest data segment that is taken, in bytes.
    pub max_segment: usize,
}

impl Inbox {
    pub fn new(max_segment: usize) -> Self {
        Inbox {
            buf: vec![0; INBOX].into_boxed_slice(),
            start: 0,
            end: 0,
            digests: Digests::default(),
            max_segment,
        }
    }

    /// The bytes of a frame's data segment; good until the next [`Inbox::fill`].
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.buf.get(range.clone()).unwrap_or_default()
    }

    /// Reads once from the stream; the count of bytes, 0 at its end.
    pub fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let n = stream.read(&mut self.buf[self.end..])?;
        self.end += n;
        Ok(n)
    }

    /// The next whole frame, if there is one.
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let waiting = &self.buf[self.start..self.end];
        let Some(header) = waiting.first_chunk::<BHS_LEN>() else {
            return Ok(None);
        };
        let lengths = Lengths::of(header);
        if lengths.data > self.max_segment {
            return Err(FrameError::TooLong(lengths.data));
        }
        let head = BHS_LEN + lengths.ahs;
        let data_at = head + 4 * usize::from(self.digests.header);
        let padded = lengths.padded_data();
        let data_end = data_at + padded;
        let has_digest = self.digests.data && padded > 0;
        let total = data_end + 4 * usize::from(has_digest);
        if waiting.len() < total {
            return Ok(None);
        }
        if self.digests.header && !digest_ok(&waiting[..head], &waiting[head..data_at]) {
            return Err(FrameError::HeaderDigest);
        }
        if has_digest && !digest_ok(&waiting[data_at..data_end], &waiting[data_end..total]) {
            return Err(FrameError::DataDigest);
        }
        let header = *header;
        let at = self.start + data_at;
        self.start += total;
        Ok(Some(Frame {
            header,
            data: at..at + lengths.data,
        }))
    }
}

/// Digests are CRC32C, least significant byte first (RFC 7143 section 11.2.3; RFC 3720 B.4).
fn digest_ok(bytes: &[u8], digest: &[u8]) -> bool {
    crc32c::crc32c(bytes).to_le_bytes() == *digest
}

/// Collects what is to be sent.
pub struct Outbox<W> {
    sink: W,
    buf: Box<[u8]>,
    len: usize,
    pub digests: Digests,
}

impl<W: Write> Outbox<W> {
    pub fn new(sink: W) -> Self {
        Outbox {
            sink,
            buf: vec![0; OUTBOX].into_boxed_slice(),
            len: 0,
            digests: Digests::default(),
        }
    }

    /// Sends one PDU with a data segment of at most [`MAX_SEGMENT_OUT`].
    pub fn send(&mut self, header: &Bhs, data: &[u8]) -> io::Result<()> {
        let data = &data[..data.len().min(MAX_SEGMENT_OUT)];
        self.slot(data.len())?.copy_from_slice(data);
        self.commit(header, data.len());
        Ok(())
    }

    /// Room for the data segment of the next PDU; it counts once [`Outbox::commit`] is called.
    pub fn slot(&mut self, len: usize) -> io::Result<&mut [u8]> {
        let len = len.min(MAX_SEGMENT_OUT + 512);
        if self.len + BHS_LEN + 12 + len > self.buf.len() {
            self.flush()?;
        }
        let at = self.len + BHS_LEN + 4 * usize::from(self.digests.header);
        Ok(&mut self.buf[at..at + len])
    }

    /// Appends the PDU whose first `data_len` data bytes were put into the slot.
    pub fn commit(&mut self, header: &Bhs, data_len: usize) {
        let at = self.len;
        self.buf[at..at + BHS_LEN].copy_from_slice(header);
        let mut end = at + BHS_LEN;
        if self.digests.header {
            let crc = crc32c::crc32c(header).to_le_bytes();
            self.buf[end..end + 4].copy_from_slice(&crc);
            end += 4;
        }
        let padded = data_len.next_multiple_of(4);
        self.buf[end + data_len..end + padded].fill(0);
        if self.digests.data && padded > 0 {
            let crc = crc32c::crc32c(&self.buf[end..end + padded]).to_le_bytes();
            self.buf[end + padded..end + padded + 4].copy_from_slice(&crc);
            end += 4;
        }
        self.len = end + padded;
    }

    /// Whether all that was collected is sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sends all that was collected.
    pub fn flush(&mut self) -> io::Result<()> {
        let len = std::mem::take(&mut self.len);
        self.sink.write_all(&self.buf[..len])
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
