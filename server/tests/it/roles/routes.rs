//! Routes that the API's description does not name: every place in the sources that adds one, and what
//! each role gets there.

use super::{ROLES, tokens};
use crate::{imports::sources, server::Server};

/// Method, path, headers besides, and the status for each of [`ROLES`].
type Ask = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    [u16; 4],
);

const OPEN: [u16; 4] = [200; 4];
const NOT_HERE: [u16; 4] = [404; 4];
const NOT_SO: [u16; 4] = [405; 4];
/// As somebody on another box asks.
const AFAR: &[(&str, &str)] = &[("x-forwarded-for", "192.0.2.1")];

/// File, call up to its first argument, and what to ask. A new route needs its row here: say who may,
/// and ask it.
const PLACES: &[(&str, &str, &[Ask])] = &[
    (
        "mod.rs",
        ".route(\"/ws\"",
        &[
            // A role that may is told what the handshake lacks.
            ("GET", "/api/v1/ws", &[], [401, 400, 400, 400]),
            ("GET", "/api/v1/ws?topics=audit", &[], [401, 403, 403, 400]),
            ("POST", "/api/v1/ws", &[], NOT_SO),
        ],
    ),
    (
        "mod.rs",
        ".fallback(problem::not_found",
        &[
            ("GET", "/api/v1/nothing/at/all", &[], NOT_HERE),
            ("POST", "/api/v1/nothing/at/all", &[], NOT_HERE),
            ("DELETE", "/api/v1/clients/x/y/z", &[], NOT_HERE),
        ],
    ),
    (
        "mod.rs",
        ".method_not_allowed_fallback(problem::method_not_allowed",
        &[
            ("PUT", "/api/v1/clients", &[], NOT_SO),
            ("DELETE", "/api/v1/settings", &[], NOT_SO),
        ],
    ),
    // Its rows are those of the description, and the three above.
    (
        "mod.rs",
        ".nest(\"/api/v1\"",
        &[("GET", "/api/v1", &[], NOT_HERE)],
    ),
    (
        "mod.rs",
        ".route(\"/api/{*rest}\"",
        &[
            ("GET", "/api/v2/clients", &[], NOT_HERE),
            ("POST", "/api/nothing", &[], NOT_HERE),
        ],
    ),
    (
        "mod.rs",
        ".route(\"/metrics\"",
        &[
            // A scraper on this box needs no session.
            ("GET", "/metrics", &[], OPEN),
            ("GET", "/metrics", AFAR, [401, 200, 200, 200]),
            ("POST", "/metrics", &[], NOT_SO),
        ],
    ),
    ("mod.rs", ".merge(api::system::probes(", &[]),
    ("mod.rs", ".merge(api::viewer(", &[]),
    ("mod.rs", ".merge(help::routes(", &[]),
    ("mod.rs", ".merge(site::routes(", &[]),
    (
        "api/system.rs",
        ".route(\"/healthz\"",
        &[("GET", "/healthz", &[], OPEN)],
    ),
    (
        "api/system.rs",
        ".route(\"/readyz\"",
        &[("GET", "/readyz", &[], OPEN)],
    ),
    (
        "api/description.rs",
        "SwaggerUi::new(\"/api/docs\"",
        &[
            ("GET", "/api/docs/", &[], OPEN),
            ("GET", "/api/docs/swagger-ui.css", &[], OPEN),
            ("POST", "/api/docs/", &[], NOT_SO),
        ],
    ),
    (
        "api/description.rs",
        ".route(\"/api/openapi.json\"",
        &[("GET", "/api/openapi.json", &[], OPEN)],
    ),
    // Serves nothing: the description is made from it.
    ("api/description.rs", ".nest(\"/api/v1\"", &[]),
    // What a code means is no secret.
    (
        "help.rs",
        ".route(\"/help/{code}\"",
        &[
            ("GET", "/help/NSB-HTTP-404", &[], OPEN),
            ("GET", "/help/NSB-NONE-404", &[], NOT_HERE),
        ],
    ),
    // The functions that there are have the table in `roles`.
    (
        "site.rs",
        ".route(\"/fn/{*name}\"",
        &[
            ("POST", "/fn/clients/explode", &[], [400; 4]),
            // A change by GET is no change.
            ("GET", "/fn/clients/add", &[], [400; 4]),
            ("GET", "/fn/users/list", &[], [400; 4]),
        ],
    ),
    // Pages have the table in `pages`.
    (
        "site.rs",
        ".fallback(page",
        &[
            ("GET", "/nothing/at/all", &[], NOT_HERE),
            ("GET", "/pkg/none.js", &[], NOT_HERE),
            ("GET", "/none.css", &[], NOT_HERE),
            ("POST", "/floor", &[], NOT_SO),
            ("DELETE", "/users", &[], NOT_SO),
        ],
    ),
    // The boot plane's own listener, for computers by their lease. This one has none of it.
    (
        "boot.rs",
        ".route(\"/b/ready\"",
        &[("POST", "/b/ready", &[], NOT_SO)],
    ),
    (
        "boot.rs",
        ".route(\"/b/{script}\"",
        &[("GET", "/b/boot.ipxe", &[], NOT_HERE)],
    ),
    (
        "boot.rs",
        ".route(\"/f/{*path}\"",
        &[("GET", "/f/undionly.kpxe", &[], NOT_HERE)],
    ),
];

