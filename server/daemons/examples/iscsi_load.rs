//! Many iSCSI sessions, a thread each, that read 4 KiB at random, one request after the other. Says on its output, as
//! JSON, how much each of them read and how long a request took.
//!
//! `iscsi_load ADDRESS:PORT LUN TARGET SESSIONS SECONDS`; `#` in TARGET is the session's number, from 1 on. READY goes
//! to its error output once all have logged in, and it waits for a line before it begins.

#[path = "support/initiator.rs"]
mod initiator;

use initiator::{Door, Initiator};
use std::{
    error::Error,
    io,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

const BLOCK: usize = 4096;

/// What one session did: how long each request took, microseconds.
fn read(door: &Door, blocks: u64, time: Duration, together: &Barrier) -> io::Result<Vec<u32>> {
    let session = Initiator::login(door);
    // Also after a failure: the others wait.
    together.wait();
    together.wait();
    let mut session = session?;
    let (mut took, mut piece) = (Vec::new(), [0; BLOCK]);
    let mut dice = door
        .target
        .bytes()
        .fold(0x9e37_79b9_u64, |d, b| d.wrapping_mul(31) + u64::from(b))
        | 1;
    let begun = Instant::now();
    while begun.elapsed() < time {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let asked = Instant::now();
        session.read(dice % blocks * BLOCK as u64, &mut piece)?;
        took.push(asked.elapsed().as_micros() as u32);
    }
    Ok(took)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, lun, target, sessions, seconds] = arguments.as_slice() else {
        return Err("usage: iscsi_load ADDRESS:PORT LUN TARGET SESSIONS SECONDS".into());
    };
    let (sessions, seconds): (usize, u64) = (sessions.parse()?, seconds.parse()?);
    let mut door = Door {
        address: address.parse()?,
        target: String::new(),
        lun: lun.parse()?,
        initiator: String::new(),
        chap: None,
        patience: Duration::from_secs(30),
    };
    door.target = target.replace('#', "1");
    door.initiator = "iqn.2026-11.test:size".into();
    let blocks = Initiator::login(&door)?.size_bytes()? / BLOCK as u64;
    let together = Arc::new(Barrier::new(sessions + 1));
    let threads: Vec<_> = (1..=sessions)
        .map(|n| {
            let mut door = door.clone();
            door.target = target.replace('#', &n.to_string());
            door.initiator = format!("iqn.2026-11.test:load-{n}");
            let together = together.clone();
            thread::spawn(move || read(&door, blocks, Duration::from_secs(seconds), &together))
        })
        .collect();
    together.wait();
    eprintln!("READY");
    io::stdin().read_line(&mut String::new())?;
    together.wait();
    let mut all = Vec::new();
    let mut counts = Vec::new();
    for thread in threads {
        let took = thread.join().map_err(|_| "a session broke")??;
        counts.push(took.len());
        all.extend(took);
    }
    all.sort_unstable();
    let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize];
    counts.sort_unstable();
    println!(
        "{{\"requests\":{},\"per_second\":{},\"slowest\":{},\"fastest\":{},\"p50_us\":{},\"p99_us\":{}}}",
        all.len(),
        all.len() as u64 / seconds,
        counts[0] as u64 / seconds,
        counts[counts.len() - 1] as u64 / seconds,
        at(0.5),
        at(0.99)
    );
    Ok(())
}
