//! The server in a virtual machine that loses power in the middle of its work: QEMU is killed, and with it all that
//! the kernel in it had not written. Its disk is a file here; a flush in it is a sync of that file.

use crate::{
    cable::{Cable, can_run, run, said, soon},
    count,
    ledger::{self, Dice, Ledger},
    seed,
    server::{PASSWORD, Server},
    stage::{Computer, mac},
};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const COMPUTERS: usize = 3;
const BASE: &str = "http://10.99.0.1:3000";
/// An emulated machine with a busy neighbour.
const STARTS_IN: Duration = Duration::from_secs(120);

/// The machine's kernel, its disk and its cable.
struct Machine {
    folder: tempfile::TempDir,
    cable: Cable,
    running: Mutex<Option<Child>>,
}

impl Machine {
    /// From the self-test image and the binary that the environment names.
    fn new() -> Machine {
        let named = |name| PathBuf::from(std::env::var_os(name).expect(name));
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../end2end/lab/server_vm.sh");
        let made = Command::new(script)
            .args([named("SELFTEST_IMAGE"), named("NSBOOT_BIN")])
            .args([Path::new("10.99.0.1"), folder.path()])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let disk = std::fs::File::create(folder.path().join("disk")).unwrap();
        disk.set_len(512 << 20).unwrap();
        let disk = folder.path().join("disk").display().to_string();
        let made = run("mkfs.ext4", &["-q", &disk]);
        assert!(made.status.success(), "{}", said(&made));
        let cable = Cable::with_machine(&mac(0));
        // Of who works on the API; the computers get theirs.
        cable.add_address("10.99.0.9");
        Machine {
            cable,
            folder,
            running: Mutex::default(),
        }
    }

