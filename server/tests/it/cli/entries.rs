//! Boot entries, groups, one-shots and retirement on the command line, on a real server.

use super::{failed, json, ok};
use crate::{api::add, server::Server};

#[test]
fn entries_and_groups_are_made_changed_named_and_removed() {
    let server = Server::start();
    add(&server.login(), "a01", 1);
    let script = server.data().join("tool.ipxe");
    std::fs::write(&script, "echo hello\nshell\n").expect("written");
    let script = script.to_str().expect("text");
    let run = |words: &[&str]| server.run(words);
    ok(&run(&[
        "boot-entry",
        "add",
        "tool",
        "--kind",
        "script",
        "--script",
        script,
    ]));
    let line = "ip=dhcp BOOTIF=01-${net0/mac:hexhyp}";
    let kernel = [
        "boot-entry",
        "add",
        "inst",
        "--kind",
        "kernel",
        "--kernel",
        "debian/linux",
    ];
    let more = [
        "--initrd",
        "a.gz",
        "--initrd",
        "b.gz",
        "--command-line",
        line,
        "--attach-disk",
    ];
    ok(&run(&[&kernel[..], &more].concat()));
    failed(&run(&kernel), 5, "NSB-ENTRY-002");
    let bad = [
        "boot-entry",
        "add",
        "x",
        "--kind",
        "kernel",
        "--kernel",
        "../x",
    ];
    failed(&run(&bad), 1, "NSB-ENTRY-001");
    let none = [
        "boot-entry",
        "add",
        "x",
        "--kind",
        "script",
        "--script",
        "/none",
    ];
    failed(&run(&none), 1, "NSB-CLI-005");
    let shown = json(&run(&["boot-entry", "show", "inst", "-o", "json"]));
    assert_eq!(shown["initrds"], serde_json::json!(["a.gz", "b.gz"]));
    assert_eq!(shown["command_line"], line);
    let stale = ["boot-entry", "set", "inst", "--no-disk", "--if-match", "9"];
    failed(&run(&stale), 5, "NSB-ENTRY-003");
    ok(&run(&["boot-entry", "set", "inst", "--no-disk"]));
    let shown = json(&run(&["boot-entry", "show", "inst", "-o", "json"]));
    assert_eq!(
        (&shown["attach_disk"], &shown["revision"]),
        (&false.into(), &2.into())
    );
    assert!(ok(&run(&["boot-entry", "show", "tool"])).contains("echo hello"));
    let listed = ok(&run(&["boot-entry", "ls"]));
    for name in ["image", "local", "tool", "inst"] {
        assert!(listed.contains(name), "{listed}");
    }
    // Nobody put its files there yet.
    assert!(
        listed.contains("(missing: debian/linux, a.gz, b.gz)"),
        "{listed}"
    );
    failed(&run(&["boot-entry", "rm", "image"]), 5, "NSB-ENTRY-002");

    ok(&run(&[
        "group",
        "add",
        "row-1",
        "--boot-entry",
        "inst",
        "--loader",
        "ipxe",
    ]));
    failed(
        &run(&["group", "set", "row-1", "--loader", "grub"]),
        1,
        "NSB-GROUP-001",
    );
    ok(&run(&["client", "set", "a01", "--group", "row-1"]));
    assert!(ok(&run(&["group", "ls"])).contains("inst"));
    let options = [
        "--option",
        "42:addresses:10.0.0.3,10.0.0.4",
        "--option",
        "2:u32:60",
    ];
    ok(&run(&[&["group", "set", "row-1"][..], &options].concat()));
    let shown = ok(&run(&["group", "show", "row-1"]));
    assert!(shown.contains("42:addresses:10.0.0.3,10.0.0.4"), "{shown}");
    let ours = ["group", "set", "row-1", "--option", "67:text:x"];
    failed(&run(&ours), 1, "NSB-GROUP-001");
    ok(&run(&["group", "set", "row-1", "--loader", "snponly"]));
    let shown = json(&run(&["group", "show", "row-1", "-o", "json"]));
    assert_eq!(shown["options"][1]["code"], 2, "what is not named stays");
    ok(&run(&["group", "set", "row-1", "--no-options"]));
    let shown = json(&run(&["group", "show", "row-1", "-o", "json"]));
    assert_eq!(shown["options"], serde_json::json!([]));
    failed(&run(&["group", "rm", "row-1"]), 5, "NSB-GROUP-002");
    failed(&run(&["boot-entry", "rm", "inst"]), 5, "NSB-ENTRY-002");
    ok(&run(&["client", "set", "a01", "--group", ""]));
    ok(&run(&["group", "rm", "row-1"]));
    ok(&run(&["boot-entry", "rm", "inst"]));
    failed(&run(&["boot-entry", "show", "inst"]), 4, "NSB-ENTRY-004");
}

