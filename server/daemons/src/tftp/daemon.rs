//! The sockets of one boot network: requests on port 69, each transfer on a port of its own, always
//! from the address that was asked.

use super::{
    live::{Heard, Live},
    session::{self, Limits, Step, Transfer},
    wire::{self, Mode, Packet, Request, code},
};
use crate::net::{NetError, NetThread};
use engine::{
    Counters, Loaders,
    boot::{Signal, Who},
    counters::Counter,
    firmware::Failure,
    loaders::{LoaderFile, is_optional},
};
use nix::sys::socket::{MsgFlags, recv};
use std::{
    collections::HashMap,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsRawFd,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};
use tokio::{io::Interest, net::UdpSocket};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};
use types::Timestamp;

/// The well-known port.
const PORT: u16 = 69;
/// The largest file that is held in memory for a transfer, bytes.
const MAX_FILE: u64 = 512 << 20;

/// What TFTP tells the boots. Returns at once.
pub trait Signals: Send + Sync + 'static {
    /// Something was seen at that moment.
    fn signal(&self, who: Who, at: Timestamp, signal: Signal);
    /// What is to be around the log lines of a transfer to that computer.
    fn context(&self, _: Who) -> Span {
        Span::none()
    }
    /// What the computer at that address can take.
    fn limits(&self, _: Ipv4Addr) -> Limits {
        Limits::default()
    }
    /// A text that is made for whoever asks, when there is no file of that name.
    fn rendered<'a>(&'a self, _file: &'a [u8], _peer: Ipv4Addr, _at: Timestamp) -> Rendered<'a> {
        Box::pin(std::future::ready(None))
    }
}

/// What [`Signals::rendered`] gives, once it is made.
pub type Rendered<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// TFTP on one interface, ready to run.
pub struct Tftp {
    shared: Arc<Shared>,
    socket: UdpSocket,
}

struct Shared {
    net: NetThread,
    device: String,
    address: Ipv4Addr,
    loaders: Loaders,
    signals: Arc<dyn Signals>,
    counters: Arc<Counters>,
    /// Files in use: twenty computers that load one file share one copy.
    files: Mutex<HashMap<String, Arc<Mutex<Option<Cached>>>>>,
}

struct Cached {
    len: u64,
    modified: SystemTime,
    data: Weak<[u8]>,
}

impl Tftp {
    /// Opens port 69 of `device`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the interface is not there or the port is taken.
    pub fn open(
        net: &NetThread,
        device: &str,
        loaders: Loaders,
        signals: Arc<dyn Signals>,
        counters: Arc<Counters>,
    ) -> Result<Tftp, NetError> {
        let address = net.interface(device)?.address;
        let socket = tokio_socket(net.udp(device, SocketAddrV4::new(address, PORT))?)?;
        let shared = Shared {
            net: net.clone(),
            device: device.into(),
            address,
            loaders,
            signals,
            counters,
            files: Mutex::default(),
        };
        Ok(Tftp {
            shared: Arc::new(shared),
            socket,
        })
    }

    /// Serves until `cancel`.
    pub async fn run(self, cancel: CancellationToken) {
        let mut buffer = [0u8; 2048];
        let mut live = Live::default();
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(()) = live.ended() => {}
                received = self.socket.recv_from(&mut buffer) => {
                    let Ok((len, SocketAddr::V4(peer))) = received else { continue };
                    let request = match Packet::decode(&buffer[..len]) {
                        Ok(Packet::Read(request)) => request,
                        Ok(Packet::Write) => {
                            self.refuse(peer, code::ACCESS, "nothing can be written here").await;
                            continue;
                        }
                        // An answer to a wrong request would be an answer to a forged one.
                        Ok(_) | Err(_) => continue,
                    };
                    let (shared, at) = (self.shared.clone(), engine::now());
                    let begin = |heard| {
                        let context = shared.signals.context(Who::Address(*peer.ip()));
                        serve(shared, peer, request, at, heard).instrument(context)
                    };
                    if !live.begin(peer, begin) {
                        tracing::debug!(%peer, "a request again, or too many at once");
                    }
                }
            }
        }
    }

    async fn refuse(&self, peer: SocketAddrV4, code: u16, text: &str) {
        let _ = self.socket.send_to(&wire::error(code, text), peer).await;
    }
}

fn tokio_socket(socket: std::net::UdpSocket) -> Result<UdpSocket, NetError> {
    UdpSocket::from_std(socket).map_err(|source| NetError::Socket {
        what: "watch a TFTP socket".into(),
        source,
    })
}

