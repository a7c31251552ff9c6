//! The same with the page's cookie, which a browser sends by itself: here a foreign page could act in
//! somebody's name.

use super::{FUNCTIONS, NOTHING, ROLES, TABLE, accounts, filled, rank, state};
use crate::{
    api::add,
    server::{Answer, Server},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// How a browser says that another site's page asks.
const FOREIGN: &[(&str, &str)] = &[
    ("origin", "http://evil.example"),
    // A page without an origin of its own, as in a sandboxed frame.
    ("origin", "null"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
];

/// A cookie of an account for each role.
pub fn cookies(server: &Server) -> BTreeMap<&'static str, String> {
    accounts(server);
    let cookie = |role: &&'static str| {
        let body = format!("username=the-{role}&password=correct+horse");
        let headers = [("content-type", FORM)];
        let answer = server.send("POST", "/fn/login", &headers, body.as_bytes());
        let cookie = answer.cookie.unwrap_or_else(|| panic!("{role}: no cookie"));
        let pair = cookie.split(';').next().expect("a pair");
        (*role, pair.to_string())
    };
    ROLES[1..].iter().map(cookie).collect()
}

/// A change as a browser sends it.
struct Change<'a> {
    server: &'a Server,
    method: &'a str,
    path: &'a str,
    kind: &'a str,
    cookie: &'a str,
    body: &'a str,
}

impl Change<'_> {
    fn send(&self, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![
            ("content-type", self.kind),
            ("accept", JSON),
            ("cookie", self.cookie),
        ];
        headers.extend(more);
        let body = match self.method {
            "DELETE" => "",
            _ => self.body,
        };
        // By a connection of its own: one whose last body nobody read is closed, and not always said so.
        let base = &self.server.base;
        let sent = Server::ask(base, self.method, self.path, &headers, body.as_bytes());
        sent.expect("an answer")
    }

    /// From a page of the server itself.
    fn own(&self) -> Answer {
        self.send(&[
            ("origin", &self.server.base),
            ("sec-fetch-site", "same-origin"),
        ])
    }

    fn is_refused_elsewhere(&self, what: &str) {
        for foreign in FOREIGN {
            let answer = self.send(&[*foreign]);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "NSB-HTTP-403"),
                "{what} with {foreign:?}"
            );
            assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
        }
    }
}

/// Checks what the role alone decides on.
fn by_role(answer: &Answer, least: &str, role: &str, what: &str) {
    match rank(role) >= rank(least) {
        // Not for where it came from.
        false => assert!(
            answer.status == 403 && !answer.text().contains("NSB-HTTP-403"),
            "{what}: {answer:?}"
        ),
        true => assert!(
            ![401, 403].contains(&answer.status) && answer.status != 500,
            "{what}: {answer:?}"
        ),
    }
}

#[test]
fn with_the_cookie_own_pages_go_by_role_and_foreign_ones_nowhere() {
    let server = Server::start();
    let cookies = cookies(&server);
    let before = state(&server);
    let rows = TABLE.iter().filter(|(method, ..)| *method != "GET");
    for (method, path, least) in rows {
        for (role, cookie) in &cookies {
            let what = format!("{method} {path} as {role}");
            let change = Change {
                server: &server,
                method,
                path: &filled(path),
                kind: JSON,
                cookie,
                body: "{\"nonsense\":1}",
            };
            change.is_refused_elsewhere(&what);
            let may = rank(role) >= rank(least);
            // It ends the session; it would make the lab's network; sign-in is for those without.
            let left_out = path.ends_with("/logout") || path.ends_with("/lab/actions/up") && may;
            if *least != "open" && !left_out {
                by_role(&change.own(), least, role, &what);
            }
        }
    }
    for (function, least) in FUNCTIONS {
        for (role, cookie) in &cookies {
            let what = format!("{function} as {role}");
            let change = Change {
                server: &server,
                method: "POST",
                path: &format!("/fn/{function}"),
                kind: FORM,
                cookie,
                body: NOTHING,
            };
            change.is_refused_elsewhere(&what);
            // It would boot one.
            let boots = *function == "lab/boot" && rank(role) >= rank(least);
            if *least != "open" && !boots {
                by_role(&change.own(), least, role, &what);
            }
        }
    }
    assert_eq!(state(&server), before, "asking changed something");
    for (role, cookie) in &cookies {
        let headers = [("cookie", cookie.as_str())];
        let me = server.send("GET", "/api/v1/auth/me", &headers, b"");
        assert_eq!(me.value()["role"], *role, "the session is as it was");
    }
}

/// Not only nonsense: what would be done is not done for a foreign page, and is for our own.
#[test]
fn what_a_foreign_page_asks_with_an_admins_cookie_is_not_done() {
    let server = Server::start();
    let cookies = cookies(&server);
    let cookie = cookies["admin"].as_str();
    let client = add(&server.login(), "a01", 1);
    let at = format!("/api/v1/clients/{}", client["id"].as_str().expect("id"));
    let user = json!({"username": "mallory", "password": "correct horse", "role": "admin"});
    let rest: [(&str, &str, Value, u16); 5] = [
        (
            "POST",
            "/api/v1/clients",
            json!({"name": "a02", "mac": "52:54:00:00:00:02"}),
            201,
        ),
        ("PATCH", &at, json!({"mode": "keep"}), 200),
        ("POST", "/api/v1/users", user, 201),
        (
            "PATCH",
            "/api/v1/settings",
            json!({"values": {"clients.unknown": "adopt"}}),
            200,
        ),
        ("DELETE", &at, Value::Null, 204),
    ];
    let forms = [
        (
            "/fn/clients/add",
            "name=a03&mac=52:54:00:00:00:03&image=&mode=keep",
        ),
        (
            "/fn/users/create",
            "username=eve&password=correct+horse&role=admin",
        ),
        ("/fn/logout", ""),
    ];
    let all = rest
        .iter()
        .map(|(method, path, body, status)| (*method, *path, JSON, body.to_string(), *status))
        .chain(
            forms
                .iter()
                .map(|(path, body)| ("POST", *path, FORM, body.to_string(), 200)),
        );
    for (method, path, kind, body, status) in all {
        let change = Change {
            server: &server,
            method,
            path,
            kind,
            cookie,
            body: &body,
        };
        let before = state(&server);
        change.is_refused_elsewhere(path);
        assert_eq!(state(&server), before, "{method} {path} was done");
        let done = change.own();
        assert_eq!(done.status, status, "{method} {path}: {done:?}");
        assert!(
            path == "/fn/logout" || state(&server) != before,
            "{method} {path} was not done"
        );
    }
    let headers = [("cookie", cookie)];
    let me = server.send("GET", "/api/v1/auth/me", &headers, b"");
    assert_eq!(me.status, 401, "the last of them ended the session");
}