    /// Switches it on, and waits until it serves.
    fn on(&self) {
        let at = self.folder.path();
        let file = |name: &str| at.join(name).display().to_string();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(at.join("console"))
            .unwrap();
        let drive = format!("file={},if=virtio,format=raw,cache=writeback", file("disk"));
        let qemu = Command::new("ip")
            .args(["netns", "exec", &self.cable.server])
            // However this test ends, it ends, too.
            .args(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-accel", "tcg", "-cpu", "max", "-m", "768", "-nodefaults"])
            .args(["-display", "none", "-no-reboot", "-serial", "stdio"])
            .args(["-kernel", &file("vmlinuz"), "-initrd", &file("initrd")])
            .args(["-append", "console=ttyS0 quiet panic=1 mitigations=off"])
            .args(["-device", "virtio-rng-pci", "-drive", &drive])
            .args(["-netdev", "tap,id=n0,ifname=vm,script=no,downscript=no"])
            .args(["-device", "virtio-net-pci,netdev=n0,romfile="])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.running.lock().unwrap() = Some(qemu);
        let deadline = Instant::now() + STARTS_IN;
        while Server::ask(BASE, "GET", "/readyz", &[], b"").is_err() {
            assert!(Instant::now() < deadline, "{}", self.console());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn console(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("console")).unwrap_or_default()
    }

    /// Nothing in it has a chance to say goodbye.
    fn cut(&self) {
        if let Some(mut qemu) = self.running.lock().unwrap().take() {
            qemu.kill().unwrap();
            qemu.wait().unwrap();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.cut();
    }
}

/// A call of the API as the administrator.
fn ask(token: &str, method: &str, path: &str, kind: &str, body: &[u8]) -> serde_json::Value {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
    let answer = Server::ask(BASE, method, path, &headers, body).unwrap();
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.value()
}

/// The image and the computers, which have their disks.
fn fill(machine: &Machine) -> (String, Vec<Computer>) {
    let account = json!({"username": "admin", "password": PASSWORD}).to_string();
    let kind = [("content-type", "application/json")];
    let login = Server::ask(
        BASE,
        "POST",
        "/api/v1/auth/login",
        &kind,
        account.as_bytes(),
    )
    .unwrap();
    let session = login.value()["access_token"].as_str().unwrap().to_owned();
    let token = json!({"name": "power", "role": "admin", "expires_in_days": 1}).to_string();
    let token = ask(
        &session,
        "POST",
        "/api/v1/tokens",
        kind[0].1,
        token.as_bytes(),
    );
    let token = token["secret"].as_str().unwrap().to_owned();
    let image = ledger::image();
    ask(
        &token,
        "POST",
        "/api/v1/images?name=disk",
        "application/octet-stream",
        &image,
    );
    let arrive = |n| {
        let client =
            json!({"name": format!("pc-{n}"), "mac": mac(n), "image": "disk", "mode": "keep"});
        ask(
            &token,
            "POST",
            "/api/v1/clients",
            kind[0].1,
            client.to_string().as_bytes(),
        );
        Computer::arrive(&machine.cable, n)
    };
    let computers: Vec<Computer> = (0..COMPUTERS).map(arrive).collect();
    for computer in &computers {
        machine.cable.announce(&computer.address);
    }
    (token, computers)
}

#[test]
#[ignore = "takes a virtual machine: SELFTEST_IMAGE and NSBOOT_BIN name its parts"]
fn a_server_that_loses_power_has_all_that_was_flushed() {
    if !can_run() {
        return;
    }
    let seed = seed();
    let machine = Machine::new();
    machine.cable.enter();
    machine.on();
    let (token, computers) = fill(&machine);
    let mut ledgers: Vec<Ledger> = (0..COMPUTERS as u32).map(Ledger::new).collect();
    let cuts = count("NSBOOT_CUTS", 5);
    for cut in 0..cuts {
        let about = format!("seed {seed}, cut {cut}");
        let seed = seed.wrapping_add(cut as u64 * 100);
        let added = work_until_cut(&machine, &token, &computers, &mut ledgers, (seed, &about));
        machine.on();
        let added = ask(&token, "GET", &format!("/api/v1/clients/{added}"), "", b"");
        assert_eq!(added["image_name"], "disk", "{about}: {added}");
        for (computer, ledger) in computers.iter().zip(&mut ledgers) {
            ledger
                .check(&mut computer.open(), &about)
                .expect("readable");
        }
    }
    let answered: u64 = ledgers.iter().map(|l| l.answered).sum();
    println!("{cuts} cuts, {answered} commands answered");
    assert!(answered > cuts as u64 * 30, "hardly any load: {answered}");
}

/// All computers write until the power goes; the name of one that was added meanwhile.
fn work_until_cut(
    machine: &Machine,
    token: &str,
    computers: &[Computer],
    ledgers: &mut [Ledger],
    (seed, about): (u64, &str),
) -> String {
    let (at_work, is_cut) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for (n, ledger) in ledgers.iter_mut().enumerate() {
            let (computer, at_work, is_cut) = (&computers[n], &at_work, &is_cut);
            let mut dice = Dice(seed.wrapping_add(n as u64) | 1);
            scope.spawn(move || {
                machine.cable.enter();
                let mut session = computer.open();
                at_work.fetch_add(1, Ordering::SeqCst);
                loop {
                    let step = ledger.next(&mut dice);
                    if let Err(why) = ledger.take(&step, &mut session) {
                        let is_cut = is_cut.load(Ordering::SeqCst);
                        return assert!(is_cut, "{about}: broke off by itself: {why}");
                    }
                }
            });
        }
        soon("all at work", || match at_work.load(Ordering::SeqCst) {
            COMPUTERS => Ok(()),
            n => Err(n.to_string()),
        });
        let mac: Vec<String> = seed.to_be_bytes()[3..]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let (name, mac) = (format!("added-{seed}"), format!("02:{}", mac.join(":")));
        let client = json!({"name": name, "mac": mac, "image": "disk"}).to_string();
        ask(
            token,
            "POST",
            "/api/v1/clients",
            "application/json",
            client.as_bytes(),
        );
        // The random moment is what is tested.
        let moment = Dice(seed | 1).roll(2_000);
        thread::sleep(Duration::from_millis(moment as u64));
        is_cut.store(true, Ordering::SeqCst);
        machine.cut();
        name
    })
}
