//! `/help/CODE`: what each code of a problem means and what to do, out of the binary and without a
//! sign-in: whoever can't get in needs it most. A test finds every code of the sources here.

use super::{AppState, problem::not_found};
use axum::{
    Router,
    extract::Path,
    http::Uri,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use engine::Area;

/// What the last part of a code means, whatever the middle says.
const KINDS: &[(u16, &str, &str, &str)] = &[
    (
        1,
        "An input breaks a rule",
        "What was sent for the {area} is not possible as it stands. The problem's `fields` say which input it was, and the rule.",
        "Correct that input and send it again. Nothing was changed.",
    ),
    (
        2,
        "It would contradict what is there",
        "Something else is in the way: a name or address that is taken, a {area} that is in use, or a state that does not allow it.",
        "The problem's hint names what is in the way. Change that first, or choose otherwise. Nothing was changed.",
    ),
    (
        3,
        "It was changed meanwhile",
        "The request says which revision of the {area} it was made on (`If-Match`), and that is not the newest: somebody else was faster.",
        "Read it again, look whether the change still makes sense, and send it with the new ETag.",
    ),
    (
        4,
        "There is none",
        "No {area} has that name, id or address.",
        "List those that there are. Names are known whatever their case.",
    ),
    (
        5,
        "Not possible here and now",
        "What the {area} needs is missing on this box, or too much is under way at once.",
        "The problem's hint says what is missing. `nsboot status` shows how the server is.",
    ),
    (
        6,
        "Too many tries",
        "Passwords and codes may be tried a few times; after that each try has to wait, longer each time.",
        "Wait as long as `Retry-After` says. Others, and you from another address, are not held up.",
    ),
    (
        20,
        "The database failed",
        "The server could not read or write `nsboot.redb` in its data folder. What was acknowledged before is safe.",
        "The server's log names the reason. Look whether the disk is full (`df`) or failing (`dmesg`).",
    ),
    (
        21,
        "The file system failed",
        "The server could not read or write a file of its data folder.",
        "The server's log names the file and what the system answered. Look at space, rights and the disk itself.",
    ),
    (
        29,
        "A defect of NSBoot",
        "Something happened that must not. Nothing was half done.",
        "Please report it with the lines of the server's log around that moment; they carry the request's id.",
    ),
];

/// Codes with a meaning of their own.
const SPECIAL: &[(&str, &str, &str, &str)] = &[
    (
        "NSB-AUTH-001",
        "Not signed in",
        "This needs a session or an API token, and the request had none that holds.",
        "Sign in with `POST /api/v1/auth/login` (or `nsboot login`) and send the access token as `Authorization: Bearer`.",
    ),
    (
        "NSB-AUTH-010",
        "The sign-in was refused",
        "User name or password are wrong, or the session has ended: by signing out, by a new password or role, by its age, or because its refresh token was used twice.",
        "Sign in again. An administrator can set a new password: `nsboot user passwd NAME` on the box needs no old one.",
    ),
    (
        "NSB-AUTH-011",
        "The role does not allow it",
        "Viewers look, operators change computers, images and the lab, administrators do everything. A token may do no more than its owner.",
        "Ask an administrator for a higher role. The attempt stands in the audit log.",
    ),
    (
        "NSB-AUTH-401",
        "Not signed in",
        "The page asked for something that needs a session, and it has ended.",
        "Sign in again; the page leads there.",
    ),
    (
        "NSB-BOOT-011",
        "This is for the computer itself",
        "Boot scripts hold the secret of a disk: only the computer that holds the address gets its own.",
        "Let the computer ask itself. `nsboot client why NAME` tells how its boot went.",
    ),
    (
        "NSB-CLI-001",
        "No server answers",
        "The command found no server at that address or socket, or the connection broke.",
        "Start it with `nsboot serve`, or name the right one with `--server URL` or `--data DIR`.",
    ),
    (
        "NSB-CLI-002",
        "That is no address of a server",
        "`--server` wants an address like `http://192.168.1.10:3000`.",
        "Correct it.",
    ),
    (
        "NSB-CLI-003",
        "The answer is not understood",
        "Server and command are of different versions, or something between them answered.",
        "Use the same version of nsboot on both sides.",
    ),
    (
        "NSB-CLI-004",
        "Something else answered",
        "The answer came, but not from NSBoot.",
        "Check that `--server` names an NSBoot server and no proxy's page.",
    ),
    (
        "NSB-CLI-005",
        "A file can't be read",
        "The file that the command names is not there, is not yours to read, or is no regular file.",
        "Name a file that you may read.",
    ),
    (
        "NSB-CLI-006",
        "The live connection was refused",
        "The server closed the WebSocket, or something between does not let it through.",
        "Look at the reason that the message gives; sign in again if the session has ended.",
    ),
    (
        "NSB-CLI-007",
        "A yes is needed",
        "Several things would be removed, and stdin is no terminal where one could be asked.",
        "Say `--yes` to do it, or `--dry-run` to see what it would do.",
    ),
    (
        "NSB-CLI-008",
        "It was not confirmed",
        "The question was not answered with y, so nothing was done.",
        "Answer y, or say `--yes`.",
    ),
    (
        "NSB-CLI-009",
        "The sign-in has ended",
        "What `nsboot login` kept for this server is none any more, or there never was one.",
        "Sign in again with `nsboot login`.",
    ),
    (
        "NSB-CLI-010",
        "The kept sign-ins can't be used",
        "The file of the kept sign-ins can't be read, understood or written.",
        "Look at the file that the message names, or remove it and sign in again.",
    ),
    (
        "NSB-CLI-011",
        "The two passwords differ",
        "A new password is typed twice, and the second was another.",
        "Try again; nothing was changed.",
    ),
    (
        "NSB-CLI-012",
        "A question was not answered",
        "The input ended before a name or a password came.",
        "Type it on a terminal, or give it as a line on stdin.",
    ),
    (
        "NSB-CLI-013",
        "There is no place for the sign-in",
        "Neither HOME nor XDG_CONFIG_HOME says where to keep it.",
        "Set one of them, or use an API token with `--token`.",
    ),
    (
        "NSB-CLI-014",
        "A file can't be written",
        "The file or folder that the command names is not yours to write.",
        "Name another one.",
    ),
    (
        "NSB-CLI-015",
        "One name for several computers",
        "A name belongs to one computer, and several were given.",
        "Give `--name` with one computer at a time.",
    ),
    (
        "NSB-CLI-016",
        "One revision for several computers",
        "Each computer has a revision of its own, and several were given.",
        "Give `--if-match` with one computer at a time.",
    ),
    (
        "NSB-CLI-017",
        "There is no token of that name",
        "The account has no API token that is called so.",
        "List them with `nsboot token ls`; name another account with `--user`.",
    ),
    (
        "NSB-CLI-018",
        "Several tokens have that name",
        "The name does not say which one is meant.",
        "Name it by its id, as `nsboot token ls` shows it.",
    ),
    (
        "NSB-CLI-020",
        "That is no setting with a value",
        "`nsboot setting set` wants `KEY=VALUE`; a boot network is JSON.",
        "Write it like `clients.unknown=adopt`, or use `nsboot network set` for a boot network.",
    ),
    (
        "NSB-CLIENT-422",
        "The MAC address can't be read",
        "An Ethernet address has six pairs of hexadecimal digits, like `52:54:00:12:34:56`.",
        "Copy it from the computer's label or its firmware's screen.",
    ),
    (
        "NSB-CONFIG-001",
        "A setting can't be used",
        "A value of a flag, a variable or the settings file is not possible. The message names its place.",
        "Correct that value and start again.",
    ),
    (
        "NSB-CONFIG-002",
        "The settings file is not TOML",
        "The file can't be read at that line.",
        "Correct that line and start again.",
    ),
    (
        "NSB-CONFIG-003",
        "A setting is missing",
        "A `[[boot]]` needs it to be served.",
        "Add it and start again.",
    ),
    (
        "NSB-CONFIG-004",
        "The settings file can't be read",
        "It is not there, or not yours to read.",
        "Name an existing file with `--config`, or leave the flag out.",
    ),
    (
        "NSB-CONFIG-005",
        "A setting is not known",
        "Nothing reads a key of that name; it was ignored.",
        "The warning names the nearest one that there is.",
    ),
    (
        "NSB-HTTP-001",
        "The port can't be used",
        "Another program listens there, or only root may, or this box does not have that address.",
        "Stop the other program (`ss -lnp` names it), or choose another address with `--listen`.",
    ),
    (
        "NSB-HTTP-400",
        "The request can't be read",
        "A part of the address, a header or the body is not what was expected. The detail says which.",
        "Correct it; `/api/docs` shows what each operation takes.",
    ),
    (
        "NSB-HTTP-403",
        "It came from another site's page",
        "A browser sent it in your name for another site. NSBoot takes changes from its own pages only.",
        "Open NSBoot's own page. Programs leave `Origin` out and send a token.",
    ),
    (
        "NSB-HTTP-404",
        "There is nothing at this address",
        "No page, file or operation has that address.",
        "Check the path; REST lives below `/api/v1` and is described at `/api/docs`.",
    ),
    (
        "NSB-HTTP-405",
        "Not that method",
        "The address is there, but does not take that method.",
        "The `Allow` header names those that it takes.",
    ),
    (
        "NSB-HTTP-413",
        "The body is too large",
        "JSON and forms may have 64 KiB; only images and loader sets may have more.",
        "Send less at a time.",
    ),
    (
        "NSB-HTTP-415",
        "Not that kind of body",
        "JSON is sent with `Content-Type: application/json`, an image with `application/octet-stream`.",
        "Set the header.",
    ),
    (
        "NSB-HTTP-422",
        "A field can't be used",
        "The body is JSON, but a field is missing, unknown or of another type. The detail names it.",
        "Correct that field; `/api/docs` shows those that there are.",
    ),
    (
        "NSB-HTTP-426",
        "This address is for WebSockets",
        "It was asked for without the handshake of a WebSocket.",
        "Open it as `ws://HOST/api/v1/ws` with a WebSocket client.",
    ),
    (
        "NSB-HTTP-500",
        "The server made a mistake",
        "A defect of NSBoot broke off this one request. Nothing was half done, and the server goes on.",
        "Please report it with the request's id and the lines of the log that carry it.",
    ),
    (
        "NSB-HTTP-503",
        "All seats of the WebSocket are taken",
        "The server takes 16,384 readers, fewer where the limit of open files (`LimitNOFILE`) is below 21,846, and three quarters of these for one account or token. REST answers meanwhile.",
        "Close those that nobody reads, or raise the limit of open files; `nsboot_ws_connections` at /metrics counts them.",
    ),
    (
        "NSB-IMAGE-010",
        "The upload was cut off",
        "The connection ended before the whole disk was there. Nothing of it was kept.",
        "Send it again.",
    ),
    (
        "NSB-KEY-001",
        "The Idempotency-Key can't be used",
        "A key has 1 to 255 visible characters, and a request has one.",
        "Make a new UUID for each change, and send it again with the same one when no answer came.",
    ),
    (
        "NSB-KEY-002",
        "The key belongs to another request",
        "Within a day a key stands for one change: method, address, `If-Match` and body. This request differs from the first one with that key. Nothing was changed.",
        "Use a new key for a new change.",
    ),
    (
        "NSB-KEY-003",
        "The first request with that key has not ended",
        "The change is under way, asked for by an earlier request with the same key.",
        "Wait as long as `Retry-After` says, then ask again with the same key: you get its answer.",
    ),
    (
        "NSB-KEY-004",
        "Nobody knows what the first request did",
        "The server ended or failed between the beginning of the change and its answer. It may have been made or not, so it is not made again under this key.",
        "Look whether it was made (`nsboot audit ls` shows changes). If not, make it with a new key.",
    ),
    (
        "NSB-KEY-005",
        "This operation takes no key",
        "What answers with a secret (sign-in, new API token) is not kept, and neither is the upload of a disk. So a key could promise nothing.",
        "Send it without. Before you repeat it, look what is there: `nsboot token ls`, `nsboot image ls`.",
    ),
    (
        "NSB-KEY-006",
        "Too many changes are under way under keys",
        "Keys are bounded, and all that there is room for belong to changes that have not ended.",
        "Wait as long as `Retry-After` says, then ask again.",
    ),
    (
        "NSB-LOADER-010",
        "The upload was cut off",
        "The connection ended before the whole archive was there. Nothing of it was kept.",
        "Send it again.",
    ),
    (
        "NSB-PAGE-001",
        "The request did not get through",
        "The page could not reach the server, or sent what it does not understand.",
        "Check that NSBoot runs, reload the page and try again.",
    ),
    (
        "NSB-PAGE-002",
        "The page was served without its engine",
        "A defect of NSBoot.",
        "Please report it.",
    ),
    (
        "NSB-PAGE-003",
        "The answer is not understood",
        "Page and server are of different versions.",
        "Reload the page.",
    ),
    (
        "NSB-SECRET-002",
        "The key of secrets is systemd's",
        "Secrets in the database are sealed with a key that systemd gives as the credential `nsboot-secrets` at each start, and nsboot can't change that.",
        "Put a new key as the first line of the credential, above the old one, and restart: everything is sealed anew at the start. Then the old line may go. `docs/operations.md` has the commands.",
    ),
    (
        "NSB-SECRET-005",
        "The keys of secrets can't be used",
        "The key file is open to others than the server's user, or it (or the credential `nsboot-secrets`) holds something that is no key. The server does not start with it.",
        "The message names file and line. Close the file with `chmod 600`; bring a damaged one back from a copy. Without a copy move it away: a new key is made, and each computer gets a new secret for its disk when it boots next.",
    ),
    (
        "NSB-SYSTEM-001",
        "The server could not start",
        "The system refused something that the server needs; the message says what.",
        "Do what the message's last sentence says.",
    ),
];

pub fn routes() -> Router<AppState> {
    Router::new().route("/help/{code}", get(show))
}

async fn show(Path(code): Path<String>, uri: Uri) -> Response {
    match page(&code) {
        Some(html) => Html(html).into_response(),
        None => not_found(uri).await.into_response(),
    }
}

/// Title, meaning and remedy of a code; None for one that was never ours.
fn find(code: &str) -> Option<(&'static str, String, &'static str)> {
    if let Some((_, title, meaning, remedy)) = SPECIAL.iter().find(|(c, ..)| *c == code) {
        return Some((title, meaning.to_string(), remedy));
    }
    let (area, number) = code.strip_prefix("NSB-")?.split_once('-')?;
    let area = Area::ALL.iter().find(|a| a.code() == area)?;
    let number: u16 = number.parse().ok()?;
    let (_, title, meaning, remedy) = KINDS.iter().find(|(n, ..)| *n == number)?;
    Some((title, meaning.replace("{area}", area.word()), remedy))
}

fn page(code: &str) -> Option<String> {
    let (title, meaning, remedy) = find(code)?;
    let text = |s: &str| marked(&s.replace('&', "&amp;").replace('<', "&lt;"));
    let (meaning, remedy) = (text(&meaning), text(remedy));
    // The code is one of ours by now, and so plain.
    Some(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{code}: {title}</title>\
         <link rel=\"icon\" href=\"/favicon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"/pkg/nsboot.css\"></head><body>\
         <header class=\"top\"><a class=\"brand\" href=\"/\">nsboot</a></header>\
         <main class=\"page\"><div class=\"head\"><div><p class=\"data meta\">{code}</p><h1>{title}</h1></div></div>\
         <section class=\"panel p-4 grid gap-4\"><div><h2>What it means</h2><p>{meaning}</p></div>\
         <div><h2>What to do</h2><p>{remedy}</p></div></section></main></body></html>"
    ))
}

/// Words between backticks as code.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(i, part)| match i % 2 {
        1 => format!("<code class=\"data\">{part}</code>"),
        _ => part.to_string(),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    fn codes(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                codes(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("NSB-") {
                    let code: String = text[at..]
                        .chars()
                        .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '-')
                        .collect();
                    let last = code.rsplit('-').next().unwrap_or("");
                    if last.len() == 3 && last.chars().all(|c| c.is_ascii_digit()) {
                        found.push(code);
                    }
                }
            }
        }
    }

    #[test]
    fn every_code_has_its_page() {
        let mut found = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["src", "engine/src", "daemons/src", "../app/src"] {
            codes(&root.join(folder), &mut found);
        }
        for area in Area::ALL {
            for number in [1, 2, 3, 4, 5] {
                found.push(format!("NSB-{}-{number:03}", area.code()));
            }
        }
        assert!(found.len() > 100);
        for code in found {
            let html = page(&code).unwrap_or_else(|| panic!("{code} has no page"));
            assert!(html.contains("What to do") && !html.contains('{') && !html.contains('`'));
        }
        for none in ["CLIENT-999", "CATS-001", "CLIENT-", ""] {
            assert!(page(&format!("NSB-{none}")).is_none(), "{none}");
        }
    }
}
