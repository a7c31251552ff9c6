//! Tokens and cookies as attackers make them: none gets in, and nothing changes.

use crate::server::{PASSWORD, Server};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs() as i64
}

/// The claims of a token, unchecked.
fn claims(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("a token");
    serde_json::from_slice(&unbase64(middle)).expect("claims")
}

fn unbase64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = Vec::new();
    let (mut bits, mut len) = (0u32, 0);
    for letter in text.bytes() {
        bits = bits << 6
            | LETTERS
                .iter()
                .position(|l| *l == letter)
                .expect("base64url") as u32;
        len += 6;
        if len >= 8 {
            len -= 8;
            out.push((bits >> len) as u8);
        }
    }
    out
}

fn signed(header: Header, claims: &Value, key: &[u8]) -> String {
    encode(&header, claims, &EncodingKey::from_secret(key)).expect("signed")
}

/// Changes to good claims, each of which must make them bad.
fn bad_claims(good: &Value, other: &str) -> Vec<(&'static str, Value)> {
    let with = |name: &str, value: Value| {
        let mut c = good.clone();
        c[name] = value;
        c
    };
    let without = |name: &str| {
        let mut c = good.clone();
        c.as_object_mut().unwrap().remove(name);
        c
    };
    vec![
        ("expired", with("exp", json!(now() - 60))),
        ("an end that is text", with("exp", json!("9999999999"))),
        ("an end that is negative", with("exp", json!(-1))),
        ("an end beyond numbers", with("exp", json!(1e300))),
        ("no end", without("exp")),
        ("not yet", with("nbf", json!(now() + 600))),
        ("a start that is text", with("nbf", json!("0"))),
        ("no start", without("nbf")),
        ("another issuer", with("iss", json!("evil"))),
        ("no issuer", without("iss")),
        ("for another use", with("aud", json!("nsboot-refresh"))),
        ("for nobody", without("aud")),
        ("another user's session", with("sub", json!(other))),
        ("no user", without("sub")),
        ("a session that is not there", with("sid", json!(other))),
        (
            "a session that is no id",
            with("sid", json!("../../etc/passwd")),
        ),
        ("no session", without("sid")),
    ]
}

