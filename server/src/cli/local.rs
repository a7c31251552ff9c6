//! HTTP over the server's own socket on this box.

use std::{
    fmt,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// The socket in the data directory. Mode 0600: who can open it is the server's own user or root,
/// and needs no password.
pub const SOCKET_NAME: &str = "nsboot.sock";

/// The socket of the server on this box, if there is one.
pub fn socket(data: Option<&Path>) -> Option<PathBuf> {
    match data {
        // Named by the user: what is wrong with it shall be said, not worked around.
        Some(dir) => Some(dir.join(SOCKET_NAME)),
        None => [
            Path::new(engine::settings::DEFAULT_DATA_DIR),
            Path::new("data"),
        ]
        .into_iter()
        .map(|d| d.join(SOCKET_NAME))
        .find(|p| p.exists()),
    }
}

/// Connects to one socket, whatever the address says.
#[derive(Debug)]
pub struct UnixConnector {
    pub path: PathBuf,
}

impl<In: Transport> Connector<In> for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<UnixTransport>, ureq::Error> {
        let stream = UnixStream::connect(&self.path)?;
        let config = details.config;
        Ok(Some(UnixTransport {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        }))
    }
}

/// HTTP over a socket of this box. Times out nowhere: the peer is our own server, and an import
/// may take as long as the disk needs.
pub struct UnixTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl fmt::Debug for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixTransport").finish_non_exhaustive()
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        match self.stream.write_all(&self.buffers.output()[..amount]) {
            // The server refused before it had read all: why is in its answer, which comes next. Of a
            // peer that closed with bytes unread, Linux says "reset" once and "broken pipe" then.
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let n = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => break other?,
            }
        };
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    fn is_open(&mut self) -> bool {
        // One command sends few requests; a new connection each is simpler than probing this one.
        false
    }
}