/// How a request ended, as it is counted.
enum Ended {
    Done,
    Probed,
    NotFound,
    Failed,
}

/// One request from beginning to end.
async fn serve(
    shared: Arc<Shared>,
    peer: SocketAddrV4,
    request: Request,
    at: Timestamp,
    heard: Heard,
) {
    let counters = &shared.counters.tftp;
    let ended = match transfer(&shared, peer, &request, at, &heard).await {
        Ok(Ended::Done) => &counters.done,
        Ok(Ended::Probed) => &counters.probed,
        Ok(Ended::NotFound) => &counters.not_found,
        Ok(Ended::Failed) => &counters.failed,
        Err(error) => {
            tracing::debug!(%peer, %error, "a TFTP transfer ended badly");
            &counters.failed
        }
    };
    ended.add(1);
}

async fn transfer(
    shared: &Arc<Shared>,
    peer: SocketAddrV4,
    request: &Request,
    at: Timestamp,
    heard: &AtomicBool,
) -> io::Result<Ended> {
    let socket = shared
        .net
        .udp(&shared.device, SocketAddrV4::new(shared.address, 0))
        .and_then(tokio_socket)
        .map_err(io::Error::other)?;
    // From here on only this peer is heard; a packet of another one never reaches the transfer.
    socket.connect(peer).await?;
    let who = Who::Address(*peer.ip());
    let name = String::from_utf8_lossy(&request.file)
        .chars()
        .filter(|c| !c.is_control())
        .take(128)
        .collect::<String>();
    if request.mode != Mode::Octet {
        socket
            .send(&wire::error(code::ILLEGAL, "only mode octet is served"))
            .await?;
        return Ok(Ended::Failed);
    }
    let found = match load(shared, request.file.clone()).await? {
        Some(found) => Some(found),
        None => {
            let rendered = shared.signals.rendered(&request.file, *peer.ip(), at);
            let text = rendered.await;
            text.map(|text| (name.clone(), Arc::from(text.into_bytes())))
        }
    };
    let Some((file, data)) = found else {
        socket
            .send(&wire::error(code::NOT_FOUND, "no such file"))
            .await?;
        if is_optional(&name) {
            tracing::debug!(%peer, file = name, "not there, and not missed");
            return Ok(Ended::NotFound);
        }
        let reason =
            "there is no such file; put it into the folder loaders of the data directory".into();
        let missing = Signal::LoaderFailed {
            file: name,
            reason,
            blame: None,
        };
        shared.signals.signal(who, at, missing);
        return Ok(Ended::NotFound);
    };
    let bytes = data.len() as u64;
    let limits = shared.signals.limits(*peer.ip());
    let (transfer, first) = Transfer::begin(data, session::agree(request, bytes, limits));
    // At the first block, not at the end: while a transfer hangs, the boot waits at its loader.
    let mut untold = true;
    let mut asked = || {
        if std::mem::take(&mut untold) {
            let file = file.clone();
            shared.signals.signal(who, at, Signal::LoaderAsked { file });
        }
    };
    let sent = &shared.counters.tftp.sent_bytes;
    let outcome = match drive(&socket, transfer, first, heard, &mut asked, sent).await {
        Ok(Step::Probed) => return Ok(Ended::Probed),
        // Who never said a word may not be there, and may not have asked.
        Ok(Step::Failed(reason)) => {
            let blame = heard.load(Ordering::Relaxed).then_some(Failure::BrokeOff);
            Err((reason, blame))
        }
        Ok(Step::Left(reason)) => Err((reason, None)),
        Ok(_) => Ok(()),
        Err(error) => Err((format!("the network gave an error: {error}"), None)),
    };
    asked();
    let file = file.clone();
    let (signal, ended) = match outcome {
        Ok(()) => (Signal::LoaderDone { file, bytes }, Ended::Done),
        Err((reason, blame)) => {
            let failed = Signal::LoaderFailed {
                file,
                reason,
                blame,
            };
            (failed, Ended::Failed)
        }
    };
    shared.signals.signal(who, engine::now(), signal);
    Ok(ended)
}

