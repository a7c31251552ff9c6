//! What an operator looks at: tasks, metrics, the log and its level.

use crate::{
    api::add,
    live,
    server::{Answer, Server, Session},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Write},
    net::TcpStream,
};

const LEVEL: &str = "/api/v1/system/log-level";

#[test]
fn tasks_are_listed_by_name_with_their_state() {
    let server = Server::start();
    let session = server.login();
    let tasks = session.items("/api/v1/system/tasks");
    let names: Vec<_> = tasks.iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "boot-files",
            "boot-timelines",
            "disk-exports",
            "http",
            "local-socket",
            "overlays",
            "request-limits",
            "settings-trials",
            "snapshots",
            "storage-capacity"
        ]
    );
    for task in &tasks {
        assert_eq!(
            (&task["state"], &task["restarts"]),
            (&json!("running"), &json!(0))
        );
        assert_eq!(task["last_error"], Value::Null);
        assert!(
            task["since"].as_str().is_some_and(|s| s.ends_with('Z')),
            "{task}"
        );
    }
    let stranger = server.send("GET", "/api/v1/system/tasks", &[], b"");
    assert_eq!(
        (stranger.status, stranger.code().as_str()),
        (401, "NSB-AUTH-001")
    );
}

#[test]
fn a_boot_plane_without_its_interface_says_why_and_is_tried_again() {
    let server = Server::with_file(
        "[[boot]]\ninterface = \"nsb-none0\"\nmode = \"full\"\nrange = \"10.9.9.10-10.9.9.20\"\n",
    );
    let session = server.login();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let task = loop {
        let tasks = session.items("/api/v1/system/tasks");
        let plane = tasks
            .into_iter()
            .find(|t| t["name"] == "boot-plane/nsb-none0");
        let plane = plane.expect("it is a task");
        if plane["restarts"].as_u64() >= Some(1) && plane["state"] == "restarting" {
            break plane;
        }
        assert!(std::time::Instant::now() < deadline, "{plane}");
    };
    assert!(
        task["last_error"]
            .as_str()
            .is_some_and(|e| e.contains("nsb-none0")),
        "{task}"
    );
    let networks = session.items("/api/v1/networks");
    assert_eq!(networks[0]["error"], task["last_error"]);
    let metrics = Metrics::read(&server.send("GET", "/metrics", &[], b""));
    let plane = |name: &str| metrics.get(&format!("{name}{{service=\"boot-plane/nsb-none0\"}}"));
    assert_eq!(plane("nsboot_service_up"), 0.0);
    assert!(plane("nsboot_service_restarts_total") >= 1.0);
    assert_eq!(
        metrics.get("nsboot_service_up{service=\"http\"}"),
        1.0,
        "the page goes on"
    );
}

/// `/metrics` as a scraper reads it.
struct Metrics {
    samples: HashMap<String, f64>,
    text: String,
}

