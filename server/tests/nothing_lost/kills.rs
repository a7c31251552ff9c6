//! kill -9 at random moments, while disks are written, begun anew and read, and the database changes.

use crate::{
    cable::{can_run, soon},
    count,
    ledger::{Dice, Ledger},
    seed,
    server::Server,
    stage::{Computer, Stage},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Computers that keep what they write; one more begins anew at each boot.
const WRITERS: usize = 3;
/// At most so long after all is at work.
const MOMENTS_MS: usize = 500;
/// From the start of the process until it serves.
const OPENS_IN: Duration = Duration::from_secs(1);

/// What all threads of a round share.
struct Round<'a> {
    stage: &'a Stage,
    seed: u64,
    about: String,
    /// How many are at work.
    at_work: AtomicUsize,
    is_killed: AtomicBool,
}

impl Round<'_> {
    /// An end that the kill explains.
    fn ended(&self, why: impl std::fmt::Display) {
        let is_killed = self.is_killed.load(Ordering::SeqCst);
        assert!(is_killed, "{}: broke off by itself: {why}", self.about);
    }

    fn begins(&self) {
        self.at_work.fetch_add(1, Ordering::SeqCst);
    }

    /// Checks what the last round left on a disk, and writes until the server is gone.
    fn write(&self, computer: &Computer, ledger: &mut Ledger, dice: &mut Dice) {
        self.stage.cable.enter();
        let mut session = computer.open();
        ledger.check(&mut session, &self.about).expect("readable");
        self.begins();
        loop {
            let step = ledger.next(dice);
            if let Err(why) = ledger.take(&step, &mut session) {
                return self.ended(why);
            }
            // The process is killed, not the box: what was answered stays, flushed or not.
            ledger.nothing_older();
        }
    }

    /// Boots again and again: each time the disk is the image's, whatever was written to it.
    fn begin_anew(&self, computer: &Computer, dice: &mut Dice) {
        self.stage.cable.enter();
        // The server says where its page is before its boot plane is there.
        soon("the first boot", || match computer.boot() {
            true => Ok(()),
            false => Err("no script".into()),
        });
        let mut tells = Some(());
        while computer.boot() {
            let mut ledger = Ledger::new(u32::MAX - 1);
            let Ok(mut session) = computer.login() else {
                break;
            };
            let mut read = ledger.check(&mut session, &self.about);
            if tells.take().is_some() {
                self.begins();
            }
            for _ in 0..10 {
                let step = ledger.next(dice);
                read = read.and_then(|()| ledger.take(&step, &mut session));
            }
            if read.is_err() {
                break;
            }
        }
        self.ended("no boot");
    }
}

/// What the database has acknowledged.
struct Records {
    base: String,
    token: String,
    /// The last name of the spare computer, and the one that was asked for and not answered.
    name: [String; 2],
    /// Images by name; whether each was answered.
    images: BTreeMap<String, bool>,
    changes: usize,
}

impl Records {
    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Value, String> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", kind),
            ("if-match", "*"),
        ];
        let answer = Server::ask(
            &self.base,
            method,
            &format!("/api/v1{path}"),
            &headers,
            body,
        )?;
        match answer.status {
            200..300 if answer.body.is_empty() => Ok(Value::Null),
            200..300 => Ok(answer.value()),
            _ => Err(format!("{method} {path}: {answer:?}")),
        }
    }

    /// Renames, imports and removes until the server is gone; why it ended.
    fn change(&mut self, id: &str, round: &Round<'_>) -> String {
        for n in 0.. {
            let changed = match n % 3 {
                0 => self.import(&format!("image-{}", self.changes)),
                _ => self.rename(id),
            };
            if let Err(why) = changed {
                return why;
            }
            self.changes += 1;
            if n == 0 {
                round.begins();
            }
        }
        unreachable!("it goes on until it fails")
    }

    fn rename(&mut self, id: &str) -> Result<(), String> {
        self.name[1] = format!("spare-{}", self.changes);
        let body = json!({"name": self.name[1]}).to_string();
        let path = format!("/clients/{id}");
        self.ask("PATCH", &path, "application/json", body.as_bytes())?;
        self.name[0] = self.name[1].clone();
        Ok(())
    }

    fn import(&mut self, name: &str) -> Result<(), String> {
        self.images.insert(name.into(), false);
        let disk: Vec<u8> = name.bytes().cycle().take(64 << 10).collect();
        let path = format!("/images?name={name}");
        self.ask("POST", &path, "application/octet-stream", &disk)?;
        self.images.insert(name.into(), true);
        Ok(())
    }

    /// After the restart: all that was answered is there, and what was not is there whole or not at all.
    fn check(&mut self, id: &str, stage: &Stage, about: &str) {
        let client = self.ask("GET", &format!("/clients/{id}"), "", b"").unwrap();
        let name = client["name"].as_str().unwrap().to_owned();
        assert!(
            self.name.contains(&name),
            "{about}: {name} is none of {:?}",
            self.name
        );
        self.name = [name.clone(), name];
        let list = self.ask("GET", "/images?limit=500", "", b"").unwrap();
        let there: Vec<String> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["name"].as_str().unwrap().to_owned())
            .collect();
        for (image, answered) in std::mem::take(&mut self.images) {
            let is_there = there.contains(&image);
            assert!(is_there || !answered, "{about}: {image} is gone");
            if is_there {
                self.ask("DELETE", &format!("/images/{image}"), "", b"")
                    .unwrap();
            }
        }
        let folder = std::fs::read_dir(stage.data().join("images")).unwrap();
        let left: Vec<_> = folder
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            left.iter().all(|name| !name.ends_with(".part")),
            "{about}: {left:?}"
        );
    }
}