#[test]
fn what_a_computer_boots_next_is_set_explained_and_taken_back() {
    let server = Server::start();
    add(&server.login(), "a01", 1);
    let run = |words: &[&str]| server.run(words);
    ok(&run(&["group", "add", "row-1", "--boot-entry", "local"]));
    ok(&run(&["client", "set", "a01", "--group", "row-1"]));
    ok(&run(&["client", "next", "a01", "image"]));
    let choice = json(&run(&["client", "explain", "a01", "-o", "json"]));
    assert_eq!(choice["entry"]["value"], "image");
    assert_eq!(choice["entry"]["from"], "one_shot");
    let said = ok(&run(&["client", "explain", "a01"]));
    assert!(
        said.starts_with("a01: Nothing: it has no image.\n"),
        "{said}"
    );
    assert!(
        said.contains("▶ next boot") && said.contains("local"),
        "{said}"
    );
    ok(&run(&["client", "next", "a01", "--clear"]));
    let said = ok(&run(&["client", "explain", "a01"]));
    assert!(
        said.contains("It starts from the disk in the computer."),
        "{said}"
    );
    assert!(said.contains("▶ group"), "{said}");
    failed(&run(&["client", "next", "a01"]), 2, "");
    failed(&run(&["client", "next", "a01", "none"]), 4, "NSB-ENTRY-004");

    ok(&run(&["client", "retire", "a01"]));
    let said = ok(&run(&["client", "explain", "a01"]));
    assert!(said.contains("(retired): Nothing"), "{said}");
    assert!(ok(&run(&["client", "show", "a01"])).contains("retired"));
    ok(&run(&["client", "adopt", "a01"]));
    let shown = json(&run(&["client", "show", "a01", "-o", "json"]));
    assert_eq!(
        (&shown["state"], &shown["group_name"]),
        (&"adopted".into(), &"row-1".into())
    );
}

#[test]
fn what_is_taken_away_and_what_is_removed_can_name_the_revision() {
    let server = Server::start();
    let run = |words: &str| server.run(&words.split(' ').collect::<Vec<_>>());
    ok(&run(
        "boot-entry add inst --kind kernel --kernel debian/linux --initrd a.gz",
    ));
    failed(&run("boot-entry set inst --no-initrd --initrd b.gz"), 2, "");
    ok(&run("boot-entry set inst --no-initrd"));
    let shown = json(&run("boot-entry show inst -o json"));
    assert_eq!(shown["initrds"], serde_json::json!([]));
    ok(&run("group add row-1"));
    failed(&run("boot-entry rm inst --if-match 1"), 5, "NSB-ENTRY-003");
    failed(&run("group rm row-1 --if-match 9"), 5, "NSB-GROUP-003");
    ok(&run("group rm row-1 --if-match 1"));
    ok(&run("boot-entry rm inst --if-match 2"));
}

#[test]
fn a_computer_is_added_with_what_it_boots_and_a_mistyped_set_is_refused() {
    let server = Server::start();
    std::fs::create_dir(server.data().join("loaders/ipxe-2")).expect("a set");
    let run = |words: &str| server.run(&words.split(' ').collect::<Vec<_>>());
    ok(&run("group add row-1"));
    let add = "client add 52:54:00:00:00:01 --name pc-1 --group row-1 --boot-entry local";
    failed(&run(&format!("{add} --loader-set ipxe-3")), 1, "ipxe-2");
    failed(&run("client show pc-1"), 4, "NSB-CLIENT-004");
    ok(&run(&format!("{add} --loader-set ipxe-2 --loader ipxe")));
    let shown = json(&run("client show pc-1 -o json"));
    let said = ["group_name", "boot_entry_name", "loader_set", "loader"].map(|k| &shown[k]);
    assert_eq!(said, ["row-1", "local", "ipxe-2", "ipxe"]);
    let why = ok(&run("client why pc-1"));
    assert!(
        why.contains("from the disk in the computer") && !why.contains("--image"),
        "{why}"
    );
    failed(&run("group set row-1 --loader-set debain"), 1, "ipxe-2");
}

#[test]
fn a_boot_network_keeps_what_is_not_named() {
    let server = Server::start();
    let run = |words: &str| server.run(&words.split(' ').collect::<Vec<_>>());
    failed(&run("network set nsb-none1"), 1, "range");
    ok(&run(
        "network set nsb-none1 --mode proxy --router 10.9.9.254 --dns 9.9.9.9",
    ));
    ok(&run("setting confirm 1"));
    ok(&run("network set nsb-none1 --dns 1.1.1.1"));
    ok(&run("setting confirm 2"));
    let value = |key: &str| {
        let shown = json(&run("setting show boot.nsb-none1 -o json"));
        shown["value"][key].clone()
    };
    assert_eq!(value("mode"), "proxy");
    assert_eq!(value("router"), "10.9.9.254");
    assert_eq!(value("dns"), "1.1.1.1");
    ok(&server.run(&["network", "set", "nsb-none1", "--router", ""]));
    assert!(value("router").is_null());
}