/// What adds routes. `.routes(` is not among them: utoipa's, and so in the description.
const MARKS: &[&str] = &[
    ".route(",
    ".route_service(",
    ".nest(",
    ".nest_service(",
    ".merge(",
    ".fallback(",
    ".fallback_service(",
    ".method_not_allowed_fallback(",
    "SwaggerUi::new(",
];

/// Every call in a source that adds a route, up to its first argument.
fn calls(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let code: String = code.split_whitespace().collect();
    let mut found = Vec::new();
    for mark in MARKS {
        for (at, _) in code.match_indices(mark) {
            let argument = &code[at + mark.len()..];
            let end = argument.find([',', ')', '(']).unwrap_or(argument.len());
            let open = argument[end..].starts_with('(');
            let end = end + usize::from(open);
            found.push(format!("{mark}{}", &argument[..end]));
        }
    }
    found
}

#[test]
fn every_route_in_the_sources_has_its_row_and_every_row_its_route() {
    let folder = "server/src/http/";
    let mut found = Vec::new();
    for (name, text) in sources("server/src/http") {
        let file = name.strip_prefix(folder).expect("below").to_string();
        let test = file.ends_with("tests.rs");
        // The description's own router takes the others in: what is in them is in the description.
        let described = |call: &String| {
            let upload = match file.as_str() {
                "api/images.rs" => ".merge(whole_disks",
                "api/loaders.rs" => ".merge(archives",
                "api/uploads.rs" => ".merge(pieces",
                _ => "none",
            };
            file == "api/mod.rs" || call.as_str() == upload
        };
        let calls = calls(&text).into_iter().filter(|c| !test && !described(c));
        found.extend(calls.map(|call| (file.clone(), call)));
    }
    found.sort();
    let row = |(file, call, _): &(&str, &str, _)| (file.to_string(), call.to_string());
    let mut rows: Vec<_> = PLACES.iter().map(row).collect();
    rows.sort();
    assert_eq!(found, rows);
}

#[test]
fn a_route_is_found_however_it_is_written() {
    let text = "Router::new()\n    .route(\n        \"/a\",\n        get(a),\n    )\n    .nest(\"/b\", b).merge(c::routes())";
    assert_eq!(
        calls(text),
        [".route(\"/a\"", ".nest(\"/b\"", ".merge(c::routes("]
    );
}

#[test]
fn routes_beside_the_description_hold_to_their_roles() {
    let server = Server::start();
    let tokens = tokens(&server);
    for (method, path, more, expected) in PLACES.iter().flat_map(|(_, _, asks)| *asks) {
        for (role, status) in ROLES.iter().zip(expected) {
            let bearer = tokens.get(role).map(|t| format!("Bearer {t}"));
            let mut headers = more.to_vec();
            headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
            let answer = server.send(method, path, &headers, b"");
            let what = format!("{method} {path} {more:?} as {role}");
            assert_eq!(answer.status, *status, "{what}: {answer:?}");
            // Another site's page can't read it, whoever is signed in.
            headers.push(("origin", "http://evil.example"));
            let foreign = server.send(method, path, &headers, b"");
            let allowed = foreign.header("access-control-allow-origin");
            assert_eq!(allowed, None, "{what} from elsewhere");
            if *method != "GET" {
                assert_eq!(foreign.status, 403, "{what} from elsewhere: {foreign:?}");
            }
        }
    }
}