/// A computer of which only the name changes, and a key to change it with.
fn records(stage: &Stage) -> (String, Records) {
    stage.with(|server| {
        let session = server.login();
        let spare = json!({"name": "spare", "mac": "52:54:00:4e:4d:00"});
        let made = session.json("POST", "/api/v1/clients", spare);
        let id = made.value()["id"].as_str().unwrap().to_owned();
        let token = json!({"name": "kills", "role": "admin", "expires_in_days": 1});
        let token = session.json("POST", "/api/v1/tokens", token);
        let records = Records {
            base: server.base.clone(),
            token: token.value()["secret"]
                .as_str()
                .unwrap_or_else(|| panic!("{token:?}"))
                .into(),
            name: ["spare".into(), "spare".into()],
            images: BTreeMap::new(),
            changes: 0,
        };
        (id, records)
    })
}

#[test]
fn killed_at_any_moment_the_server_has_all_that_it_acknowledged() {
    if !can_run() {
        return;
    }
    let seed = seed();
    let stage = Stage::new(WRITERS + 1);
    let fresh = &stage.computers[WRITERS];
    stage.with(|server| {
        let path = format!("/api/v1/clients/{}", fresh.name);
        let reset = server
            .login()
            .json("PATCH", &path, json!({"mode": "reset"}));
        assert_eq!(reset.status, 200, "{reset:?}");
    });
    let (id, mut records) = records(&stage);
    let mut ledgers: Vec<Ledger> = (0..WRITERS as u32).map(Ledger::new).collect();
    let mut opened = Vec::new();
    let rounds = count("NSBOOT_KILLS", 50);
    for n in 0..rounds {
        let round = Round {
            stage: &stage,
            seed: seed.wrapping_add(n as u64 * 1000),
            about: format!("seed {seed}, round {n}"),
            at_work: AtomicUsize::new(0),
            is_killed: AtomicBool::new(false),
        };
        run(&round, &mut ledgers, &id, &mut records);
        opened.push(stage.start());
        records.base = stage.with(|server| server.base.clone());
        records.check(&id, &stage, &round.about);
    }
    opened.sort_unstable();
    let answered: u64 = ledgers.iter().map(|l| l.answered).sum();
    let (middle, worst) = (opened[rounds / 2], opened[rounds - 1]);
    println!(
        "{rounds} kills, {answered} commands and {} changes answered; opened in {middle:?}, at worst {worst:?}",
        records.changes
    );
    assert!(
        middle < OPENS_IN,
        "half of all starts took longer than {middle:?}"
    );
    assert!(
        answered > rounds as u64 * 20 && records.changes > rounds,
        "hardly any load"
    );
    let audit = stage.with(|server| server.run(&["audit", "verify"]));
    assert!(audit.status.success(), "{audit:?}");
}

/// All at work, and the server killed in the middle of it.
fn run(round: &Round<'_>, ledgers: &mut [Ledger], id: &str, records: &mut Records) {
    let stage = round.stage;
    thread::scope(|scope| {
        for (n, ledger) in ledgers.iter_mut().enumerate() {
            let mut dice = Dice(round.seed + n as u64);
            let computer = &stage.computers[n];
            scope.spawn(move || round.write(computer, ledger, &mut dice));
        }
        let mut dice = Dice(round.seed + 100);
        scope.spawn(move || round.begin_anew(&stage.computers[WRITERS], &mut dice));
        scope.spawn(move || round.ended(records.change(id, round)));
        let deadline = Instant::now() + Duration::from_secs(60);
        while round.at_work.load(Ordering::SeqCst) < WRITERS + 2 {
            assert!(
                Instant::now() < deadline,
                "{}: not all are at work",
                round.about
            );
            thread::sleep(Duration::from_millis(2));
        }
        // The random moment is what is tested.
        let moment = Dice(round.seed + 200).roll(MOMENTS_MS);
        thread::sleep(Duration::from_millis(moment as u64));
        round.is_killed.store(true, Ordering::SeqCst);
        stage.kill();
    });
}
