//! The same change by the page, by REST and by the command line is one and the same: three entries of
//! the audit log that are alike but for the way in.

use crate::server::{PASSWORD, Server, nsboot};
use serde_json::{Value, json};

/// The newest entry about a client's mode.
fn entry(server: &Server) -> Value {
    let all = server
        .login()
        .items("/api/v1/audit?action=client.update&limit=1");
    all.into_iter().next().expect("an entry")
}

#[test]
fn page_rest_and_command_line_leave_the_same_trace() {
    let server = Server::start();
    let session = server.login();
    let new = json!({"name": "pc-1", "mac": "52:54:00:00:00:01", "mode": "reset"});
    let made = session.json("POST", "/api/v1/clients", new).value();
    let id = made["id"].as_str().unwrap();
    let at = format!("/api/v1/clients/{id}");
    let back = || {
        assert_eq!(
            session.json("PATCH", &at, json!({"mode": "reset"})).status,
            200
        )
    };

    assert_eq!(
        session.json("PATCH", &at, json!({"mode": "keep"})).status,
        200
    );
    let rest = entry(&server);
    back();

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    let signed_in = server.send("POST", "/fn/login", &form, login.as_bytes());
    let cookie = signed_in.cookie.expect("a session");
    let cookie = cookie.split(';').next().unwrap();
    let revision = session.get(&at).value()["revision"].clone();
    let change =
        format!("id={id}&revision={revision}&name=pc-1&image=&data_disks=&mode=keep&quota=");
    let headers = [form[0], ("cookie", cookie), ("accept", "application/json")];
    let done = server.send("POST", "/fn/clients/update", &headers, change.as_bytes());
    assert_eq!(done.status, 200, "{done:?}");
    let page = entry(&server);
    back();

    let done = nsboot()
        .args(["client", "set", "pc-1", "--mode", "keep"])
        .args(["--server", &server.base, "--token", &session.access])
        .output()
        .expect("it runs");
    assert!(done.status.success(), "{done:?}");
    let cli = entry(&server);

    let ways = [&rest, &page, &cli].map(|e| e["way"].as_str().unwrap().to_string());
    assert_eq!(ways, ["rest", "page", "cli"]);
    let alike = |e: &Value| {
        let mut e = e.clone();
        let entry = e.as_object_mut().unwrap();
        for own in ["seq", "at", "hash", "request_id", "way"] {
            assert!(entry.remove(own).is_some(), "{own}");
        }
        // Names may be asked for as they are known: what was found is the same.
        e
    };
    assert_eq!(alike(&rest), alike(&page));
    assert_eq!(alike(&rest), alike(&cli));
    assert_eq!(rest["before"], json!({"mode": "reset"}));
    assert_eq!(rest["after"], json!({"mode": "keep"}));
    assert_eq!(
        (rest["address"].as_str(), rest["actor"]["name"].as_str()),
        (Some("127.0.0.1"), Some("admin"))
    );

    let check = session.json("POST", "/api/v1/audit/actions/verify", json!(null));
    assert_eq!(check.status, 202, "{check:?}");
    let export = session.get("/api/v1/audit/export").text();
    let lines: Vec<Value> = export
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let numbers: Vec<u64> = lines.iter().map(|l| l["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(!export.contains(PASSWORD) && !export.contains(&session.access));
    let some = session.get("/api/v1/audit/export?limit=2").text();
    let first: Vec<&str> = export.lines().take(2).collect();
    assert_eq!(some.lines().collect::<Vec<_>>(), first);
    for query in ["limit=0", "limit=-1", "limit=x", "cursor=00"] {
        let refused = session.get(&format!("/api/v1/audit/export?{query}"));
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "NSB-HTTP-400")
        );
    }
}