impl Metrics {
    /// Reads the OpenMetrics text strictly: each sample belongs to the family declared above it,
    /// none comes twice, histograms add up, and the end is marked.
    fn read(answer: &Answer) -> Metrics {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.kind,
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        let text = answer.text();
        let body = text.strip_suffix("# EOF\n").expect("the end");
        let mut samples = HashMap::new();
        let mut families: HashMap<String, String> = HashMap::new();
        let mut family = String::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                let before = families.insert(name.into(), kind.into());
                assert_eq!(before, None, "declared twice: {name}");
                family = name.into();
            } else if !line.starts_with("# ") {
                let (id, value) = line.rsplit_once(' ').expect(line);
                let name = id.split('{').next().expect(line);
                let suffix = name.strip_prefix(&family).expect(line);
                let allowed: &[&str] = match families[&family].as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "info" => &["_info"],
                    "histogram" => &["_sum", "_count", "_bucket"],
                    other => panic!("{other}: {line}"),
                };
                assert!(allowed.contains(&suffix), "{line}");
                let value: f64 = value.parse().expect(line);
                assert_eq!(samples.insert(id.to_string(), value), None, "twice: {id}");
            }
        }
        let metrics = Metrics { samples, text };
        metrics.check_histograms();
        metrics
    }

    fn check_histograms(&self) {
        for (id, count) in self.samples.iter().filter(|(id, _)| id.contains("_count")) {
            let all = match id.split_once("_count{") {
                Some((name, labels)) => {
                    let labels = labels.trim_end_matches('}');
                    let first = format!("{name}_bucket{{le=\"+Inf\",{labels}}}");
                    let last = format!("{name}_bucket{{{labels},le=\"+Inf\"}}");
                    self.samples.get(&first).or(self.samples.get(&last))
                }
                None => {
                    let name = id.trim_end_matches("_count");
                    self.samples.get(&format!("{name}_bucket{{le=\"+Inf\"}}"))
                }
            };
            assert_eq!(all, Some(count), "{id}\n{}", self.text);
        }
    }

    fn get(&self, id: &str) -> f64 {
        *self
            .samples
            .get(id)
            .unwrap_or_else(|| panic!("no {id} in\n{}", self.text))
    }

    /// How many requests were answered so.
    fn requests(&self, route: &str, method: &str, status: u16) -> f64 {
        let id = format!(
            "nsboot_http_request_duration_seconds_count{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
        );
        self.samples.get(&id).copied().unwrap_or(0.0)
    }
}

