//! NBD of the whole server, in network namespaces of its own: a computer gets its address, its script and
//! then its disk, and nobody else does. A binary of its own: other tests look at which namespaces there are.
//! Needs root, `iproute2`, `busybox`, `curl` and `libnbd-bin`; says so and passes where they are missing,
//! unless `NSBOOT_LIVE=1` makes that a failure, as `make test` does.

#[allow(dead_code)] // shared with the tests of the API
#[path = "it/server.rs"]
mod server;

#[allow(dead_code)] // shared with the tests of the disks
#[path = "support/cable.rs"]
mod cable;

use cable::{Cable, SERVER, can_run, said, soon};
use serde_json::json;
use server::{Server, Session};

const MAC: &str = "52:54:00:4e:42:44";
const SCRIPT: &str = "http://10.99.0.1:8080/b/52-54-00-4e-42-44.ipxe";

fn set_nbd(session: &Session<'_>, on: bool) {
    let params = json!({"values": {"nbd.enabled": on.to_string()}});
    let answer = session.json("PATCH", "/api/v1/settings", params);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A disk that is not all the same.
fn disk() -> Vec<u8> {
    (0..4u32 << 20)
        .map(|i| (i / 4096 * 7 + i % 251) as u8)
        .collect()
}

/// The image, and the computer that starts from it.
fn fill(session: &Session<'_>) {
    let kind = [("content-type", "application/octet-stream")];
    let made = session.send("POST", "/api/v1/images?name=disk", &kind, &disk());
    assert_eq!(made.status, 201, "{made:?}");
    for (name, mac) in [("pc-1", MAC), ("pc-2", "52:54:00:00:00:02")] {
        let client = json!({"name": name, "mac": mac, "image": "disk"});
        let made = session.json("POST", "/api/v1/clients", client);
        assert_eq!(made.status, 201, "{made:?}");
    }
}

#[test]
fn a_computer_opens_its_own_disk_by_nbd_from_its_own_address() {
    if !can_run() {
        return;
    }
    let cable = Cable::new(MAC);
    let server = Server::with_file(&cable.config());
    let session = server.login();
    fill(&session);
    let lease = cable.lease();
    cable.move_to(&lease);
    let off = cable.size("pc-1").unwrap_err();
    assert!(
        off.contains("Connection refused"),
        "it is off at first: {off}"
    );

    set_nbd(&session, true);
    let none = soon("NBD listens", || match cable.size("pc-1") {
        Err(why) if !why.contains("Connection refused") => Ok(why),
        other => Err(format!("{other:?}")),
    });
    assert!(
        none.contains("no disk is offered"),
        "no script was served yet: {none}"
    );
    let script = said(&cable.on("curl", &["-s", SCRIPT]));
    assert!(script.contains("sanboot"), "{script}");
    for name in ["pc-1", ""] {
        assert_eq!(cable.size(name).as_deref(), Ok("4194304"));
    }
    let other = cable.size("pc-2").unwrap_err();
    assert!(other.contains("another computer's"), "{other}");

    // What is written is there, until the next boot in mode reset.
    let here = |name: &str| server.data().join(name).display().to_string();
    let (new, back, url) = (here("new"), here("back"), format!("nbd://{SERVER}/pc-1"));
    std::fs::write(&new, vec![9; 4 << 20]).unwrap();
    cable.copy(&new, &url);
    cable.copy(&url, &back);
    assert!(std::fs::read(&back).unwrap() == vec![9; 4 << 20]);
    cable.on("curl", &["-s", SCRIPT]);
    cable.copy(&url, &back);
    assert!(std::fs::read(&back).unwrap() == disk(), "fresh again");
    let boots = soon("the timeline", || {
        let text = String::from_utf8(session.get("/api/v1/clients/pc-1/boots").body).unwrap();
        match text.contains("read its disk") {
            true => Ok(text),
            false => Err(text),
        }
    });
    assert!(
        boots.contains("The operating system opened its disk by NBD"),
        "{boots}"
    );
    assert!(boots.contains("the disk is another computer's"), "{boots}");

    cable.move_to("10.99.0.50");
    let stranger = cable.size("pc-1").unwrap_err();
    assert!(stranger.contains("this address is not known"), "{stranger}");
    cable.move_to(&lease);
    assert!(cable.size("pc-1").is_ok());
    set_nbd(&session, false);
    soon("NBD is off", || match cable.size("pc-1") {
        Err(why) if why.contains("Connection refused") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
