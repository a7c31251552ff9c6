//! The API's description says what the server does: headers, types, and what lists can be asked for.

use crate::{
    api::{add, upload},
    server::{Answer, Server, Session},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn description(server: &Server) -> Value {
    server.send("GET", "/api/openapi.json", &[], b"").value()
}

/// Each operation: method, path and what is said of it.
fn operations(api: &Value) -> Vec<(String, &str, &Value)> {
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        for (method, said) in item.as_object().expect("operations") {
            all.push((method.to_uppercase(), path.as_str(), said));
        }
    }
    assert!(all.len() >= 60, "{}", all.len());
    all
}

fn takes(operation: &Value, parameter: &str) -> bool {
    let all = operation["parameters"].as_array();
    all.is_some_and(|all| all.iter().any(|p| p["name"] == parameter))
}

/// The one good answer of an operation: its status, and what is said of it.
fn good(operation: &Value) -> (&str, &Value) {
    let all = operation["responses"].as_object().expect("responses");
    let mut good = all.iter().filter(|(status, _)| status.starts_with('2'));
    let (status, answer) = good.next().expect("a good answer");
    (status, answer)
}

/// The schema that an answer or a body refers to, by name.
fn named(content: &Value) -> Option<&str> {
    let place = content["application/json"]["schema"]["$ref"].as_str()?;
    place.rsplit('/').next()
}

/// The sources say which handlers heed `If-Match`.
#[test]
fn if_match_is_described_where_a_handler_heeds_it_and_nowhere_else() {
    let server = Server::start();
    let api = description(&server);
    let mut heeded = BTreeSet::new();
    for (_, text) in crate::imports::sources("server/src/http/api") {
        for operation in text.split("#[utoipa::path(").skip(1) {
            let method = operation.split(',').next().expect("a method");
            let path = operation.split('"').nth(1).expect("a path");
            if operation.contains("): IfMatch,") {
                heeded.insert((method.to_uppercase(), format!("/api/v1{path}")));
            }
        }
    }
    let all = operations(&api).into_iter();
    let described: BTreeSet<_> = all
        .filter(|(_, _, said)| takes(said, "If-Match"))
        .map(|(method, path, _)| (method, path.to_string()))
        .collect();
    assert_eq!(described, heeded);

    // And the server does.
    let session = server.login();
    add(&session, "a01", 1);
    upload(&session, "debian", &[0; 4096]);
    let ada = json!({"username": "ada", "password": "correct horse battery", "role": "viewer"});
    assert_eq!(session.json("POST", "/api/v1/users", ada).status, 201);
    let room = json!({"name": "room-2", "subnet": "10.20.0.0/24"});
    assert_eq!(session.json("POST", "/api/v1/scopes", room).status, 201);
    let pc = json!({"mac": "52:54:00:00:00:09", "address": "10.20.0.9"});
    assert_eq!(session.json("POST", "/api/v1/reservations", pc).status, 201);
    let tool = json!({"name": "tool", "kind": "script", "script": "shell"});
    assert_eq!(
        session.json("POST", "/api/v1/boot-entries", tool).status,
        201
    );
    let row = json!({"name": "row-1"});
    assert_eq!(session.json("POST", "/api/v1/groups", row).status, 201);
    let pin = json!({"client": "a01"});
    assert_eq!(session.json("POST", "/api/v1/firmware", pin).status, 201);
    let settings = json!({"values": {"clients.unknown": "adopt"}});
    for (method, path) in &described {
        let at = path
            .replace("{client}", "a01")
            .replace("{image}", "debian")
            .replace("{version}", "1")
            .replace("{channel}", "test")
            .replace("{entry}", "tool")
            .replace("{group}", "row-1")
            .replace("{firmware}", "a01")
            .replace("{scope}", "room-2")
            .replace("{reservation}", "10.20.0.9")
            .replace("{user}", "ada");
        let needs = [
            ("/settings", settings.clone()),
            ("/{channel}", json!({"version": 1})),
            ("/{version}", json!({"comment": "x"})),
            ("/superclient", json!({"client": "a01"})),
        ];
        let needs = needs.into_iter().find(|(end, _)| path.ends_with(end));
        let body = match method.as_str() {
            "DELETE" => String::new(),
            _ => needs.map_or("{}".into(), |(_, body)| body.to_string()),
        };
        for (tag, status) in [("\"999999\"", 412), ("999999", 400), ("W/\"1\"", 400)] {
            let headers = [("content-type", "application/json"), ("if-match", tag)];
            let answer = session.send(method, &at, &headers, body.as_bytes());
            assert_eq!(answer.status, status, "{method} {at} {tag}: {answer:?}");
        }
    }
}