/// A method that nobody serves, which a decent client would not send.
fn brew(server: &Server) {
    let address = server.base.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("connects");
    let head = format!(
        "BREW /api/v1/clients/52:54:00:00:00:07 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_move_with_what_happens_and_name_nobody() {
    let server = Server::start();
    let read = || Metrics::read(&server.send("GET", "/metrics", &[], b""));
    let before = read();
    for id in [
        "nsboot_boots_in_progress",
        "nsboot_boots_total{result=\"ready\",phase=\"login\"}",
        "nsboot_boot_duration_seconds_count",
        "nsboot_boot_phase_duration_seconds_count{phase=\"disk\"}",
        "nsboot_dhcp_messages_total{type=\"discover\"}",
        "nsboot_tftp_transfers_total{result=\"ok\"}",
        "nsboot_tftp_sent_bytes_total",
        "nsboot_disk_read_bytes_total",
        "nsboot_disk_sessions",
        "nsboot_disk_written_bytes_total",
        "nsboot_disk_io_duration_seconds_count{op=\"flush\"}",
        "nsboot_ws_connections",
        "nsboot_clients{state=\"adopted\"}",
        "nsboot_clients{state=\"discovered\"}",
        "nsboot_jobs{kind=\"audit.verify\",state=\"succeeded\"}",
        "nsboot_jobs{kind=\"image.import\",state=\"partly_failed\"}",
        "nsboot_job_duration_seconds_count{kind=\"audit.verify\"}",
        "nsboot_ws_delivery_seconds_count",
    ] {
        assert_eq!(before.get(id), 0.0, "{id}");
    }
    assert!(before.get("process_resident_memory_bytes") > 1e6);
    assert!(before.get("nsboot_storage_size_bytes") > 1e6);
    assert!(before.get("process_open_fds") > 5.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        before.get(&format!("nsboot_build_info{{version=\"{version}\"}}")),
        1.0
    );

    let session = server.login();
    let made = add(&session, "pc-7", 7);
    let id = made["id"].as_str().expect("id");
    for what in [id, "pc-7", "52:54:00:00:00:07", "52-54-00-00-00-07"] {
        assert_eq!(session.get(&format!("/api/v1/clients/{what}")).status, 200);
    }
    assert_eq!(server.send("GET", "/api/v1/clients", &[], b"").status, 401);
    assert_eq!(session.get("/api/v1/52:54:00:00:00:07").status, 404);
    assert_eq!(session.get("/api/52:54:00:00:00:07").status, 404);
    brew(&server);
    let mut socket = live::open(&server, "", &[live::bearer(&session)])
        .await
        .expect("open");
    live::next(&mut socket).await;
    let begun = session.send("POST", "/api/v1/audit/actions/verify", &[], b"");
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = begun.value()["id"].as_str().expect("id").to_string();
    let over = |e: &types::Event| matches!(e, types::Event::JobChanged { job: j } if j.id.to_string() == job && j.state.is_over());
    while !matches!(live::next(&mut socket).await, types::ServerFrame::Delta { event, .. } if over(&event))
    {
    }

    let after = read();
    let kind = "kind=\"audit.verify\"";
    assert_eq!(
        after.get(&format!("nsboot_jobs{{{kind},state=\"succeeded\"}}")),
        1.0
    );
    assert_eq!(
        after.get(&format!("nsboot_job_duration_seconds_count{{{kind}}}")),
        1.0
    );
    // A reader may have an event before the server has counted that.
    let delivered = || read().get("nsboot_ws_delivery_seconds_count") >= 1.0;
    let soon = |_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        delivered()
    };
    assert!((0..1000).any(soon));
    assert_eq!(
        after.requests("/api/v1/clients/{client}", "GET", 200),
        4.0,
        "{}",
        after.text
    );
    assert_eq!(after.requests("/api/v1/clients", "POST", 201), 1.0);
    assert_eq!(after.requests("/api/v1/clients", "GET", 401), 1.0);
    assert_eq!(after.requests("/api/v1/auth/login", "POST", 200), 1.0);
    assert_eq!(
        after.requests("/api/v1/clients/{client}", "other", 405),
        1.0
    );
    assert_eq!(after.requests("/metrics", "GET", 200), 1.0);
    assert_eq!(after.get("nsboot_clients{state=\"adopted\"}"), 1.0);
    assert_eq!(after.get("nsboot_ws_connections"), 1.0);
    let text = after.text.to_lowercase();
    for secret in ["52:54", "52-54", "pc-7", "admin", "brew", id] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[test]
fn metrics_are_open_on_this_box_and_need_a_session_behind_a_proxy() {
    let server = Server::start();
    assert_eq!(server.send("GET", "/metrics", &[], b"").status, 200);
    let session = server.login();
    for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let from = [(header, "192.0.2.7")];
        let refused = server.send("GET", "/metrics", &from, b"");
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (401, "NSB-AUTH-001")
        );
        assert_eq!(
            session.send("GET", "/metrics", &from, b"").status,
            200,
            "{header}"
        );
    }
}

/// A server that writes its log to a file, and the lines of that file.
fn logging(level: &str) -> Server {
    Server::prepared(|command, dir| {
        let log = File::create(dir.join("log")).expect("a file");
        command.env("NSBOOT_LOG", level).stderr(log);
    })
}

fn lines(server: &Server) -> Vec<Value> {
    let text = std::fs::read_to_string(server.data().join("log")).expect("the log");
    let lines = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")));
    lines.collect()
}

/// The lines of one request.
fn of_request<'a>(lines: &'a [Value], id: &str) -> Vec<&'a Value> {
    lines.iter().filter(|l| l["request_id"] == id).collect()
}

fn ask(session: &Session<'_>, id: &str) -> Answer {
    session.send(
        "GET",
        "/api/v1/system/info?token=hidden",
        &[("x-request-id", id)],
        b"",
    )
}

