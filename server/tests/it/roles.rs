//! Who may do what: every operation of the API's description, by every role, from our own page and
//! from a foreign one. The table is written by hand; a route without a row fails. What is not in the
//! description has tables of its own.

mod cookies;
mod pages;
mod routes;

use crate::server::{Answer, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The least role of each operation; `open` needs no sign-in.
const TABLE: &[(&str, &str, &str)] = &[
    ("POST", "/api/v1/auth/login", "open"),
    ("POST", "/api/v1/auth/refresh", "open"),
    ("POST", "/api/v1/auth/setup", "open"),
    ("POST", "/api/v1/auth/logout", "viewer"),
    ("GET", "/api/v1/auth/me", "viewer"),
    ("POST", "/api/v1/auth/password", "viewer"),
    ("GET", "/api/v1/auth/sessions", "viewer"),
    ("DELETE", "/api/v1/auth/sessions", "viewer"),
    ("DELETE", "/api/v1/auth/sessions/{session}", "viewer"),
    ("GET", "/api/v1/audit", "admin"),
    ("GET", "/api/v1/audit/export", "admin"),
    ("POST", "/api/v1/audit/actions/verify", "admin"),
    ("GET", "/api/v1/boot-entries", "viewer"),
    ("POST", "/api/v1/boot-entries", "operator"),
    ("GET", "/api/v1/boot-entries/{entry}", "viewer"),
    ("PATCH", "/api/v1/boot-entries/{entry}", "operator"),
    ("DELETE", "/api/v1/boot-entries/{entry}", "operator"),
    ("GET", "/api/v1/exports", "viewer"),
    ("GET", "/api/v1/exports/{client}", "viewer"),
    ("GET", "/api/v1/exports/{client}/sessions", "viewer"),
    (
        "DELETE",
        "/api/v1/exports/{client}/sessions/{session}",
        "operator",
    ),
    ("GET", "/api/v1/overlays", "viewer"),
    ("DELETE", "/api/v1/overlays/{client}", "operator"),
    ("GET", "/api/v1/storage", "viewer"),
    ("GET", "/api/v1/firmware", "viewer"),
    ("POST", "/api/v1/firmware", "operator"),
    ("GET", "/api/v1/firmware/{firmware}", "viewer"),
    ("PATCH", "/api/v1/firmware/{firmware}", "operator"),
    ("DELETE", "/api/v1/firmware/{firmware}", "operator"),
    ("GET", "/api/v1/groups", "viewer"),
    ("POST", "/api/v1/groups", "operator"),
    ("GET", "/api/v1/groups/{group}", "viewer"),
    ("PATCH", "/api/v1/groups/{group}", "operator"),
    ("DELETE", "/api/v1/groups/{group}", "operator"),
    ("GET", "/api/v1/boots", "viewer"),
    ("GET", "/api/v1/boots/{boot}", "viewer"),
    ("GET", "/api/v1/clients", "viewer"),
    ("POST", "/api/v1/clients", "operator"),
    ("GET", "/api/v1/clients/{client}", "viewer"),
    ("PATCH", "/api/v1/clients/{client}", "operator"),
    ("DELETE", "/api/v1/clients/{client}", "operator"),
    ("GET", "/api/v1/clients/{client}/boots", "viewer"),
    ("GET", "/api/v1/clients/{client}/boot-choice", "viewer"),
    (
        "POST",
        "/api/v1/clients/{client}/actions/through-loader",
        "operator",
    ),
    (
        "POST",
        "/api/v1/clients/{client}/actions/discard",
        "operator",
    ),
    ("POST", "/api/v1/clients/actions/update", "operator"),
    ("POST", "/api/v1/clients/actions/remove", "operator"),
    ("GET", "/api/v1/images", "viewer"),
    ("POST", "/api/v1/images", "operator"),
    ("GET", "/api/v1/images/{image}", "viewer"),
    ("DELETE", "/api/v1/images/{image}", "operator"),
    ("GET", "/api/v1/images/{image}/content", "operator"),
    ("POST", "/api/v1/images/actions/import", "admin"),
    ("POST", "/api/v1/uploads", "operator"),
    ("GET", "/api/v1/uploads/{upload}", "operator"),
    ("PATCH", "/api/v1/uploads/{upload}", "operator"),
    ("DELETE", "/api/v1/uploads/{upload}", "operator"),
    ("POST", "/api/v1/images/{image}/actions/verify", "operator"),
    ("PATCH", "/api/v1/images/{image}", "operator"),
    ("POST", "/api/v1/images/{image}/actions/apply", "operator"),
    ("POST", "/api/v1/images/{image}/actions/revert", "operator"),
    (
        "PUT",
        "/api/v1/images/{image}/channels/{channel}",
        "operator",
    ),
    ("PUT", "/api/v1/images/{image}/superclient", "operator"),
    ("DELETE", "/api/v1/images/{image}/superclient", "operator"),
    (
        "PATCH",
        "/api/v1/images/{image}/versions/{version}",
        "operator",
    ),
    (
        "DELETE",
        "/api/v1/images/{image}/versions/{version}",
        "operator",
    ),
    (
        "POST",
        "/api/v1/images/{image}/versions/{version}/actions/flatten",
        "operator",
    ),
    (
        "POST",
        "/api/v1/images/{image}/versions/{version}/actions/clone",
        "operator",
    ),
    ("GET", "/api/v1/snapshots", "viewer"),
    ("POST", "/api/v1/snapshots", "operator"),
    ("GET", "/api/v1/snapshots/{snapshot}", "viewer"),
    ("DELETE", "/api/v1/snapshots/{snapshot}", "operator"),
    (
        "POST",
        "/api/v1/snapshots/{snapshot}/actions/restore",
        "operator",
    ),
    (
        "POST",
        "/api/v1/snapshots/{snapshot}/actions/clone",
        "operator",
    ),
    ("GET", "/api/v1/jobs", "viewer"),
    ("GET", "/api/v1/jobs/{job}", "viewer"),
    ("GET", "/api/v1/interfaces", "viewer"),
    ("POST", "/api/v1/jobs/{job}/actions/cancel", "operator"),
    ("POST", "/api/v1/lab/actions/up", "operator"),
    ("POST", "/api/v1/lab/actions/boot", "operator"),
    ("POST", "/api/v1/lab/actions/down", "operator"),
    ("GET", "/api/v1/leases", "viewer"),
    ("GET", "/api/v1/leases/{address}", "viewer"),
    ("DELETE", "/api/v1/leases/{address}", "operator"),
    ("POST", "/api/v1/leases/{address}/actions/keep", "operator"),
    ("GET", "/api/v1/loaders", "viewer"),
    ("POST", "/api/v1/loaders", "admin"),
    ("GET", "/api/v1/loaders/{set}", "viewer"),
    ("DELETE", "/api/v1/loaders/{set}", "admin"),
    ("GET", "/api/v1/networks", "viewer"),
    ("GET", "/api/v1/reservations", "viewer"),
    ("POST", "/api/v1/reservations", "operator"),
    ("GET", "/api/v1/reservations/{reservation}", "viewer"),
    ("PATCH", "/api/v1/reservations/{reservation}", "operator"),
    ("DELETE", "/api/v1/reservations/{reservation}", "operator"),
    ("GET", "/api/v1/scopes", "viewer"),
    ("POST", "/api/v1/scopes", "admin"),
    ("GET", "/api/v1/scopes/{scope}", "viewer"),
    ("PATCH", "/api/v1/scopes/{scope}", "admin"),
    ("DELETE", "/api/v1/scopes/{scope}", "admin"),
    ("GET", "/api/v1/settings", "viewer"),
    ("PATCH", "/api/v1/settings", "admin"),
    ("POST", "/api/v1/settings/actions/confirm", "admin"),
    ("POST", "/api/v1/settings/actions/preview", "admin"),
    ("GET", "/api/v1/settings/revisions", "viewer"),
    ("GET", "/api/v1/settings/revisions/{revision}", "viewer"),
    (
        "POST",
        "/api/v1/settings/revisions/{revision}/actions/undo",
        "admin",
    ),
    ("GET", "/api/v1/secrets", "admin"),
    ("POST", "/api/v1/secrets/actions/rotate", "admin"),
    ("GET", "/api/v1/system/info", "viewer"),
    ("GET", "/api/v1/system/tasks", "viewer"),
    ("GET", "/api/v1/system/log-level", "viewer"),
    ("PUT", "/api/v1/system/log-level", "admin"),
    ("GET", "/api/v1/tokens", "viewer"),
    ("POST", "/api/v1/tokens", "viewer"),
    ("DELETE", "/api/v1/tokens/{token}", "viewer"),
    ("GET", "/api/v1/users", "admin"),
    ("POST", "/api/v1/users", "admin"),
    ("GET", "/api/v1/users/{user}", "admin"),
    ("PATCH", "/api/v1/users/{user}", "admin"),
    ("DELETE", "/api/v1/users/{user}", "admin"),
    ("GET", "/api/v1/users/{user}/sessions", "admin"),
    ("DELETE", "/api/v1/users/{user}/sessions", "admin"),
    ("DELETE", "/api/v1/sessions/{session}", "admin"),
];

/// The least role of each server function of the page.
const FUNCTIONS: &[(&str, &str)] = &[
    ("login", "open"),
    ("setup", "open"),
    ("logout", "open"),
    ("theme", "open"),
    ("session", "open"),
    ("clients/boots", "viewer"),
    ("clients/add", "operator"),
    ("clients/adopt", "operator"),
    ("clients/update", "operator"),
    ("clients/remove", "operator"),
    ("clients/choice", "viewer"),
    ("clients/choose", "operator"),
    ("clients/next", "operator"),
    ("clients/retire", "operator"),
    ("boot-entries/add", "operator"),
    ("boot-entries/update-kernel", "operator"),
    ("boot-entries/update-script", "operator"),
    ("boot-entries/remove", "operator"),
    ("firmware/pin", "operator"),
    ("firmware/unpin", "operator"),
    ("firmware/forget", "operator"),
    ("firmware/pin-computer", "operator"),
    ("groups/add", "operator"),
    ("groups/update", "operator"),
    ("groups/remove", "operator"),
    ("images/fetch", "admin"),
    ("images/remove", "operator"),
    ("images/channel", "operator"),
    ("images/revert", "operator"),
    ("images/update", "operator"),
    ("images/flatten", "operator"),
    ("images/clone", "operator"),
    ("snapshots/take", "operator"),
    ("snapshots/restore", "operator"),
    ("snapshots/remove", "operator"),
    ("images/describe", "operator"),
    ("images/remove-version", "operator"),
    ("images/appoint", "operator"),
    ("images/dismiss", "operator"),
    ("images/apply", "operator"),
    ("clients/discard", "operator"),
    ("storage/list", "viewer"),
    ("exports/drop", "operator"),
    ("overlays/remove", "operator"),
    ("interfaces/list", "viewer"),
    ("loaders/list", "viewer"),
    ("loaders/choose", "admin"),
    ("loaders/remove", "admin"),
    ("lab/boot", "operator"),
    ("leases/keep", "operator"),
    ("leases/forget", "operator"),
    ("reservations/create", "operator"),
    ("reservations/update", "operator"),
    ("reservations/remove", "operator"),
    ("scopes/create", "admin"),
    ("scopes/update", "admin"),
    ("scopes/remove", "admin"),
    ("activity/list", "viewer"),
    ("jobs/show", "viewer"),
    ("jobs/cancel", "operator"),
    ("audit/verify", "admin"),
    ("users/list", "admin"),
    ("users/create", "admin"),
    ("users/update", "admin"),
    ("users/password", "admin"),
    ("users/end-sessions", "admin"),
    ("users/remove", "admin"),
    ("settings/read", "viewer"),
    ("settings/preview", "admin"),
    ("settings/change", "admin"),
    ("settings/undo", "admin"),
    ("settings/confirm", "admin"),
    ("account/read", "viewer"),
    ("account/password", "viewer"),
    // Somebody else's; one's own needs no role.
    ("sessions/end", "admin"),
    ("sessions/end-others", "viewer"),
    ("tokens/create", "viewer"),
    ("tokens/remove", "admin"),
];

/// A form with every field of theirs and nothing in it that could be done.
const NOTHING: &str = "from=url&place=x&whose=shared&quota=&snapshot=01934c5e-7b00-7000-8000-0000000000ff&id=01934c5e-7b00-7000-8000-0000000000ff&revision=1&name=pc-new&mac=zz&image=none&mode=keep&theme=x&code=x&username=x&password=x&show=all&current=x&new=x&role=viewer&firmware=bios&days=0&number=99&address=x&scope=none&hostname=x&subnet=x&ranges=x&exclusions=x&router=x&dns=x&domain=x&seconds=x&options=x&wanted[within]=10&kind=kernel&kernel=&initrds=&command_line=&attach=no&script=&group=none&boot_entry=none&loader_set=&loader=&form=&block_size=0&delay_ms=0&pace=0&client=01934c5e-7b00-7000-8000-0000000000ff&disk=01934c5e-7b00-7000-8000-0000000000ff&data_disks=none&channel=test&version=1&session=1&comment=&more[channel]=test&more[options]=x";

const ROLES: [&str; 4] = ["none", "viewer", "operator", "admin"];

/// As strong as they are listed: `open` and `none` first.
fn rank(role: &str) -> usize {
    ["open", "viewer", "operator", "admin"]
        .iter()
        .position(|r| *r == role)
        .unwrap_or(0)
}

/// An account for each role, so that none can end another's session.
fn accounts(server: &Server) {
    let admin = server.login();
    for role in &ROLES[1..] {
        let account =
            json!({"username": format!("the-{role}"), "password": "correct horse", "role": role});
        let made = admin.json("POST", "/api/v1/users", account);
        assert_eq!(made.status, 201, "{made:?}");
    }
}

/// Tokens of each role.
fn tokens(server: &Server) -> BTreeMap<&'static str, String> {
    accounts(server);
    let token = |role: &&'static str| (*role, sign_in(server, &format!("the-{role}")));
    ROLES[1..].iter().map(token).collect()
}

