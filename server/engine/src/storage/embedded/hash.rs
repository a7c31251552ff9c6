//! SHA-256 on a thread of its own: what is hashed is written meanwhile, and neither waits for the other.

use sha2::{Digest, Sha256};
use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

/// Zeros that are hashed at a time.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// Stretches that wait, each as long as what is written at a time: up to 1 MiB.
const AHEAD: usize = 4;

enum Stretch {
    Bytes(Vec<u8>),
    Zeros(u64),
}

/// The hash of what it was given so far. Its thread ends with it.
pub struct Hash {
    queue: SyncSender<Stretch>,
    thread: JoinHandle<[u8; 32]>,
}

impl Hash {
    /// # Errors
    /// When there can be no thread.
    pub fn start() -> io::Result<Hash> {
        let (queue, stretches) = sync_channel(AHEAD);
        let thread = thread::Builder::new().name("image-hash".into());
        Ok(Hash {
            queue,
            thread: thread.spawn(move || run(&stretches))?,
        })
    }

    /// Takes the next bytes.
    pub fn bytes(&self, bytes: &[u8]) {
        self.give(Stretch::Bytes(bytes.to_vec()));
    }

    /// So many zeros come next.
    pub fn zeros(&self, len: u64) {
        self.give(Stretch::Zeros(len));
    }

    fn give(&self, stretch: Stretch) {
        // It only ends before us when it panicked, and then `finish` says so.
        let _ = self.queue.send(stretch);
    }

    /// # Errors
    /// When the thread panicked.
    pub fn finish(self) -> io::Result<[u8; 32]> {
        drop(self.queue);
        let sum = self.thread.join();
        sum.map_err(|_| io::Error::other("the hash of the image broke off"))
    }
}

fn run(stretches: &Receiver<Stretch>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for stretch in stretches {
        match stretch {
            Stretch::Bytes(bytes) => hash.update(&bytes),
            Stretch::Zeros(mut left) => {
                while left > 0 {
                    let n = left.min(ZEROS.len() as u64);
                    hash.update(&ZEROS[..n as usize]);
                    left -= n;
                }
            }
        }
    }
    hash.finalize().into()
}
