//! What every answer carries for browsers, and what it says of how often one may ask.

use crate::{
    api::add,
    server::{Answer, Server},
};

/// The same on each answer, whatever it is. Whole values: a word that is lost is a hole.
const SECURITY: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
];
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
const HELP: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const PAGE: &str = "default-src 'none'; script-src 'self' 'nonce-' 'wasm-unsafe-eval'; \
     style-src 'self'; style-src-attr 'unsafe-inline'; font-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The policy without the nonce, which has to be another each time.
fn policy(answer: &Answer) -> (String, Option<String>) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    match policy.split_once("'nonce-") {
        None => (policy, None),
        Some((before, after)) => {
            let (nonce, rest) = after.split_once('\'').expect("the nonce ends");
            (format!("{before}'nonce-'{rest}"), Some(nonce.into()))
        }
    }
}

#[test]
fn every_kind_of_answer_carries_the_headers_that_keep_other_sites_out() {
    let server = Server::start();
    let session = server.login();
    let pages = || session.get("/floor");
    let answers = [
        ("a page", pages(), 200, PAGE, Some("no-store")),
        (
            "the door",
            server.send("GET", "/login", &[], b""),
            200,
            PAGE,
            Some("no-store"),
        ),
        (
            "an answer of REST",
            session.get("/api/v1/clients"),
            200,
            NOTHING,
            Some("no-store"),
        ),
        (
            "nobody signed in",
            server.send("GET", "/api/v1/clients", &[], b""),
            401,
            NOTHING,
            Some("no-store"),
        ),
        (
            "nothing there",
            session.get("/api/v1/nothing"),
            404,
            NOTHING,
            Some("no-store"),
        ),
        (
            "a foreign page",
            session.send(
                "DELETE",
                "/api/v1/clients/x",
                &[("origin", "http://evil.example")],
                b"",
            ),
            403,
            NOTHING,
            Some("no-store"),
        ),
        (
            "a file that is not there",
            server.send("GET", "/pkg/none.js", &[], b""),
            404,
            NOTHING,
            Some("no-store"),
        ),
        (
            "a help page",
            server.send("GET", "/help/NSB-HTTP-404", &[], b""),
            200,
            HELP,
            None,
        ),
        (
            "the description's viewer",
            server.send("GET", "/api/docs/", &[], b""),
            200,
            HELP,
            Some("no-store"),
        ),
        (
            "a probe",
            server.send("GET", "/healthz", &[], b""),
            200,
            NOTHING,
            None,
        ),
    ];
    for (what, answer, status, expected, cache) in &answers {
        assert_eq!(answer.status, *status, "{what}: {answer:?}");
        for (name, value) in SECURITY {
            assert_eq!(
                answer.header(name).as_deref(),
                Some(*value),
                "{name} of {what}"
            );
        }
        assert_eq!(policy(answer).0, *expected, "{what}");
        assert_eq!(
            answer.header("cache-control").as_deref(),
            *cache,
            "what is kept of {what}"
        );
    }
    let nonce = |answer: &Answer| policy(answer).1.expect("a nonce");
    assert_ne!(
        nonce(&answers[0].1),
        nonce(&pages()),
        "a nonce is used once"
    );
}

fn number(answer: &Answer, name: &str) -> u32 {
    let text = answer.header(name);
    let text = text.unwrap_or_else(|| panic!("no {name}: {answer:?}"));
    text.parse().unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// More than the burst of 200 and what comes back while this asks.
const HAMMER: usize = 5000;

#[test]
fn a_stranger_that_hammers_is_told_when_to_come_again_and_nobody_else_waits() {
    let server = Server::start();
    let session = server.login();
    let ask = || server.send("GET", "/api/v1/nothing", &[], b"");
    let first = ask();
    assert_eq!(first.status, 404, "{first:?}");
    assert_eq!(number(&first, "ratelimit-limit"), 200);
    assert!(number(&first, "ratelimit-remaining") < 200);
    assert!(number(&first, "ratelimit-reset") >= 1);
    assert_eq!(first.retry_after, None);
    let refused = (0..HAMMER).map(|_| ask()).find(|a| a.status != 404);
    let refused = refused.expect("nobody may ask for ever");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.code().starts_with("NSB-"));
    assert!(number(&refused, "retry-after") >= 1);
    assert_eq!(number(&refused, "ratelimit-limit"), 200);
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    assert!(number(&refused, "ratelimit-reset") >= 1);
    // The same address, but somebody that we know; and the page's door stays open.
    let known = session.get("/api/v1/clients");
    assert_eq!(known.status, 200, "{known:?}");
    assert_eq!(number(&known, "ratelimit-limit"), 8000);
    assert_eq!(server.send("GET", "/login", &[], b"").status, 200);
}

#[test]
fn a_long_list_is_packed_for_who_takes_it_so() {
    let server = Server::start();
    let session = server.login();
    for n in 1..=30 {
        add(&session, &format!("pc-{n}"), n);
    }
    let list = |takes: &str| {
        let headers = [("accept-encoding", takes)];
        session.send("GET", "/api/v1/clients", &headers, b"")
    };
    let plain = list("identity");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.value()["items"].as_array().map(Vec::len), Some(30));
    let packed = list("gzip");
    assert_eq!(packed.header("content-encoding").as_deref(), Some("gzip"));
    // What the layers before it say there comes in a line of its own.
    let mut vary = packed.headers.get_all("vary").iter();
    assert!(vary.any(|v| v == "accept-encoding"), "{packed:?}");
    // RFC 1952 section 2.3.1: how such a file begins.
    assert!(packed.body.starts_with(&[0x1f, 0x8b]), "{:?}", packed.body);
    assert!(packed.body.len() * 2 < plain.body.len());
    // What is short gains nothing.
    let headers = [("accept-encoding", "gzip")];
    let short = server.send("GET", "/healthz", &headers, b"");
    assert_eq!(short.header("content-encoding"), None);
}