fn sign_in(server: &Server, name: &str) -> String {
    let body = json!({"username": name, "password": "correct horse"});
    let answer = server.json("POST", "/api/v1/auth/login", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.value()["access_token"].as_str().unwrap().to_string()
}

/// The path with something that is not there in each place, so that nothing is changed by asking.
fn filled(path: &str) -> String {
    let nothing = "01934c5e-7b00-7000-8000-0000000000ff";
    let parts = path.split('/').map(|part| match part.starts_with('{') {
        true => nothing,
        false => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn operations(server: &Server) -> Vec<(String, String)> {
    let api = server.send("GET", "/api/openapi.json", &[], b"").value();
    let paths = api["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        for method in item.as_object().expect("operations").keys() {
            all.push((method.to_uppercase(), path.clone()));
        }
    }
    all.sort();
    all
}

/// A request that the role alone decides on: what is asked for is not there, or not readable.
fn ask(
    server: &Server,
    method: &str,
    path: &str,
    token: Option<&str>,
    origin: Option<&str>,
) -> Answer {
    let bearer = token.map(|t| format!("Bearer {t}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
    headers.extend(origin.map(|o| ("origin", o)));
    let body: &[u8] = match method {
        "GET" | "DELETE" => b"",
        _ => b"{\"nonsense\":1}",
    };
    // By a connection of its own: one whose last body nobody read is closed, and not always said so.
    let sent = Server::ask(&server.base, method, &filled(path), &headers, body);
    sent.expect("an answer")
}

#[test]
fn every_operation_has_its_row_and_every_row_its_operation() {
    let server = Server::start();
    let mut rows: Vec<(String, String)> = TABLE
        .iter()
        .map(|(m, p, _)| (m.to_string(), p.to_string()))
        .collect();
    rows.sort();
    assert_eq!(operations(&server), rows);
}

/// Other people's programs are made from it: a change of it is seen in review. `NSBOOT_BLESS=1`
/// writes it anew.
#[test]
fn the_description_is_the_one_that_is_checked_in() {
    let server = Server::start();
    let api = server.send("GET", "/api/openapi.json", &[], b"").value();
    let text = serde_json::to_string_pretty(&api).unwrap() + "\n";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("NSBOOT_BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "docs/openapi.json is of another router; NSBOOT_BLESS=1 writes it anew"
    );
}

#[test]
fn the_viewer_works_without_the_internet() {
    let server = Server::start();
    let page = server.send("GET", "/api/docs/", &[], b"");
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        !page.text().contains("//cdn") && !page.text().contains("https://"),
        "{page:?}"
    );
    for file in [
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "swagger-initializer.js",
    ] {
        let found = server.send("GET", &format!("/api/docs/{file}"), &[], b"");
        assert_eq!(found.status, 200, "{file}");
    }
    assert!(
        page.policy.contains("script-src 'self'") && !page.policy.contains("script-src 'unsafe"),
        "{}",
        page.policy
    );
}

#[test]
fn the_description_says_the_same_role_and_answer_for_each() {
    let server = Server::start();
    let api = server.send("GET", "/api/openapi.json", &[], b"").value();
    assert_eq!(api["openapi"], "3.1.0");
    for (method, path, role) in TABLE {
        let operation = &api["paths"][path][method.to_lowercase()];
        let said = &operation["security"][0]["bearer"][0];
        match *role {
            "open" => assert!(said.is_null(), "{method} {path}: {said}"),
            role => assert_eq!(said, role, "{method} {path}"),
        }
        let responses = operation["responses"].as_object().expect("responses");
        let good: Vec<_> = responses.keys().filter(|s| s.starts_with('2')).collect();
        // Who keeps an address twice makes nothing the second time.
        let ways = if path.ends_with("/keep") { 2 } else { 1 };
        assert_eq!(good.len(), ways, "{method} {path}");
        assert!(responses.contains_key("default"), "{method} {path}");
        assert!(
            operation["summary"].as_str().is_some_and(|s| !s.is_empty()),
            "{method} {path} says what it is for"
        );
    }
}

#[test]
fn each_role_may_do_its_own_and_no_more() {
    let server = Server::start();
    let tokens = tokens(&server);
    let before = state(&server);
    for (method, path, least) in TABLE {
        for role in ROLES {
            // The three that need no sign-in are tried in `auth`; one that ends the session is last.
            if path.ends_with("/logout") || *least == "open" && role == "none" {
                continue;
            }
            if path.ends_with("/lab/actions/up") && rank(role) >= rank(least) && role != "none" {
                continue; // It would make the lab's network.
            }
            let token = tokens.get(role).map(String::as_str);
            let what = format!("{method} {path} as {role}");
            // A program, and a script of our own page.
            for origin in [None, Some(server.base.as_str())] {
                let answer = ask(&server, method, path, token, origin);
                match (role, rank(role) >= rank(least)) {
                    ("none", _) => assert_eq!(answer.status, 401, "{what}: {answer:?}"),
                    (_, false) => assert!(
                        answer.status == 403 && answer.code() != "NSB-HTTP-403",
                        "{what}: {answer:?}"
                    ),
                    (_, true) => {
                        assert!(
                            ![401, 403].contains(&answer.status) || *least == "open",
                            "{what}: {answer:?}"
                        );
                        assert!(
                            answer.status < 500 || answer.status == 503,
                            "{what}: {answer:?}"
                        );
                    }
                }
            }
            let foreign = ask(&server, method, path, token, Some("http://evil.example"));
            let allowed = foreign.header("access-control-allow-origin");
            assert_eq!(allowed, None, "{what}: a foreign page may read it");
            if !matches!(*method, "GET") {
                assert_eq!(
                    (foreign.status, foreign.code().as_str()),
                    (403, "NSB-HTTP-403"),
                    "{what}"
                );
            }
        }
    }
    assert_eq!(state(&server), before, "asking changed something");
    for (method, path) in [("POST", "/api/v1/auth/logout")] {
        for role in &ROLES[1..] {
            let token = tokens.get(role).map(String::as_str);
            assert_eq!(
                ask(&server, method, path, token, None).status,
                204,
                "{role}"
            );
            assert_eq!(
                ask(&server, method, path, token, None).status,
                401,
                "{role}"
            );
        }
    }
    let unknown = server.send("POST", "/api/v1/nothing/at/all", &[], b"");
    assert_eq!(unknown.status, 404, "{unknown:?}");
}

#[test]
fn server_functions_hold_to_the_same_roles() {
    let server = Server::start();
    let tokens = tokens(&server);
    let before = state(&server);
    for (function, least) in FUNCTIONS {
        for role in ROLES {
            let bearer = tokens.get(role).map(|t| format!("Bearer {t}"));
            let mut headers = vec![
                ("content-type", "application/x-www-form-urlencoded"),
                ("accept", "application/json"),
            ];
            headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
            let path = format!("/fn/{function}");
            let what = format!("{function} as {role}");
            if *function == "lab/boot" && rank(role) >= rank(least) && role != "none" {
                continue; // It would boot one.
            }
            if *least != "open" {
                let answer = server.send("POST", &path, &headers, NOTHING.as_bytes());
                match (role, rank(role) >= rank(least)) {
                    ("none", _) => assert_eq!(answer.status, 401, "{what}: {answer:?}"),
                    (_, false) => assert_eq!(answer.status, 403, "{what}: {answer:?}"),
                    (_, true) => {
                        assert!(![401, 403].contains(&answer.status), "{what}: {answer:?}")
                    }
                }
            }
            headers.push(("origin", "http://evil.example"));
            let foreign = server.send("POST", &path, &headers, NOTHING.as_bytes());
            assert_eq!(foreign.status, 403, "{what} from elsewhere: {foreign:?}");
        }
    }
    assert_eq!(state(&server), before, "asking changed something");
    let unknown = server.send("POST", "/fn/clients/explode", &[], b"");
    assert!(matches!(unknown.status, 400 | 404), "{unknown:?}");
}

/// Every server function in the sources has a row.
#[test]
fn every_server_function_has_its_row() {
    let mut found: Vec<String> = crate::imports::sources("app/src")
        .iter()
        .flat_map(|(_, text)| {
            text.split("#[server(")
                .skip(1)
                .map(endpoint)
                .collect::<Vec<_>>()
        })
        .collect();
    found.sort();
    let mut rows: Vec<String> = FUNCTIONS.iter().map(|(f, _)| f.to_string()).collect();
    rows.sort();
    assert_eq!(found, rows);
}

fn endpoint(attribute: &str) -> String {
    let arguments = attribute.split(")]").next().unwrap_or("");
    assert!(
        !arguments.contains("Get"),
        "a change by GET is no change: {arguments}"
    );
    let name = arguments
        .split("endpoint = \"")
        .nth(1)
        .expect("a name of its own");
    name.split('"').next().unwrap_or("").to_string()
}

/// What an admin sees of everything that can be changed.
fn state(server: &Server) -> Vec<Value> {
    let admin = server.login();
    let nouns = [
        "clients",
        "images",
        "boot-entries",
        "groups",
        "firmware",
        "leases",
        "users",
        "loaders",
        "tokens?user=*",
        "scopes",
        "reservations",
        "settings/revisions",
    ];
    nouns
        .iter()
        .map(|noun| {
            let mut items = admin.items(&format!("/api/v1/{noun}"));
            for item in &mut items {
                // Signing in to look is a session more.
                item.as_object_mut()
                    .expect("an object")
                    .remove("session_count");
            }
            json!(items)
        })
        .collect()
}
