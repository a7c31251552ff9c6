//! Sessions that write and read while the server is killed and started again, and while the cable is out: each logs
//! in again as a kernel's initiator does and repeats the command that was not answered. No guest hears of an error.

use crate::{
    cable::can_run,
    count,
    initiator::Initiator,
    ledger::{Dice, Ledger},
    seed,
    stage::{Computer, Stage},
};
use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// As open-iscsi: the kernel keeps commands for so long before a guest sees an error.
const REPLACEMENT: Duration = Duration::from_secs(120);
/// When a command that is not answered ends its session.
const NOTICE: Duration = Duration::from_secs(5);
/// How long the server is away, and the cable out.
const AWAY: Duration = Duration::from_secs(5);
const OUT: Duration = Duration::from_secs(30);
/// After which all have to be at work again.
const BACK_IN: Duration = Duration::from_secs(60);

/// A disk as a guest has it: a command is repeated until it is answered.
struct Guest {
    computer: Computer,
    session: Initiator,
    logins: usize,
}

impl Guest {
    fn new(computer: &Computer) -> Guest {
        let mut computer = computer.clone();
        computer.door.patience = NOTICE;
        Guest {
            session: computer.open(),
            computer,
            logins: 1,
        }
    }

    fn until_answered(&mut self, mut command: impl FnMut(&mut Initiator) -> io::Result<()>) {
        while let Err(why) = command(&mut self.session) {
            let is_io_error = why.kind() == io::ErrorKind::Other;
            assert!(!is_io_error, "{} sees an error: {why}", self.computer.name);
            self.log_in();
        }
    }

    fn log_in(&mut self) {
        let deadline = Instant::now() + REPLACEMENT;
        loop {
            match self.computer.login() {
                Ok(session) => {
                    self.session = session;
                    self.logins += 1;
                    return;
                }
                Err(why) => assert!(Instant::now() < deadline, "{}: {why}", self.computer.name),
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Writes, flushes and reads until it is told to stop; how often it logged in.
    fn work(mut self, seed: u64, owner: u32, done: &AtomicU64, stop: &AtomicBool) -> usize {
        let (mut dice, mut ledger) = (Dice(seed), Ledger::new(owner));
        let mut turns = 0u64;
        while !stop.load(Ordering::SeqCst) {
            let step = ledger.next(&mut dice);
            self.until_answered(|session| ledger.take(&step, session));
            // It was answered: a guest counts on it, flushed or not, as long as it has not lost power itself.
            ledger.nothing_older();
            turns += 1;
            if turns.is_multiple_of(100) {
                self.until_answered(|session| ledger.check(session, "at work"));
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
        self.until_answered(|session| ledger.check(session, "at the end"));
        self.logins
    }
}

/// How long it takes until each has done something more.
fn all_go_on(done: &[AtomicU64], what: &str) {
    let (begun, before) = (Instant::now(), read(done));
    loop {
        let stuck: Vec<usize> = (0..done.len())
            .filter(|&n| done[n].load(Ordering::SeqCst) < before[n] + 10)
            .collect();
        if stuck.is_empty() {
            break;
        }
        assert!(begun.elapsed() < BACK_IN, "{what}: {stuck:?} do not go on");
        thread::sleep(Duration::from_millis(20));
    }
    println!(
        "{what}: {} sessions went on after {:?}",
        done.len(),
        begun.elapsed()
    );
}

fn read(done: &[AtomicU64]) -> Vec<u64> {
    done.iter().map(|d| d.load(Ordering::SeqCst)).collect()
}

#[test]
fn sessions_outlive_a_kill_and_an_outage_without_an_error() {
    if !can_run() {
        return;
    }
    let (seed, sessions) = (seed(), count("NSBOOT_SESSIONS", 20));
    let stage = Stage::new(sessions);
    let done: Vec<AtomicU64> = (0..sessions).map(|_| AtomicU64::new(0)).collect();
    let stop = AtomicBool::new(false);
    let (shared, stopped) = (&stage, &stop);
    let logins: Vec<usize> = thread::scope(|scope| {
        let guests: Vec<_> = done
            .iter()
            .enumerate()
            .map(|(n, done)| {
                scope.spawn(move || {
                    shared.cable.enter();
                    let guest = Guest::new(&shared.computers[n]);
                    guest.work(seed + n as u64, n as u32, done, stopped)
                })
            })
            .collect();
        let guard = StopAtEnd(&stop);
        all_go_on(&done, "at first");
        stage.kill();
        thread::sleep(AWAY);
        stage.start();
        all_go_on(&done, "after the kill");
        stage.cable.plug(false);
        thread::sleep(OUT);
        stage.cable.plug(true);
        all_go_on(&done, "after the outage");
        drop(guard);
        guests
            .into_iter()
            .map(|g| g.join().expect("no error"))
            .collect()
    });
    println!(
        "{} commands; logins: {logins:?}",
        read(&done).iter().sum::<u64>()
    );
    assert!(
        logins.iter().all(|&n| n >= 2),
        "who did not notice: {logins:?}"
    );
}

/// A test that fails must not leave its guests at work.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