/// Asks, and compares the headers of a good answer with what is said of it.
fn ask(session: &Session<'_>, api: &Value, (method, path): (&str, &str), body: Value) -> Answer {
    let path = format!("/api/v1{path}");
    // What stands for a name is at the same place in the template.
    let like = |template: &str| {
        let (a, b) = (template.split('/'), path.split('/'));
        a.clone().count() == b.clone().count()
            && a.zip(b).all(|(t, p)| t == p || t.starts_with('{'))
    };
    let all = operations(api).into_iter();
    let mut found = all.filter(|(m, template, _)| m == method && like(template));
    let (_, template, said) = found.next().expect("an operation");
    let answer = match method {
        "GET" => session.get(&path),
        _ => session.json(method, &path, body),
    };
    let (status, said) = good(said);
    assert_eq!(
        answer.status.to_string(),
        status,
        "{method} {path}: {answer:?}"
    );
    for name in ["etag", "location", "x-request-id", "ratelimit-limit"] {
        let headers = said["headers"].as_object().expect("headers");
        let described = headers.keys().any(|h| h.eq_ignore_ascii_case(name));
        assert_eq!(
            answer.header(name).is_some(),
            described,
            "{method} {template}: {name}"
        );
    }
    answer
}

#[test]
fn answers_have_the_headers_that_the_description_says() {
    let server = Server::start();
    let session = server.login();
    let api = description(&server);
    let ask = |method, path: &str, body: Value| ask(&session, &api, (method, path), body);
    let none = || Value::Null;
    upload(&session, "debian", &[0; 4096]);
    let pc = json!({"name": "pc-1", "mac": "52:54:00:00:00:01"});
    let pc = ask("POST", "/clients", pc);
    assert_eq!(pc.etag, ask("GET", "/clients/pc-1", none()).etag);
    ask("PATCH", "/clients/pc-1", json!({"mode": "keep"}));
    ask("GET", "/clients", none());
    ask("GET", "/images/debian", none());
    ask("PUT", "/images/debian/channels/test", json!({"version": 1}));
    ask(
        "PATCH",
        "/images/debian/versions/1",
        json!({"comment": "as it came"}),
    );
    ask("DELETE", "/images/debian/superclient", none());
    ask("PATCH", "/clients/pc-1", json!({"image": "debian"}));
    ask("POST", "/clients/pc-1/actions/discard", none());
    ask("PATCH", "/clients/pc-1", json!({"image": ""}));
    let ada = json!({"username": "ada", "password": "correct horse battery", "role": "viewer"});
    ask("POST", "/users", ada);
    ask("GET", "/users/ada", none());
    ask("PATCH", "/users/ada", json!({"role": "operator"}));
    ask("POST", "/tokens", json!({"name": "ci", "role": "viewer"}));
    let room = json!({"name": "room-2", "subnet": "10.20.0.0/24"});
    ask("POST", "/scopes", room);
    ask("GET", "/scopes/room-2", none());
    ask("PATCH", "/scopes/room-2", json!({"domain": "lab.example"}));
    let reserved = json!({"mac": "52:54:00:00:00:09", "address": "10.20.0.9"});
    ask("POST", "/reservations", reserved);
    ask("GET", "/reservations/10.20.0.9", none());
    ask(
        "PATCH",
        "/reservations/10.20.0.9",
        json!({"hostname": "pc-9"}),
    );
    ask("DELETE", "/reservations/10.20.0.9", none());
    ask("DELETE", "/scopes/room-2", none());
    ask("GET", "/settings", none());
    let saved = json!({"values": {"clients.unknown": "adopt"}});
    ask("POST", "/settings/actions/preview", saved.clone());
    ask("PATCH", "/settings", saved);
    ask("GET", "/settings/revisions/1", none());
    ask("POST", "/settings/revisions/1/actions/undo", none());
    ask("GET", "/audit", none());
    ask("GET", "/system/info", none());
    for (path, body) in [
        ("/audit/actions/verify", none()),
        ("/images/debian/actions/verify", none()),
        (
            "/clients/actions/update",
            json!({"ids": ["pc-1"], "expected_count": 1, "change": {"mode": "reset"}}),
        ),
    ] {
        let place = ask("POST", path, body).location.expect("a job's place");
        let place = place.strip_prefix("/api/v1").expect("below /api/v1");
        let job = ask("GET", place, none());
        assert_eq!(job.etag, Some(format!("\"{}\"", job.value()["revision"])));
    }
    ask("DELETE", "/clients/pc-1", none());
}