/// Bearer tokens that are not good, by what is wrong with them.
fn forged(server: &Server, access: &str, refresh: &str, api: &str) -> Vec<(String, String)> {
    let key = std::fs::read(server.data().join("keys/session.key")).expect("the key");
    let good = claims(access);
    let other = "01934c5e-7b00-7000-8000-0000000000ff";
    let hs256 = || Header::new(Algorithm::HS256);
    let mut all: Vec<(String, String)> = bad_claims(&good, other)
        .into_iter()
        .map(|(what, claims)| (what.to_string(), signed(hs256(), &claims, &key)))
        .collect();
    // Our own signature is good: the helper makes tokens that would get in.
    let again = signed(hs256(), &good, &key);
    assert_eq!(
        me(server, &[("authorization", &format!("Bearer {again}"))]),
        200
    );

    let (head, rest) = access.split_once('.').unwrap();
    let (body, mark) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"; // {"alg":"none","typ":"JWT"}
    let mut jku = hs256();
    jku.jku = Some("http://evil.example/keys".into());
    let mut kid = hs256();
    kid.kid = Some("../../../dev/null".into());
    let flipped = match mark.starts_with('A') {
        true => format!("B{}", &mark[1..]),
        false => format!("A{}", &mark[1..]),
    };
    let (rest_of_api, last) = api.split_at(api.len() - 1);
    let other_last = if last == "x" { "y" } else { "x" };
    for (what, token) in [
        ("no algorithm", format!("{none}.{body}.")),
        ("no algorithm, old mark", format!("{none}.{body}.{mark}")),
        (
            "another algorithm",
            signed(Header::new(Algorithm::HS512), &good, &key),
        ),
        ("another key", signed(hs256(), &good, b"evil")),
        ("an empty key", signed(hs256(), &good, b"")),
        (
            "a key from the attacker's site",
            signed(jku, &good, b"evil"),
        ),
        (
            "a key file of the attacker's choice",
            signed(kid, &good, b""),
        ),
        ("another mark", format!("{head}.{body}.{flipped}")),
        ("no mark", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("four parts", format!("{access}.x")),
        ("something behind", format!("{access}x")),
        ("twice", format!("{access},{access}")),
        ("a refresh token", refresh.to_string()),
        (
            "an API token with another secret",
            format!("{rest_of_api}{other_last}"),
        ),
        (
            "an API token without one",
            api.rsplit_once('_').unwrap().0.to_string() + "_",
        ),
        (
            "an API token's id alone",
            api.rsplit_once('_').unwrap().0.to_string(),
        ),
        (
            "an API token of another id",
            api.replacen(&api[4..12], "00000000", 1),
        ),
        ("an API token in capitals", api.to_uppercase()),
        ("nothing", String::new()),
        ("a very long one", "A".repeat(8000)),
    ] {
        all.push((what.to_string(), token));
    }
    all
}

fn me(server: &Server, headers: &[(&str, &str)]) -> u16 {
    server.send("GET", "/api/v1/auth/me", headers, b"").status
}

fn state(server: &Server) -> Vec<Value> {
    let admin = server.login();
    let nouns = ["clients", "tokens", "images"];
    nouns
        .iter()
        .map(|n| json!(admin.items(&format!("/api/v1/{n}"))))
        .collect()
}

#[test]
fn no_forged_token_or_cookie_gets_in_or_changes_anything() {
    let server = Server::start();
    let session = server.login();
    let new = json!({"name": "ci", "role": "admin"});
    let api = session.json("POST", "/api/v1/tokens", new).value();
    let api = api["secret"].as_str().expect("a secret").to_string();
    assert_eq!(
        me(&server, &[("authorization", &format!("Bearer {api}"))]),
        200
    );
    let before = state(&server);
    let forged = forged(&server, &session.access, &session.refresh, &api);
    assert!(forged.len() >= 35, "{}", forged.len());
    let json = ("content-type", "application/json");
    let body = br#"{"name": "evil", "mac": "52:54:00:00:00:66"}"#;
    for (what, token) in &forged {
        let bearer = format!("Bearer {token}");
        let cookie = format!("nsboot_session={token}");
        let answer = server.send(
            "POST",
            "/api/v1/clients",
            &[json, ("authorization", &bearer)],
            body,
        );
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        // A refresh token is what the page's cookie holds.
        if what != "a refresh token" {
            let answer = server.send(
                "POST",
                "/api/v1/clients",
                &[json, ("cookie", &cookie)],
                body,
            );
            assert_eq!(answer.status, 401, "{what} as a cookie: {answer:?}");
        }
    }
    let good = format!("Bearer {}", session.access);
    let cookie = format!("nsboot_session={}", session.refresh);
    for (what, headers) in [
        (
            "another scheme",
            vec![("authorization", good.replace("Bearer", "Basic"))],
        ),
        ("no scheme", vec![("authorization", session.access.clone())]),
        (
            "an access token as a cookie",
            vec![("cookie", format!("nsboot_session={}", session.access))],
        ),
        (
            "an API token as a cookie",
            vec![("cookie", format!("nsboot_session={api}"))],
        ),
        (
            "another cookie's name",
            vec![(
                "cookie",
                format!("__Secure-nsboot_session={}", session.refresh),
            )],
        ),
        (
            "a good cookie beside a bad one that counts first",
            vec![("cookie", format!("__Host-nsboot_session=x; {cookie}"))],
        ),
        (
            "a good cookie beside a bad token",
            vec![
                ("cookie", cookie.clone()),
                ("authorization", "Bearer x".into()),
            ],
        ),
        (
            "whose address a header says is ours",
            vec![
                ("x-forwarded-for", "127.0.0.1".into()),
                ("x-real-ip", "127.0.0.1".into()),
            ],
        ),
        (
            "what only the local socket may say",
            vec![
                ("x-nsboot-peer", "127.0.0.1".into()),
                ("x-remote-user", "admin".into()),
            ],
        ),
    ] {
        let mut all = vec![json];
        all.extend(headers.iter().map(|(n, v)| (*n, v.as_str())));
        let answer = server.send("POST", "/api/v1/clients", &all, body);
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
    }
    for path in [
        format!("/api/v1/clients?access_token={}", session.access),
        format!("/api/v1/clients?token={api}"),
    ] {
        let answer = server.send("POST", &path, &[json], body);
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    // A browser's cookie is good, but not when another site's page sends it.
    for from in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "null"),
    ] {
        let answer = server.send(
            "POST",
            "/api/v1/clients",
            &[json, ("cookie", &cookie), from],
            body,
        );
        assert_eq!(answer.status, 403, "{from:?}: {answer:?}");
    }
    assert_eq!(state(&server), before, "one of them changed something");
}

/// One account after the other, or one again and again: each guess costs a password hash.
#[test]
fn guessing_locks_the_guesser_out_and_nobody_beside_it() {
    let server = Server::start();
    let before = accounts(&server);
    let ended = AtomicBool::new(false);
    let begun = Instant::now();
    let guess = |name: &str, n: usize| {
        let body = json!({"username": name, "password": format!("guess number {n}")});
        server.json("POST", "/api/v1/auth/login", &body).status
    };
    let (tried, refused) = thread::scope(|scope| {
        let guessing = scope.spawn(|| {
            let mut counts = (0u64, 0);
            for n in 0.. {
                let name = format!("user{n}");
                let name = if n % 2 == 0 { "admin" } else { &name };
                match guess(name, n) {
                    401 => counts.0 += 1,
                    429 => counts.1 += 1,
                    other => panic!("{other}"),
                }
                // As many as show that it is locked out, and until the others are done.
                if n >= 200 && ended.load(Relaxed) {
                    break;
                }
            }
            counts
        });
        // The owner sits at another address.
        let mut slowest = Duration::ZERO;
        for _ in 0..5 {
            let begun = Instant::now();
            let beside = sign_in_from("127.0.0.3", &server.base, PASSWORD);
            slowest = slowest.max(begun.elapsed());
            assert_eq!(beside, 200);
        }
        ended.store(true, Relaxed);
        assert!(slowest < SOON, "{slowest:?}");
        guessing.join().expect("guessed")
    });
    // What an address has, and what it got back meanwhile.
    let most = 31 + begun.elapsed().as_secs() / 2;
    assert!(tried <= most && refused > 50, "{tried} {refused}");
    let right = json!({"username": "admin", "password": PASSWORD});
    assert_eq!(
        server.json("POST", "/api/v1/auth/login", &right).status,
        429,
        "the guesser waits, whatever they know"
    );
    assert_eq!(accounts(&server), before);
    let audit = server.run(&[
        "audit",
        "ls",
        "--action",
        "auth.login",
        "--result",
        "refused",
    ]);
    assert!(String::from_utf8_lossy(&audit.stdout).contains("NSB-AUTH"));
}

