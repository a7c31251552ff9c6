//! Pages by role: where each leads, that none shows what its reader may not read, and that none offers
//! what its reader may not do.

use super::{FUNCTIONS, ROLES, cookies::cookies, rank};
use crate::{
    api::{add, upload},
    imports::sources,
    server::{Answer, Server},
};

/// The route as the router has it, and its status for viewer, operator and admin.
const PAGES: &[(&str, [u16; 3])] = &[
    // Those who are signed in have no use for a door.
    ("/login", [302; 3]),
    ("/setup", [302; 3]),
    ("/", [302; 3]),
    ("/floor", [200; 3]),
    ("/floor/:id", [200; 3]),
    ("/boot", [200; 3]),
    ("/images", [200; 3]),
    ("/images/:id", [200; 3]),
    ("/storage", [200; 3]),
    ("/loaders", [200; 3]),
    ("/firmware", [200; 3]),
    ("/network", [200; 3]),
    ("/activity", [200; 3]),
    ("/users", [403, 403, 200]),
    ("/settings", [200; 3]),
    ("/account", [200; 3]),
];

/// A program is told by `Location` alone where to go, with the status of what it asked for.
const BROWSER: (&str, &str) = ("accept", "text/html");

/// Somebody else's is an admin's, one's own everybody's: a page may offer it.
const OWN: &[&str] = &["sessions/end", "tokens/remove"];

#[test]
fn every_page_has_its_row() {
    let list = sources("app/src")
        .into_iter()
        .filter(|(file, _)| file.starts_with("app/src/pages"));
    let mut found: Vec<String> = Vec::new();
    for (_, text) in list {
        let paths = text.split("path!(\"").skip(1);
        let path = |rest: &str| rest.split('"').next().unwrap_or("").to_string();
        // The frame around pages has none of its own.
        found.extend(paths.map(path).filter(|p| !p.is_empty()));
    }
    found.sort();
    let mut rows: Vec<&str> = PAGES.iter().map(|(path, _)| *path).collect();
    rows.sort();
    assert_eq!(found, rows);
}

/// The server functions that forms of a page post to when a button is pressed. A form without any
/// shows what is set.
fn offered(page: &Answer) -> Vec<String> {
    let text = page.text();
    let forms = text.split("action=\"/fn/").skip(1);
    let pressed = forms.filter_map(|rest| rest.split("</form>").next());
    let pressed = pressed.filter(|form| form.contains("</button>"));
    let name = |form: &str| form.split(['"', '?']).next().unwrap_or("").to_string();
    pressed.map(name).collect()
}

#[test]
fn pages_hold_to_the_roles() {
    let server = Server::start();
    let cookies = cookies(&server);
    let client = add(&server.login(), "a01", 1);
    let id = client["id"].as_str().expect("id");
    let image = upload(&server.login(), "debian", &[0; 4096]);
    let image = image["id"].as_str().expect("id");
    let mut of_admin = Vec::new();
    for (route, expected) in PAGES {
        let id = if route.starts_with("/images") {
            image
        } else {
            id
        };
        let path = route.replace(":id", id);
        let nobody = server.send("GET", &path, &[BROWSER], b"");
        let what = format!("{path} without a session");
        match *route {
            "/login" => assert_eq!(nobody.status, 200, "{what}"),
            _ => assert_eq!(
                (nobody.status, nobody.location.as_deref()),
                (302, Some("/login")),
                "{what}: {nobody:?}"
            ),
        }
        // What comes with it, for those who don't go there.
        let program = server.send("GET", &path, &[], b"");
        for secret in ["a01", "52:54:00", "the-admin"] {
            for answer in [&nobody, &program] {
                assert!(!answer.text().contains(secret), "{what} tells {secret}");
            }
        }
        for (role, status) in ROLES[1..].iter().zip(expected) {
            let what = format!("{path} as {role}");
            let headers = [("cookie", cookies[role].as_str()), BROWSER];
            let page = server.send("GET", &path, &headers, b"");
            assert_eq!(page.status, *status, "{what}: {page:?}");
            if page.status == 302 {
                assert_eq!(page.location.as_deref(), Some("/floor"), "{what}");
            }
            let forms = offered(&page);
            for function in &forms {
                let row = FUNCTIONS.iter().find(|(name, _)| name == function);
                let (_, least) = row.unwrap_or_else(|| panic!("{what}: no function {function}"));
                assert!(
                    rank(role) >= rank(least) || OWN.contains(&function.as_str()),
                    "{what} offers {function}"
                );
            }
            for other in ROLES[1..].iter().filter(|other| *other != role) {
                let name = format!("the-{other}");
                let told = page.text().contains(&name);
                assert!(!told || *role == "admin", "{what} tells of {name}");
            }
            if *role == "admin" {
                let named = page.text().contains("the-viewer");
                assert_eq!(named, matches!(*route, "/users" | "/activity"), "{what}");
                of_admin.extend(forms);
            }
        }
    }
    // That offers are seen at all.
    for function in ["users/create", "settings/change", "clients/update"] {
        let is_offered = of_admin.iter().any(|f| f == function);
        assert!(is_offered, "{function} is offered nowhere: {of_admin:?}");
    }
    // What is not there is not there for anybody.
    let gone = "/floor/01934c5e-7b00-7000-8000-0000000000ff";
    for role in &ROLES[1..] {
        let headers = [("cookie", cookies[role].as_str())];
        assert_eq!(
            server.send("GET", gone, &headers, b"").status,
            404,
            "{role}"
        );
    }
}

/// Before there is an account every page leads to where the first is made.
#[test]
fn without_an_account_every_page_leads_to_the_first() {
    let server = Server::fresh();
    for (route, _) in PAGES {
        let answer = server.send("GET", route, &[BROWSER], b"");
        let expected = match *route {
            "/setup" => (200, None),
            _ => (302, Some("/setup")),
        };
        let found = (answer.status, answer.location.as_deref());
        assert_eq!(found, expected, "{route}");
    }
}