/// Calls `look` with each schema's place and members.
fn each_object(at: &str, value: &Value, look: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            look(at, members);
            for (name, member) in members {
                each_object(&format!("{at}/{name}"), member, look);
            }
        }
        Value::Array(all) => {
            for (i, one) in all.iter().enumerate() {
                each_object(&format!("{at}/{i}"), one, look);
            }
        }
        _ => {}
    }
}

#[test]
fn nothing_is_without_a_type() {
    const TYPED: [&str; 7] = ["type", "$ref", "oneOf", "anyOf", "allOf", "enum", "const"];
    let server = Server::start();
    let mut api = description(&server);
    // Examples are no schemas.
    for schema in api["components"]["schemas"]
        .as_object_mut()
        .expect("schemas")
        .values_mut()
    {
        schema.as_object_mut().expect("a schema").remove("example");
    }
    let mut seen = 0;
    each_object("", &api, &mut |at, members| {
        let properties = members.get("properties").and_then(Value::as_object);
        let schema = ["schema", "items"]
            .iter()
            .filter_map(|m| Some((*m, members.get(*m)?)));
        let properties = properties
            .into_iter()
            .flatten()
            .map(|(n, v)| (n.as_str(), v));
        // A property may be called `items`: then the object around it is no schema.
        let schema = schema.filter(|_| !at.ends_with("/properties"));
        for (name, said) in properties.chain(schema) {
            let typed = TYPED.iter().any(|t| !said[*t].is_null());
            assert!(typed, "{at}: {name} has no type: {said}");
            seen += 1;
        }
    });
    assert!(seen > 300, "{seen}");
}

#[test]
fn each_operation_has_an_example_and_a_typed_answer() {
    let server = Server::start();
    let api = description(&server);
    let example = |name: &str| &api["components"]["schemas"][name]["example"];
    for (method, path, said) in operations(&api) {
        let (status, answer) = good(said);
        let what = format!("{method} {path}");
        assert!(answer["description"].is_string(), "{what}");
        let plain = &answer["content"]["application/x-ndjson"]["schema"]["type"];
        match named(&answer["content"]) {
            Some(name) => assert!(!example(name).is_null(), "{what}: {name} has no example"),
            None => {
                let is_file = answer["content"]["application/octet-stream"].is_object();
                let typed = status == "204" || plain == "string" || is_file;
                assert!(typed, "{what}: no type");
            }
        }
        let body = &said["requestBody"]["content"];
        if !body.is_null() && body["application/octet-stream"].is_null() {
            let name = named(body).unwrap_or_else(|| panic!("{what}: no type of the body"));
            assert!(!example(name).is_null(), "{what}: {name} has no example");
        }
    }
    assert!(!example("Problem").is_null());
}