/// With a good user at another address; a debug build on a busy box hashes slowly.
const SOON: Duration = Duration::from_secs(5);

/// Accounts, without how often they are signed in.
fn accounts(server: &Server) -> Value {
    let said = server.run(&["user", "ls", "-o", "json"]).stdout;
    let mut all: Value = serde_json::from_slice(&said).expect("JSON");
    for one in all.as_array_mut().expect("a list") {
        one.as_object_mut().expect("fields").remove("session_count");
    }
    all
}

/// A sign-in from another address of this box.
fn sign_in_from(address: &str, base: &str, password: &str) -> u16 {
    let to: std::net::SocketAddr = base.strip_prefix("http://").unwrap().parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from: std::net::SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut stream = std::net::TcpStream::from(socket);
    let body = json!({"username": "admin", "password": password}).to_string();
    write!(
        stream,
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .expect("a status")
}

/// An unknown user takes as long as a wrong password: who has an account can't be learnt by the clock.
#[test]
fn an_unknown_user_takes_as_long() {
    let alike = |(known, unknown): &(f64, f64)| (0.4..2.5).contains(&(unknown / known));
    // A busy box may spoil one look; without the hash an unknown user takes a hundredth of the time, always.
    let looks: Vec<_> = (0..3).map(|_| sign_in_times()).collect();
    assert!(
        looks.iter().any(alike),
        "seconds of a known and an unknown user: {looks:?}"
    );
}

/// The shortest of a few wrong sign-ins, seconds: of a user that there is, and of one that there is not.
fn sign_in_times() -> (f64, f64) {
    let server = Server::start();
    let time = |name: &str, n: u32| {
        let begun = Instant::now();
        let body = json!({"username": name, "password": format!("wrong {n}")});
        let status = server.json("POST", "/api/v1/auth/login", &body).status;
        assert_eq!(status, 401);
        begun.elapsed().as_secs_f64()
    };
    // By turns, so that what else the box does meanwhile falls on both. More would have to wait.
    let (mut known, mut unknown) = (f64::MAX, f64::MAX);
    for n in 0..4 {
        known = known.min(time("admin", n));
        unknown = unknown.min(time("nobody", n));
    }
    (known, unknown)
}

/// Connections; the listener has 4,096 seats.
const MORE_THAN_ALL: usize = 4200;

#[test]
fn heads_that_drip_in_do_not_keep_others_out() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    assert!(hard > 5000, "the limit of open files is too low for this");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raised");
    let server = Server::start();
    let to: SocketAddr = server.base["http://".len()..].parse().unwrap();
    // More than the listener has seats, all of one address that is not the good user's.
    let dripping: Vec<TcpStream> = (0..MORE_THAN_ALL)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            let from = SocketAddr::from(([127, 0, 0, 2], 0));
            socket.bind(&from.into()).expect("an address of loopback");
            socket.connect(&to.into()).expect("connected");
            let mut stream = TcpStream::from(socket);
            let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\nx-drip: ";
            // Those beyond its share are closed.
            let _ = stream.write_all(head.as_bytes());
            stream
        })
        .collect();
    assert_eq!(dripping.len(), MORE_THAN_ALL);
    let begun = Instant::now();
    let session = server.login();
    assert_eq!(session.get("/api/v1/clients").status, 200);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    drop(dripping);
}

#[test]
fn a_head_that_drips_in_is_given_up_though_it_never_pauses() {
    let server = Server::start();
    let to: SocketAddr = server.base["http://".len()..].parse().unwrap();
    let mut stream = TcpStream::connect(to).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_millis(250)))
        .expect("a limit");
    let begun = Instant::now();
    let mut head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-drip: "
        .iter()
        .chain(std::iter::repeat(&b'x'));
    let mut answer = [0];
    // Each round waits for an answer for as long as the drip takes.
    while let Err(e) = stream.read(&mut answer) {
        let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&e.kind());
        if !waits || stream.write_all(&[*head.next().unwrap()]).is_err() {
            break;
        }
        assert!(begun.elapsed() < HEAD_LIMIT * 3, "it is still read");
    }
    assert!(begun.elapsed() > HEAD_LIMIT / 2, "{:?}", begun.elapsed());
}

/// Of the listener: from a connection or its last answer to the next head.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