#[test]
fn log_lines_are_json_with_the_request_and_the_level_changes_live() {
    let server = logging("info");
    let session = server.login();
    assert_eq!(session.get(LEVEL).value(), json!({"level": "info"}));
    assert_eq!(ask(&session, "quiet").status, 200);
    let changed = session.json("PUT", LEVEL, json!({"level": "tower_http=debug,info"}));
    assert_eq!(
        (changed.status, changed.value()),
        (200, json!({"level": "tower_http=debug,info"}))
    );
    assert_eq!(ask(&session, "loud.1_A-z").status, 200);
    let changed = session.json("PUT", LEVEL, json!({"level": "error"}));
    assert_eq!(changed.status, 200);
    assert_eq!(ask(&session, "quiet-again").status, 200);

    let lines = lines(&server);
    for line in &lines {
        for member in ["ts", "level", "target", "msg"] {
            assert!(line[member].is_string(), "{line}");
        }
    }
    assert!(of_request(&lines, "quiet").is_empty() && of_request(&lines, "quiet-again").is_empty());
    let loud = of_request(&lines, "loud.1_A-z");
    assert!(loud.len() >= 2, "{lines:?}");
    for line in loud {
        assert_eq!(
            (&line["method"], &line["path"]),
            (&json!("GET"), &json!("/api/v1/system/info"))
        );
        assert!(
            !line.to_string().contains("hidden"),
            "a query may hold secrets: {line}"
        );
    }
    let told = lines
        .iter()
        .find(|l| l["msg"] == "the log level was changed");
    assert!(
        told.is_some_and(|l| l["request_id"].is_string()),
        "{lines:?}"
    );
}

#[test]
fn a_failed_sign_in_is_an_event_of_the_log_without_the_password() {
    let server = logging("warn");
    let name = "m".repeat(40) + "\n";
    let body = json!({"username": name, "password": "hunter2 hunter2"});
    let refused = server.json("POST", "/api/v1/auth/login", &body);
    assert_eq!(refused.status, 401);
    let lines = lines(&server);
    let told: Vec<_> = lines
        .iter()
        .filter(|l| l["event"] == "auth.failed")
        .collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    let line = told[0];
    assert_eq!(
        line["user"],
        "m".repeat(32),
        "no more than an account may have"
    );
    assert_eq!(
        (&line["address"], &line["code"]),
        (&json!("127.0.0.1"), &json!(refused.code()))
    );
    assert_eq!(
        line["request_id"].as_str(),
        refused.request_id.as_deref(),
        "{line}"
    );
    assert!(!line.to_string().contains("hunter2"), "{line}");
}

#[test]
fn a_bad_level_is_a_problem_that_says_what_to_write() {
    let server = Server::start();
    let session = server.login();
    for bad in [
        "",
        "inof",
        "engine=loud",
        "info;debug",
        "engine=debug,,info",
    ] {
        let answer = session.json("PUT", LEVEL, json!({"level": bad}));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (422, "NSB-SYSTEM-001"),
            "{bad}"
        );
        let field = answer.value()["fields"][0].clone();
        assert_eq!(field["field"], "level");
        assert!(
            field["message"]
                .as_str()
                .is_some_and(|m| m.contains("debug")),
            "{field}"
        );
    }
    for (body, status) in [
        (json!({}), 422),
        (json!({"level": 3}), 422),
        (json!({"level": "info", "x": 1}), 422),
    ] {
        assert_eq!(session.json("PUT", LEVEL, body).status, status);
    }
    assert_eq!(
        server.json("PUT", LEVEL, &json!({"level": "off"})).status,
        401
    );
    assert_eq!(
        session.get(LEVEL).value(),
        json!({"level": "warn"}),
        "nothing changed"
    );
}

#[test]
fn a_request_id_that_is_no_token_is_replaced() {
    let server = logging("tower_http=debug,info");
    let session = server.login();
    let long = "x".repeat(65);
    for bad in ["a b", "{\"level\":1}", "../x", &long, "a,b", ""] {
        let id = ask(&session, bad).request_id.expect("an id");
        assert!(id != bad && id.len() == 36, "{bad} became {id}");
        assert!(
            !of_request(&lines(&server), &id).is_empty(),
            "{id} is on its lines"
        );
    }
    assert_eq!(
        ask(&session, "mine-1").request_id.as_deref(),
        Some("mine-1")
    );
}
