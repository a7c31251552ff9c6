//! The rules of the workspace that the compiler does not hold.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_path_buf()
}

/// Who may import whom: `types <- store <- engine <- daemons <- server`.
const MAY: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("store", &["types"]),
    ("engine", &["types", "store"]),
    ("daemons", &["types", "engine"]),
    ("app", &["types", "engine"]),
    ("frontend", &["app"]),
    ("server", &["types", "store", "engine", "daemons", "app"]),
];

#[test]
fn packages_import_only_what_they_may() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeMap<&str, &Value> = packages
        .iter()
        .map(|p| (p["name"].as_str().expect("name"), p))
        .collect();
    let expected: BTreeSet<&str> = MAY.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        ours.keys().copied().collect::<BTreeSet<_>>(),
        expected,
        "list the package here"
    );
    for (name, may) in MAY {
        for dependency in ours[name]["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("name");
            // Tests may look further.
            if dependency["kind"] == "dev" {
                continue;
            }
            assert!(
                !expected.contains(to) || may.contains(&to),
                "{name} must not import {to}"
            );
            if *name == "app" && to == "engine" {
                assert_eq!(
                    dependency["optional"], true,
                    "app imports engine in its ssr build only"
                );
            }
            let kept = [
                ("store", "redb"),
                ("store", "bincode"),
                ("engine", "chacha20poly1305"),
            ];
            for (only, library) in kept {
                assert!(
                    to != library || *name == only,
                    "{name} must not name {library}"
                );
            }
        }
    }
}

/// Every Rust file below a folder, with its text.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("entry").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path
                    .strip_prefix(root())
                    .expect("below")
                    .display()
                    .to_string();
                found.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }
    found
}

/// Source of the product, without tests.
fn product() -> Vec<(String, String)> {
    let folders = [
        "app/src",
        "app/types/src",
        "frontend/src",
        "server/src",
        "server/engine/src",
        "server/daemons/src",
        "server/store/src",
    ];
    let test = |name: &str| {
        let file = name.rsplit('/').next().unwrap_or("");
        file == "tests.rs"
            || file.ends_with("_tests.rs")
            || file.starts_with("test")
            || name.contains("/tests/")
    };
    folders
        .iter()
        .flat_map(|f| sources(f))
        .filter(|(name, _)| !test(name))
        .map(|(name, text)| {
            // What follows the first test module of a file is tests.
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or("")
                .to_string();
            (name, code)
        })
        .collect()
}

#[test]
fn only_the_engines_os_starts_processes() {
    for (name, text) in product() {
        // `engine::os` has a `Command` of its own, which is the allowed way.
        let starts = text.contains("process::Command")
            || text.contains("tokio::process")
            || (text.contains("Command::new(")
                && !text.contains("os::{")
                && !text.contains("os::Command"));
        assert!(
            !starts || name.starts_with("server/engine/src/os"),
            "{name} starts a process"
        );
    }
}

/// REST and server functions get at the engine by the handle of the caller's role alone.
#[test]
fn people_and_programs_come_in_by_the_door() {
    let open = [
        ".engine.as_",
        ".engine.users().login(",
        ".engine.users().refresh(",
        ".engine.users().setup(",
        // Whether the database answers; says nothing of what is in it.
        ".engine.is_readable(",
    ];
    let pages = [sources("server/src/http/api"), sources("app/src")].concat();
    only_calls(&pages, &open);
    // The layer below them knows who asks and what holds for it; what there is, it has from a handle, too.
    let layer = [
        ".engine.as_",
        ".engine.config(",
        ".engine.counters(",
        ".engine.idempotency(",
        ".engine.is_readable(",
        ".engine.lab().view(",
        ".engine.settings(",
        ".engine.users(",
        ".engine.clone(",
    ];
    let mut below = sources("server/src/http");
    // Firmware has no account; and figures are nobody's in particular.
    let own = ["/http/boot.rs", "/http/metrics/", "/tests.rs"];
    below.retain(|(file, _)| !own.iter().any(|o| file.contains(o)));
    only_calls(&below, &layer);
}

fn only_calls(files: &[(String, String)], open: &[&str]) {
    assert!(!files.is_empty());
    for (file, text) in files {
        let text: String = text.split_whitespace().collect();
        for (at, _) in text.match_indices(".engine.") {
            let call = &text[at..];
            assert!(
                open.iter().any(|o| call.starts_with(o)),
                "{file} goes past the door: {}",
                &call[..call.len().min(60)]
            );
        }
    }
}

#[test]
fn unsafe_code_is_in_one_place() {
    for (name, text) in product() {
        let code = text.lines().map(str::trim).filter(|l| !l.starts_with("//"));
        let has = code.clone().any(|l| {
            l.contains("unsafe {")
                || l.contains("unsafe fn")
                || l.contains("unsafe impl")
                || l.contains("allow(unsafe_code)")
        });
        assert!(
            !has || name == "server/daemons/src/sys.rs",
            "{name} has unsafe code"
        );
    }
}

#[test]
fn files_say_what_they_are() {
    for (name, text) in product() {
        assert!(
            text.starts_with("//!"),
            "{name} does not begin with a //! head"
        );
    }
}

#[test]
fn run_time_options_of_the_page_equal_those_of_the_build() {
    let block = |file: &str, head: &str| -> toml::Table {
        let text = fs::read_to_string(root().join(file)).expect(file);
        let (_, block) = text
            .split_once(head)
            .unwrap_or_else(|| panic!("{file} has no {head}"));
        block
            .split("\n[")
            .next()
            .unwrap_or("")
            .parse()
            .expect("TOML")
    };
    let build = block("Cargo.toml", "[[workspace.metadata.leptos]]");
    let run = fs::read_to_string(root().join("Leptos.toml")).expect("Leptos.toml");
    let head = ["[package.metadata.leptos]", "[[workspace.metadata.leptos]]"];
    let head = head
        .into_iter()
        .find(|h| run.contains(h))
        .expect("the head that leptos_config reads");
    for (key, value) in block("Leptos.toml", head) {
        // The build runs in DEV for its reload, the binary in PROD.
        if key != "env" {
            assert_eq!(build.get(&key), Some(&value), "{key}");
        }
    }
}
