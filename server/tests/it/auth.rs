//! Who gets in, and for how long.

use crate::server::{PASSWORD, Server};
use serde_json::json;

/// Every route of the API that needs a session, with a method that it takes.
const CLOSED: &[(&str, &str)] = &[
    ("POST", "/api/v1/auth/logout"),
    ("GET", "/api/v1/auth/me"),
    ("GET", "/api/v1/system/info"),
    ("GET", "/api/v1/clients"),
    ("POST", "/api/v1/clients"),
    ("GET", "/api/v1/clients/x"),
    ("PATCH", "/api/v1/clients/x"),
    ("DELETE", "/api/v1/clients/x"),
    ("GET", "/api/v1/clients/x/boots"),
    ("GET", "/api/v1/images"),
    ("POST", "/api/v1/images?name=x"),
    ("POST", "/api/v1/loaders?name=x"),
    ("DELETE", "/api/v1/loaders/x"),
    ("GET", "/api/v1/images/x"),
    ("DELETE", "/api/v1/images/x"),
    ("GET", "/api/v1/leases"),
    ("GET", "/api/v1/networks"),
    ("GET", "/api/v1/boots"),
    ("GET", "/api/v1/boots/x"),
    ("POST", "/api/v1/lab/actions/up"),
    ("POST", "/api/v1/lab/actions/boot"),
    ("POST", "/api/v1/lab/actions/down"),
    ("GET", "/api/v1/ws"),
];

#[test]
fn every_route_but_health_and_login_needs_a_session() {
    let server = Server::start();
    for (method, path) in CLOSED {
        for headers in [
            &[][..],
            &[("authorization", "Bearer nonsense")],
            &[("authorization", "Basic YWRtaW46eA==")],
            &[("cookie", "nsboot_session=nonsense")],
        ] {
            let answer = server.send(method, path, headers, b"");
            assert_eq!(
                answer.status, 401,
                "{method} {path} {headers:?}: {answer:?}"
            );
            assert_eq!(answer.code(), "NSB-AUTH-001");
            assert_eq!(
                answer.authenticate.as_deref(),
                Some("Bearer realm=\"nsboot\"")
            );
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.send("GET", path, &[], b"").status, 200, "{path}");
    }
    let unknown = server.send("GET", "/api/v1/nothing", &[], b"");
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "NSB-HTTP-404")
    );
}

#[test]
fn a_login_lasts_until_the_logout() {
    let server = Server::start();
    let session = server.login();
    let me = session.get("/api/v1/auth/me").value();
    assert_eq!(
        (me["username"].as_str(), me["role"].as_str()),
        (Some("admin"), Some("admin"))
    );
    assert_eq!(
        session.send("POST", "/api/v1/auth/logout", &[], b"").status,
        204
    );
    assert_eq!(session.get("/api/v1/auth/me").status, 401);
    let again = server.json(
        "POST",
        "/api/v1/auth/refresh",
        &json!({"refresh_token": session.refresh}),
    );
    assert_eq!(again.status, 401, "{again:?}");
}

#[test]
fn a_refresh_token_works_once_and_its_reuse_ends_the_session() {
    let server = Server::start();
    let session = server.login();
    let refresh = |token: &str| {
        server.json(
            "POST",
            "/api/v1/auth/refresh",
            &json!({"refresh_token": token}),
        )
    };
    let first = refresh(&session.refresh);
    assert_eq!(first.status, 200, "{first:?}");
    let newer = first.value();
    assert_ne!(newer["refresh_token"], session.refresh.as_str());
    assert_eq!(newer["expires_in_seconds"], 900);
    assert_eq!(refresh(&session.refresh).status, 401, "reuse");
    let stolen = newer["access_token"].as_str().expect("token");
    let answer = server.send(
        "GET",
        "/api/v1/auth/me",
        &[("authorization", &format!("Bearer {stolen}"))],
        b"",
    );
    assert_eq!(answer.status, 401, "the whole family ends");
    assert_eq!(
        refresh(newer["refresh_token"].as_str().expect("token")).status,
        401
    );
}

#[test]
fn sessions_outlive_a_restart_of_the_server() {
    let server = Server::start();
    let access = server.login().access;
    let server = server.restart();
    let answer = server.send(
        "GET",
        "/api/v1/auth/me",
        &[("authorization", &format!("Bearer {access}"))],
        b"",
    );
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn wrong_passwords_say_nothing_about_accounts_and_are_slowed_down() {
    let server = Server::start();
    let login = |name: &str, password: &str| {
        server.json(
            "POST",
            "/api/v1/auth/login",
            &json!({"username": name, "password": password}),
        )
    };
    let (known, unknown) = (
        login("admin", "wrong password"),
        login("nobody", "wrong password"),
    );
    assert_eq!((known.status, unknown.status), (401, 401));
    assert_eq!(known.value()["title"], unknown.value()["title"]);
    let slowed = (0..20)
        .map(|_| login("admin", "wrong password"))
        .find(|a| a.status == 429);
    assert_eq!(
        slowed.expect("20 wrong tries are not all answered").code(),
        "NSB-AUTH-006"
    );
}

#[test]
fn the_first_account_is_made_with_the_printed_code_only() {
    let server = Server::fresh();
    let code = server.code.clone().expect("printed");
    let setup = |code: &str| {
        server.json(
            "POST",
            "/api/v1/auth/setup",
            &json!({"code": code, "username": "admin", "password": PASSWORD}),
        )
    };
    assert_eq!(setup("AAAA-AAAA-AAAA").status, 422);
    let made = setup(&code);
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(setup(&code).status, 409, "once");
    assert_eq!(server.login().get("/api/v1/auth/me").status, 200);
}

#[test]
fn other_sites_pages_are_refused() {
    let server = Server::start();
    let host = server.base.trim_start_matches("http://").to_string();
    let own = format!("http://{host}");
    let body = json!({"username": "admin", "password": PASSWORD}).to_string();
    for (headers, status) in [
        (vec![("origin", own.as_str())], 200),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-origin")], 200),
    ] {
        let mut all = vec![("content-type", "application/json")];
        all.extend(&headers);
        let answer = server.send("POST", "/api/v1/auth/login", &all, body.as_bytes());
        assert_eq!(answer.status, status, "{headers:?} {answer:?}");
    }
    // A server function is a change as well.
    let form = [
        ("origin", "http://evil.example"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(
        server
            .send("POST", "/fn/login", &form, b"username=a&password=b")
            .status,
        403
    );
}
