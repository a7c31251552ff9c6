//! Signs of life of a session that waits for its disk.
//!
//! A session has one thread, which answers no ping while a read or a flush takes its time. An initiator that hears
//! nothing for long gives the connection up (Linux after ten seconds), and a computer in the middle of its start may
//! lose its root with it. So somebody else says a NOP-In that wants no answer (RFC 7143 section 11.19) meanwhile.

use super::{
    bytes::put32,
    reply::{Numbers, Reply},
    wire::{BHS_LEN, NO_TAG},
};
use socket2::SockRef;
use std::{
    convert::Infallible,
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// The session's thread has the socket.
const OWN: u8 = 0;
/// It waits for the disk, and leaves the socket alone.
const WAITS: u8 = 1;
/// It waits, and a sign of life is on its way.
const SPEAKS: u8 = 2;

/// Speaks for one session. Only one of the session's thread and the watch has the socket at a time.
pub struct Pulse {
    socket: TcpStream,
    header_digest: bool,
    state: AtomicU8,
    /// Counts the waits: who sees the same one twice knows that it lasts.
    waits: AtomicU32,
    seen: AtomicU32,
    stat_sn: AtomicU32,
    exp_cmd_sn: AtomicU32,
    max_cmd_sn: AtomicU32,
}

impl Pulse {
    pub fn new(socket: TcpStream, header_digest: bool) -> Pulse {
        Pulse {
            socket,
            header_digest,
            state: AtomicU8::new(OWN),
            waits: AtomicU32::new(0),
            seen: AtomicU32::new(0),
            stat_sn: AtomicU32::new(0),
            exp_cmd_sn: AtomicU32::new(0),
            max_cmd_sn: AtomicU32::new(0),
        }
    }

    /// Does work that may last, of a session that stands at these numbers.
    pub fn during<T>(&self, now: Numbers, work: impl FnOnce() -> T) -> T {
        self.stat_sn.store(now.stat_sn, Ordering::Relaxed);
        self.exp_cmd_sn.store(now.exp_cmd_sn, Ordering::Relaxed);
        self.max_cmd_sn.store(now.max_cmd_sn, Ordering::Relaxed);
        // Nobody else writes it.
        let waits = self.waits.load(Ordering::Relaxed);
        self.waits.store(waits.wrapping_add(1), Ordering::Relaxed);
        self.state.store(WAITS, Ordering::Release);
        let done = work();
        let back = || {
            self.state
                .compare_exchange_weak(WAITS, OWN, Ordering::Acquire, Ordering::Relaxed)
        };
        while back().is_err() {
            // The watch hands some bytes to the kernel, and does not wait for that.
            thread::yield_now();
        }
        done
    }

    /// Says that the session lives, when it still waits as it did at the last look.
    fn look(&self) {
        let take = |from, to| {
            self.state
                .compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
        };
        if take(WAITS, SPEAKS).is_err() {
            return;
        }
        let waits = self.waits.load(Ordering::Relaxed);
        if self.seen.swap(waits, Ordering::Relaxed) == waits {
            self.speak();
        }
        self.state.store(WAITS, Ordering::Release);
    }

    fn speak(&self) {
        let numbers = Numbers {
            stat_sn: self.stat_sn.load(Ordering::Relaxed),
            exp_cmd_sn: self.exp_cmd_sn.load(Ordering::Relaxed),
            max_cmd_sn: self.max_cmd_sn.load(Ordering::Relaxed),
        };
        let nop = Reply::NopIn {
            lun: 0,
            itt: NO_TAG,
            ttt: NO_TAG,
        };
        let mut bytes = [0; BHS_LEN + 4];
        let header = nop.encode(numbers, 0);
        bytes[..BHS_LEN].copy_from_slice(&header);
        put32(&mut bytes, BHS_LEN, crc32c::crc32c(&header).swap_bytes());
        let bytes = &bytes[..BHS_LEN + 4 * usize::from(self.header_digest)];
        let socket = SockRef::from(&self.socket);
        match socket.send_with_flags(bytes, nix::libc::MSG_DONTWAIT) {
            Ok(sent) if sent < bytes.len() => {
                // Half a PDU: nothing can follow it.
                let _ = self.socket.shutdown(Shutdown::Both);
            }
            // No room: the initiator has enough to read, and need not hear of us. Or it is gone, which the session finds.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Those of all sessions.
#[derive(Default)]
pub struct Pulses(Mutex<Vec<Weak<Pulse>>>);

impl Pulses {
    pub fn add(&self, pulse: &Arc<Pulse>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::downgrade(pulse));
    }

    /// Looks at all of them every so often.
    pub async fn watch(&self, every: Duration) -> Infallible {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|pulse| match pulse.upgrade() {
                Some(pulse) => {
                    pulse.look();
                    true
                }
                None => false,
            });
        }
    }
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
