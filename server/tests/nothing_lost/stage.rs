//! A running server, computers that have their disks, and what it takes to kill and start it again.

use crate::{
    cable::{Cable, SERVER, run, said, soon},
    initiator::{Door, Initiator},
    ledger,
    server::{Server, Session},
};
use serde_json::json;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A computer: where its script is, and the disk that it named.
#[derive(Clone)]
pub struct Computer {
    pub name: String,
    mac: String,
    pub address: String,
    pub door: Door,
}

pub struct Stage {
    pub cable: Cable,
    pub computers: Vec<Computer>,
    server: Mutex<Power>,
}

/// The MAC of a computer.
pub fn mac(n: usize) -> String {
    format!("52:54:00:4e:4c:{n:02x}")
}

impl Stage {
    /// A server with so many computers that have asked for their script; they keep what they write.
    pub fn new(computers: usize) -> Stage {
        Stage::on(tempfile::tempdir().expect("temp dir"), computers)
    }

    /// The same with its data folder below another folder.
    pub fn below(folder: &Path, computers: usize) -> Stage {
        Stage::on(tempfile::tempdir_in(folder).expect("temp dir"), computers)
    }

    fn on(data: TempDir, computers: usize) -> Stage {
        let cable = Cable::new(&mac(0));
        std::fs::write(data.path().join("nsboot.toml"), cable.config()).expect("written");
        let server = Server::launch(data, true);
        let session = server.login();
        upload(&session, "disk", &ledger::image());
        let mut stage = Stage {
            cable,
            computers: Vec::new(),
            server: Mutex::new(Power::Gone),
        };
        for n in 0..computers {
            let client =
                json!({"name": format!("pc-{n}"), "mac": mac(n), "image": "disk", "mode": "keep"});
            let made = session.json("POST", "/api/v1/clients", client);
            assert_eq!(made.status, 201, "{made:?}");
            let computer = Computer::arrive(&stage.cable, n);
            stage.computers.push(computer);
        }
        stage.server = Mutex::new(Power::On(Box::new(server)));
        stage
    }

    /// What somebody does with the server while it runs.
    pub fn with<T>(&self, act: impl FnOnce(&Server) -> T) -> T {
        match &*self.server.lock().unwrap() {
            Power::On(server) => act(server),
            _ => panic!("it does not run"),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.with(|server| server.data().into())
    }

    /// Ends it as nothing else does.
    pub fn kill(&self) {
        let mut power = self.server.lock().unwrap();
        if let Power::On(server) = std::mem::replace(&mut *power, Power::Gone) {
            *power = Power::Off(server.kill());
        }
    }

    /// Starts it again; how long it took until it said where it is.
    pub fn start(&self) -> Duration {
        let mut power = self.server.lock().unwrap();
        let Power::Off(dir) = std::mem::replace(&mut *power, Power::Gone) else {
            panic!("it was not killed");
        };
        let begun = Instant::now();
        *power = Power::On(Box::new(Server::again(dir, |_| {})));
        begun.elapsed()
    }
}

/// The server, or what it left.
enum Power {
    On(Box<Server>),
    Off(TempDir),
    Gone,
}

impl Computer {
    /// The computer `pc-N`, which the server knows, gets its address and its disk.
    pub fn arrive(cable: &Cable, n: usize) -> Computer {
        let mac = mac(n);
        cable.change_mac(&mac);
        let address = cable.lease();
        cable.add_address(&address);
        let script = thread::scope(|scope| {
            let asked = || {
                cable.enter();
                Computer::script(&mac, &address)
            };
            scope.spawn(asked).join().expect("a script")
        });
        let door = Door::of_script(&script).unwrap_or_else(|| panic!("no disk in {script}"));
        Computer {
            name: format!("pc-{n}"),
            mac,
            address,
            door,
        }
    }

    /// Boots it: its script. In mode reset its disk begins anew with it. The thread is on the computer.
    fn script(mac: &str, address: &str) -> String {
        let url = format!("http://{SERVER}:8080/b/{}.ipxe", mac.replace(':', "-"));
        let asked = ["-s", "--max-time", "20", "--interface", address, &url];
        said(&run("curl", &asked))
    }

    /// Boots it again; whether it got its script.
    pub fn boot(&self) -> bool {
        Computer::script(&self.mac, &self.address).contains("sanboot")
    }

    /// A session, if there is a server to have it with.
    ///
    /// # Errors
    /// When nobody answers, or it is refused.
    pub fn login(&self) -> io::Result<Initiator> {
        Initiator::login(&self.door)
    }

    /// The same from a thread that is not on the computer.
    pub fn open_on(&self, cable: &Cable) -> Initiator {
        let opened = || {
            cable.enter();
            self.open()
        };
        thread::scope(|scope| scope.spawn(opened).join().expect("a session"))
    }

    /// A session, soon. The thread is on the computer.
    pub fn open(&self) -> Initiator {
        soon(&format!("the disk of {}", self.name), || {
            self.login().map_err(|e| e.to_string())
        })
    }
}

pub fn upload(session: &Session<'_>, name: &str, disk: &[u8]) {
    let kind = [("content-type", "application/octet-stream")];
    let made = session.send("POST", &format!("/api/v1/images?name={name}"), &kind, disk);
    assert_eq!(made.status, 201, "{made:?}");
}
