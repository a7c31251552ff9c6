//! `deploy/nsboot.service`: what is taken away from the process stays taken away.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::Path,
    process::{Command, Output},
};

const FILE: &str = "deploy/nsboot.service";

fn text() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
    fs::read_to_string(file).expect(FILE)
}

/// What the section `[Service]` has to say, whatever else it says; a key that stands there twice has
/// both values.
const SERVICE: &[(&str, &str)] = &[
    // The server says itself when it is up, and that it lives.
    ("Type", "notify"),
    ("NotifyAccess", "main"),
    ("WatchdogSec", "30"),
    ("Restart", "on-failure"),
    ("TimeoutStopSec", "15"),
    ("KillMode", "mixed"),
    // Whose files are whose.
    ("StateDirectory", "nsboot"),
    ("StateDirectoryMode", "0700"),
    ("UMask", "0077"),
    ("ProtectSystem", "strict"),
    ("ProtectHome", "yes"),
    ("PrivateTmp", "yes"),
    ("ProtectProc", "invisible"),
    // What root may do.
    (
        "CapabilityBoundingSet",
        "CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_NET_ADMIN CAP_SYS_ADMIN",
    ),
    ("NoNewPrivileges", "yes"),
    ("KeyringMode", "private"),
    ("DevicePolicy", "closed"),
    ("DeviceAllow", "/dev/net/tun rw|/dev/kvm rw"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectHostname", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictNamespaces", "net mnt"),
    (
        "RestrictAddressFamilies",
        "AF_UNIX AF_INET AF_INET6 AF_PACKET AF_NETLINK",
    ),
    ("SystemCallArchitectures", "native"),
    (
        "SystemCallFilter",
        "@system-service @mount|~@clock @cpu-emulation @debug @module @obsolete @raw-io @reboot @swap",
    ),
    ("SystemCallErrorNumber", "EPERM"),
    ("RemoveIPC", "yes"),
    ("TasksMax", "16384"),
];

/// The values of each key of `[Service]`, in their order.
fn service(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut section = "";
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|l| !l.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            section = line;
        } else if let Some((key, value)) = line.split_once('=')
            && section == "[Service]"
        {
            found.entry(key).or_default().push(value);
        }
    }
    found
}

#[test]
fn the_unit_takes_away_what_the_server_does_not_need() {
    let text = text();
    let said = service(&text);
    for (key, value) in SERVICE {
        let values = said.get(key).map(|v| v.join("|"));
        assert_eq!(values.as_deref(), Some(*value), "{key} of {FILE}");
    }
    // It runs what the documents install, and nothing beside it.
    let start = "/usr/local/bin/nsboot serve --data /var/lib/nsboot";
    assert_eq!(said["ExecStart"], [start]);
    for key in ["ExecStartPre", "ExecStartPost", "AmbientCapabilities"] {
        assert!(!said.contains_key(key), "{key} of {FILE}");
    }
}

/// Asks the service manager what it makes of a unit; None where there is none.
fn verify(text: &str) -> Option<Output> {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("nsboot.service");
    fs::write(&file, text).expect("written");
    let asked = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output();
    match asked {
        Ok(output) => Some(output),
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => panic!("systemd-analyze: {e}"),
    }
}

/// The service manager ignores what it does not know, and says so on stderr alone: a key that is
/// misspelt would take nothing away.
#[test]
fn the_service_manager_knows_every_key_of_the_unit() {
    let text = text();
    // The program is not installed where tests run; this build of it is.
    let here = text.replace("/usr/local/bin/nsboot", env!("CARGO_BIN_EXE_nsboot"));
    assert_ne!(here, text, "the unit starts another program");
    let Some(output) = verify(&here) else {
        println!("skipped: there is no systemd-analyze on this machine");
        return;
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    // That it complains at all.
    let wrong = verify(&here.replace("ProtectClock=", "ProtectClok=")).expect("it was there");
    let complaints = String::from_utf8_lossy(&wrong.stderr);
    assert!(complaints.contains("ProtectClok"), "{complaints:?}");
}