#[test]
fn every_list_has_pages_a_filter_and_an_order() {
    let server = Server::start();
    let api = description(&server);
    let mut lists = 0;
    for (method, path, said) in operations(&api) {
        let name = named(&good(said).1["content"]).unwrap_or_default();
        if method != "GET" || !name.starts_with("ListView_") {
            continue;
        }
        lists += 1;
        for parameter in ["limit", "cursor", "filter", "sort"] {
            // A log has one order, and its own filters.
            let own = path == "/api/v1/audit" && ["filter", "sort"].contains(&parameter);
            assert_eq!(takes(said, parameter), !own, "{path}: {parameter}");
        }
    }
    assert!(lists >= 13, "{lists}");
}

/// Every page of a list, one item a page.
fn one_by_one(session: &Session<'_>, path: &str) -> Vec<Value> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = session.get(&format!("{path}limit=1{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.value();
        seen.extend(page["items"].as_array().expect("items").clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
    panic!("{path} does not end");
}

#[test]
fn jobs_sign_ins_and_tokens_come_in_pages_whatever_their_order() {
    let server = Server::start();
    let session = server.login();
    for n in 1..=3 {
        server.login();
        upload(&session, &format!("disk-{n}"), &[n; 4096]);
        let token = json!({"name": format!("ci-{n}"), "role": "viewer"});
        assert_eq!(session.json("POST", "/api/v1/tokens", token).status, 201);
    }
    for (path, name, filter) in [
        ("jobs", "title", "kind:image.import"),
        ("tokens", "name", "role:viewer"),
        ("auth/sessions", "id", "username:admin"),
        ("users/admin/sessions", "id", "username:admin"),
    ] {
        let path = format!("/api/v1/{path}");
        let plain = session.items(&path);
        assert!(plain.len() >= 3, "{path}: {plain:?}");
        assert_eq!(one_by_one(&session, &format!("{path}?")), plain, "{path}");
        let filtered = one_by_one(&session, &format!("{path}?filter={filter}&"));
        assert_eq!(filtered, plain, "{path}: the same order with a filter");
        let down = one_by_one(&session, &format!("{path}?sort=-{name}&"));
        let mut sorted = plain.clone();
        sorted.sort_by_key(|i| std::cmp::Reverse(i[name].to_string()));
        assert_eq!(down, sorted, "{path}: by {name}");
        let none = session.items(&format!("{path}?filter={name}:nothing-like-it"));
        assert!(none.is_empty(), "{path}: {none:?}");
        for bad in [
            "sort=none-such",
            "filter=none-such:1",
            "filter=x",
            "cursor=zz",
        ] {
            let answer = session.get(&format!("{path}?{bad}"));
            assert_eq!(answer.code(), "NSB-HTTP-400", "{path}?{bad}");
        }
    }
}

#[test]
fn a_problem_names_its_request_as_the_header_does() {
    let server = Server::start();
    let session = server.login();
    let named = |answer: &Answer| {
        let said = answer.value()["request_id"].as_str().map(String::from);
        assert!(said.is_some(), "{answer:?}");
        assert_eq!(said, answer.request_id, "{answer:?}");
        said
    };
    for (method, path, status) in [
        ("GET", "/api/v1/clients/none", 404),
        ("GET", "/api/v1/none/such", 404),
        ("DELETE", "/api/v1/clients", 405),
        ("POST", "/api/v1/clients", 415),
        ("GET", "/api/v1/clients?limit=0", 400),
        ("GET", "/api/v1/ws", 400),
    ] {
        let answer = session.send(method, path, &[], b"");
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        named(&answer);
    }
    named(&server.send("GET", "/api/v1/clients", &[], b""));
    let own = [("x-request-id", "mine-1"), ("accept-encoding", "identity")];
    let own = session.send("GET", "/api/v1/clients/none", &own, b"");
    assert_eq!(named(&own).as_deref(), Some("mine-1"));
    // Its length is that of what came.
    let length = own
        .header("content-length")
        .map(|l| l.parse().expect("a number"));
    assert_eq!(length, Some(own.body.len()));
    let foreign = [("origin", "http://evil.example")];
    named(&session.send("POST", "/api/v1/clients", &foreign, b""));
    assert!(session.get("/api/v1/clients").value()["request_id"].is_null());
}
