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
