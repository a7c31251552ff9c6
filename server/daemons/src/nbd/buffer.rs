//! Bytes on their way in and out: what has come in is read where it lies, what goes out is collected
//! and sent in one write.

use socket2::SockRef;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// The longest stretch of a disk that is read or written at once, bytes.
pub const PIECE: usize = 256 * 1024;
/// Room for a piece and what is around it.
const ROOM: usize = PIECE + 8192;

/// Bytes that have come in and are not used up.
pub struct Inbox {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub fn new() -> Self {
        Inbox {
            buf: vec![0; ROOM].into_boxed_slice(),
            start: 0,
            end: 0,
        }
    }

    /// What is there.
    pub fn waiting(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// The first `N` bytes, used up; None when they are not there yet.
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.waiting().first_chunk()?;
        self.skip(N);
        Some(bytes)
    }

    /// Uses up `n` bytes, or all when there are fewer.
    pub fn skip(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    /// Reads once from the stream; the count of bytes, 0 at its end. Not to be called when more than
    /// [`PIECE`] bytes wait: then there may be no room.
    pub fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let n = stream.read(&mut self.buf[self.end..])?;
        self.end += n;
        Ok(n)
    }
}

/// Collects what is to be sent.
pub struct Outbox<W> {
    sink: W,
    buf: Box<[u8]>,
    len: usize,
}

impl<W: Write> Outbox<W> {
    pub fn new(sink: W) -> Self {
        Outbox {
            sink,
            buf: vec![0; ROOM].into_boxed_slice(),
            len: 0,
        }
    }

    /// Appends bytes, however many.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(PIECE) {
            self.room(part.len())?.copy_from_slice(part);
            self.commit(part.len());
        }
        Ok(())
    }

    /// Room for `n` more bytes, at most a [`PIECE`] and what is around it; they count once
    /// [`Outbox::commit`] is called.
    pub fn room(&mut self, n: usize) -> io::Result<&mut [u8]> {
        if self.len + n > self.buf.len() {
            self.flush()?;
        }
        let at = self.len;
        self.buf
            .get_mut(at..at + n)
            .ok_or_else(|| io::Error::other("more was to be sent at once than there is room for"))
    }

    /// The first `n` bytes of the room are to be sent.
    pub fn commit(&mut self, n: usize) {
        self.len = (self.len + n).min(self.buf.len());
    }

    /// Sends all that was collected.
    pub fn flush(&mut self) -> io::Result<()> {
        let len = std::mem::take(&mut self.len);
        self.sink.write_all(&self.buf[..len])
    }
}

/// The two directions of a connection.
pub struct Line<'a> {
    pub stream: &'a TcpStream,
    pub inbox: Inbox,
    pub out: Outbox<&'a TcpStream>,
}

impl<'a> Line<'a> {
    pub fn new(stream: &'a TcpStream) -> Self {
        Line {
            stream,
            inbox: Inbox::new(),
            out: Outbox::new(stream),
        }
    }

    /// Sends bytes at once.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.put(bytes)?;
        self.out.flush()
    }

    /// Sends a large piece that is not in the outbox, with a head. The head goes by itself, announced as the
    /// beginning of more: in one write with the rest it costs the kernel a third more.
    pub fn send_large(&mut self, mut head: &[u8], data: &[u8]) -> io::Result<()> {
        self.out.flush()?;
        let socket = SockRef::from(self.stream);
        while !head.is_empty() {
            match socket.send_with_flags(head, nix::libc::MSG_MORE) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => head = &head[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (&*self.stream).write_all(data)
    }

    /// Sends what waits and reads once more; the count of bytes, 0 at the end.
    pub fn read_more(&mut self) -> io::Result<usize> {
        self.out.flush()?;
        loop {
            match self.inbox.fill(&mut &*self.stream) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// As [`Line::read_more`] in the middle of a request, where the end is an error.
    fn must_read(&mut self) -> io::Result<()> {
        match self.read_more()? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The next `n` bytes, at most a [`PIECE`], which are not used up.
    pub fn payload(&mut self, n: usize) -> io::Result<&[u8]> {
        while self.inbox.waiting().len() < n {
            self.must_read()?;
        }
        Ok(&self.inbox.waiting()[..n])
    }

    /// Uses up the next `left` bytes.
    pub fn drain(&mut self, mut left: usize) -> io::Result<()> {
        loop {
            let here = left.min(self.inbox.waiting().len());
            self.inbox.skip(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.must_read()?;
        }
    }
}
