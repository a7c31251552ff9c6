//! The page: where visitors are sent, the cookie, and what the answers forbid.

use crate::server::{PASSWORD, Server};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn visitors_are_sent_to_the_page_that_they_need_first() {
    let fresh = Server::fresh();
    assert_eq!(
        fresh.send("GET", "/floor", &[], b"").location.as_deref(),
        Some("/setup")
    );
    let server = Server::start();
    let floor = server.send("GET", "/floor", &[], b"");
    assert_eq!(floor.location.as_deref(), Some("/login"), "{floor:?}");
    let login = server.send("GET", "/login", &[], b"");
    assert_eq!(
        (login.status, login.kind.as_str()),
        (200, "text/html; charset=utf-8")
    );
    let script = login
        .policy
        .split(';')
        .find(|p| p.trim().starts_with("script-src"))
        .expect("script-src");
    assert!(
        script.contains("'nonce-") && !script.contains("unsafe-inline"),
        "{script}"
    );
}

#[test]
fn the_page_signs_in_with_a_cookie_that_scripts_and_other_sites_do_not_get() {
    let server = Server::start();
    let wrong = b"username=admin&password=not+this+one";
    assert_eq!(server.send("POST", "/fn/login", &[FORM], wrong).status, 401);
    // A form without scripts is led back to where it was filled in.
    let person = [FORM, ("accept", "text/html"), ("referer", "/login")];
    let back = server.send("POST", "/fn/login", &person, wrong);
    assert_eq!((back.status, back.location), (302, Some("/login".into())));
    let body = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    let answer = server.send("POST", "/fn/login", &[FORM], body.as_bytes());
    let cookie = answer
        .cookie
        .clone()
        .unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let pair = cookie.split(';').next().expect("pair").to_string();
    let with = |method: &str, path: &str| {
        server.send(method, path, &[("cookie", pair.as_str()), FORM], b"")
    };
    assert_eq!(with("GET", "/floor").status, 200);
    assert_eq!(with("GET", "/api/v1/auth/me").value()["username"], "admin");
    // The rest of the page must not run out of its session by asking in parallel.
    assert_eq!(with("GET", "/api/v1/clients").status, 200);
    let _ = with("POST", "/fn/logout");
    assert_eq!(with("GET", "/api/v1/auth/me").status, 401);
}

#[test]
fn over_tls_the_cookie_is_bound_to_the_host_and_never_sent_in_plain() {
    let server = Server::start();
    let host = server.base.trim_start_matches("http://");
    let origin = format!("https://{host}");
    let body = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    let headers = [FORM, ("origin", origin.as_str())];
    let answer = server.send("POST", "/fn/login", &headers, body.as_bytes());
    let cookie = answer
        .cookie
        .clone()
        .unwrap_or_else(|| panic!("{answer:?}"));
    for part in [
        "__Host-nsboot_session=",
        "Secure",
        "HttpOnly",
        "SameSite=Strict",
        "Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let pair = cookie.split(';').next().expect("pair");
    let with = [("cookie", pair), headers[0], headers[1]];
    assert_eq!(server.send("GET", "/floor", &with, b"").status, 200);
    let out = server.send("POST", "/fn/logout", &with, b"");
    let cleared: Vec<_> = out.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cleared.len(), 2, "{cleared:?}");
    assert_eq!(
        server.send("GET", "/api/v1/auth/me", &with, b"").status,
        401
    );
}

#[test]
fn files_that_are_not_there_are_404_and_nothing_leaves_the_folder() {
    let server = Server::start();
    for path in [
        "/pkg/none.js",
        "/none.css",
        "/..%2f..%2fCargo.toml",
        "/pkg/../../Cargo.toml",
    ] {
        let answer = server.send("GET", path, &[], b"");
        assert!(
            answer.status == 404 || answer.location.is_some(),
            "{path}: {answer:?}"
        );
        assert!(!answer.text().contains("[workspace]"), "{path}");
    }
}