/// Sends and waits until the transfer is over; gives back how. `asked` is called once it is more
/// than a question for the size, perhaps repeatedly.
async fn drive(
    socket: &UdpSocket,
    mut transfer: Transfer,
    first: Step,
    heard: &AtomicBool,
    asked: &mut (dyn FnMut() + Send),
    sent_bytes: &Counter,
) -> io::Result<Step> {
    let mut step = first;
    let mut out = Vec::new();
    let mut buffer = [0u8; 1024];
    let mut patience = pin!(tokio::time::sleep(transfer.patience()));
    let mut is_news = false;
    loop {
        if is_news {
            expect_silence(socket);
        }
        let sent = match &step {
            Step::OptionAck => socket.send(&transfer.option_ack()).await.map(drop),
            Step::Blocks => {
                asked();
                send_blocks(socket, &transfer, &mut out, sent_bytes).await
            }
            Step::Wait => Ok(()),
            Step::Done | Step::Probed | Step::Failed(_) | Step::Left(_) => return Ok(step),
        };
        if step != Step::Wait {
            // A packet that says nothing new must not put the repeat off.
            let deadline = tokio::time::Instant::now() + transfer.patience();
            patience.as_mut().reset(deadline);
        }
        let received = match sent {
            Ok(()) => tokio::select! {
                biased;
                received = receive(socket, &mut buffer) => Some(received),
                () = patience.as_mut() => None,
            },
            // The kernel tells with any call that the peer's port is closed.
            Err(e) => Some(Err(e)),
        };
        // What was there before the wait began is not told anew: it is looked for once more.
        let received = received.or_else(|| received_before(socket, &mut buffer));
        let acked = transfer.acked();
        step = match received {
            None => {
                asked();
                transfer.silence()
            }
            Some(Ok(len)) => {
                heard.store(true, Ordering::Relaxed);
                Packet::decode(&buffer[..len]).map_or(Step::Wait, |p| transfer.packet(&p))
            }
            Some(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => transfer.closed(),
            Some(Err(e)) => return Err(e),
        };
        is_news = transfer.acked() > acked;
    }
}

/// What a receiver waits for: a packet, or the news that the peer's port is closed.
const NEWS: Interest = Interest::READABLE.add(Interest::ERROR);

/// The next packet of the peer.
async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    let receive = || Ok(recv(socket.as_raw_fd(), buffer, MsgFlags::empty())?);
    socket.async_io(NEWS, receive).await
}

/// A packet that is there now.
fn received_before(socket: &UdpSocket, buffer: &mut [u8]) -> Option<io::Result<usize>> {
    let there = recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT);
    there.ok().map(Ok)
}

/// After an ACK of something new, nothing is to be received before the next answer: the wait for it
/// begins at once, without a call that finds nothing, one of four for each block. A packet that was
/// there already, mostly a repeated ACK, is read with that answer, or when none comes.
fn expect_silence(socket: &UdpSocket) {
    let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    let _ = socket.try_io(Interest::READABLE, nothing);
}

async fn send_blocks(
    socket: &UdpSocket,
    transfer: &Transfer,
    out: &mut Vec<u8>,
    sent_bytes: &Counter,
) -> io::Result<()> {
    for (number, bytes) in transfer.outgoing() {
        wire::data(number, bytes, out);
        socket.send(out).await?;
        sent_bytes.add(bytes.len() as u64);
    }
    Ok(())
}

/// The file's clean name and bytes; None when there is none.
async fn load(shared: &Arc<Shared>, asked: Vec<u8>) -> io::Result<Option<(String, Arc<[u8]>)>> {
    let shared = shared.clone();
    let read = tokio::task::spawn_blocking(move || {
        let Some(found) = shared.loaders.find(&asked).filter(|f| f.len <= MAX_FILE) else {
            return Ok(None);
        };
        let name = found.name.clone();
        shared.bytes(found).map(|data| Some((name, data)))
    });
    read.await.map_err(io::Error::other)?
}

impl Shared {
    fn bytes(&self, mut found: LoaderFile) -> io::Result<Arc<[u8]>> {
        // One reads the file, the others wait for what it read. Only this file's lock is held meanwhile.
        let place = {
            let mut files = lock(&self.files);
            files.retain(|_, place| Arc::strong_count(place) > 1 || is_used(&lock(place)));
            files.entry(found.name.clone()).or_default().clone()
        };
        let mut place = lock(&place);
        if let Some(data) = place
            .as_ref()
            .filter(|c| c.len == found.len && c.modified == found.modified)
            .and_then(|c| c.data.upgrade())
        {
            return Ok(data);
        }
        let mut bytes = Vec::with_capacity(found.len as usize);
        found.file.read_to_end(&mut bytes)?;
        let data: Arc<[u8]> = bytes.into();
        *place = Some(Cached {
            len: found.len,
            modified: found.modified,
            data: Arc::downgrade(&data),
        });
        Ok(data)
    }
}

/// Whether some transfer still sends it.
fn is_used(cached: &Option<Cached>) -> bool {
    cached.as_ref().is_some_and(|c| c.data.strong_count() > 0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
