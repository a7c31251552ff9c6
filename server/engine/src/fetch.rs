//! Images that the server fetches itself: from a URL, or from the folder `import` of the data folder. Each is a
//! job that an administrator begins; a restart of the server ends it.

use crate::{
    Area, By, Engine, Error, Result, door::Import, images::NewImport, images::parse_sha256,
};
use bytes::{Bytes, BytesMut};
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
};
use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use types::{ImportImageParams, JobId};
use ureq::{
    Agent,
    http::Uri,
    tls::{RootCerts, TlsConfig},
};

/// How long another server may take to accept us, and to send anything.
const CONNECT: Duration = Duration::from_secs(15);
const SILENT: Duration = Duration::from_secs(60);
/// From one address to another.
const REDIRECTS: u32 = 5;
/// Bytes read at a time, and how many of them wait for the disk.
const PIECE: usize = 1 << 20;
const AHEAD: usize = 4;
/// The longest address.
const MAX_URL: usize = 2048;

/// TLS for a client of ours: whom to trust the system says.
pub fn tls() -> TlsConfig {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(crypto)
        .build()
}

/// Where a file comes from.
enum Origin {
    Url(Uri),
    /// Open since it was checked: whatever gets its name meanwhile is not read.
    File(File),
}

/// Begins the import of a file that the server fetches, and gives its job.
///
/// # Errors
/// [`Error::Invalid`] for a bad address or name of a file; as [`crate::Operator::begin_import`].
pub(crate) async fn begin(engine: &Engine, by: &By, params: ImportImageParams) -> Result<JobId> {
    let sha256 = params.sha256.as_deref().map(parse_sha256).transpose()?;
    let origin = match (&params.url, &params.path) {
        (Some(url), None) => Origin::Url(address(url)?),
        (None, Some(path)) => Origin::File(inside(&engine.config().data_dir, path)?),
        _ => return Err(bad("url", "say either a url or a path")),
    };
    let new = NewImport {
        sha256,
        ..NewImport::new(params.name, None)
    };
    let import = Import::begin(engine, by, new).await?;
    let (_, job) = import
        .ids()
        .ok_or_else(|| Error::Internal("an import ended before it began".into()))?;
    tokio::spawn(run(import, origin));
    Ok(job)
}

/// What the thread that reads tells.
enum Heard {
    Length(u64),
    Piece(Bytes),
    /// There is no more.
    End,
    Failed(Error),
}

async fn run(mut import: Import, origin: Origin) {
    let (tell, mut told) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let end = read(origin, &tell).map_or_else(Heard::Failed, |()| Heard::End);
        // Nobody listens any more when it was cancelled.
        let _ = tell.blocking_send(end);
    });
    loop {
        let next = tokio::select! {
            next = told.recv() => next,
            _ = import.cancelled() => return,
        };
        let done = match next {
            Some(Heard::End) => break,
            None => {
                let broke = Error::Internal("reading the file broke off".into());
                import.fail(broke).await;
                return;
            }
            Some(Heard::Length(len)) => {
                import.expect(len);
                Ok(())
            }
            Some(Heard::Piece(piece)) => import.write(piece).await,
            Some(Heard::Failed(why)) => {
                import.fail(why).await;
                return;
            }
        };
        // The job tells why.
        if done.is_err() {
            return;
        }
    }
    // As does its end.
    let _ = import.finish().await;
}

/// Reads the file to its end, or until nobody listens.
fn read(origin: Origin, tell: &mpsc::Sender<Heard>) -> Result<()> {
    let (mut file, len): (Box<dyn Read>, Option<u64>) = match origin {
        Origin::File(file) => {
            let failed = Error::io("reading a file of the folder `import`");
            let len = file.metadata().map_err(failed)?.len();
            (Box::new(file), Some(len))
        }
        Origin::Url(url) => {
            let answer = agent(&url).get(&url).call().map_err(|e| not_had(&e))?;
            let body = answer.into_body();
            let len = body.content_length();
            (Box::new(body.into_reader()), len)
        }
    };
    if let Some(len) = len
        && tell.blocking_send(Heard::Length(len)).is_err()
    {
        return Ok(());
    }
    loop {
        let mut piece = BytesMut::zeroed(PIECE);
        let n = match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(unreachable(&e)),
        };
        piece.truncate(n);
        if tell.blocking_send(Heard::Piece(piece.freeze())).is_err() {
            return Ok(());
        }
    }
}

/// What an address asks for is not given up on the way: one with https is followed by https alone.
fn agent(url: &Uri) -> Agent {
    let config = Agent::config_builder()
        .https_only(url.scheme_str() == Some("https"))
        .max_redirects(REDIRECTS)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENT))
        .timeout_per_read(Some(SILENT))
        .tls_config(tls())
        .user_agent(concat!("nsboot/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity");
    Agent::new_with_config(config.build())
}

fn address(url: &str) -> Result<Uri> {
    let uri: Option<Uri> = (url.len() <= MAX_URL).then(|| url.parse().ok()).flatten();
    let fits = |uri: &Uri| {
        let scheme = uri.scheme_str();
        (scheme == Some("http") || scheme == Some("https"))
            && uri.authority().is_some_and(|a| !a.as_str().contains('@'))
    };
    uri.filter(fits).ok_or_else(|| {
        bad(
            "url",
            "an address is like https://example.org/disk.qcow2, with http or https and no password",
        )
    })
}

/// The file of that name below the folder `import`, open. The kernel looks the name up from the open folder and
/// follows no link on the way, so that nothing can be put in the way after a check.
fn inside(data: &Path, name: &str) -> Result<File> {
    let folder = data.join("import");
    let nothing = || {
        bad(
            "path",
            "there is no such file in the folder `import` of the data folder; links are not followed",
        )
    };
    let root = File::open(folder).map_err(|_| nothing())?;
    // What is no file, such as a pipe, must not hold us up.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let file = match openat2(&root, name, how) {
        Ok(file) => File::from(file),
        Err(Errno::ENOSYS) => {
            return Err(Error::unavailable(
                Area::Image,
                "this system can't open a file of a folder safely",
                "It needs Linux 5.6 or newer. Upload the file instead.",
            ));
        }
        Err(_) => return Err(nothing()),
    };
    match file.metadata().is_ok_and(|facts| facts.is_file()) {
        true => Ok(file),
        false => Err(nothing()),
    }
}

fn not_had(e: &ureq::Error) -> Error {
    match e {
        ureq::Error::RequireHttpsOnly(to) => Error::conflict(
            Area::Image,
            format!(
                "the address leads from https to {to:.300}, where anybody on the way could change the file"
            ),
            "Give the address that it leads to, with https; or that one itself, with the file's sha256.",
        ),
        other => unreachable(other),
    }
}

fn unreachable(e: &dyn std::fmt::Display) -> Error {
    let what: String = e.to_string().chars().take(300).collect();
    Error::conflict(
        Area::Image,
        format!("the file could not be fetched: {what}"),
        "Check the address and that this server can reach it, then begin the import again.",
    )
}

fn bad(field: &'static str, message: &str) -> Error {
    Error::invalid(Area::Image, field, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_fetched() {
        for good in ["http://a/b", "https://[::1]:8443/disk.qcow2?x=1"] {
            assert!(address(good).is_ok(), "{good}");
        }
        let long = format!("http://a/{}", "x".repeat(MAX_URL));
        for bad in [
            "",
            "file:///etc/shadow",
            "ftp://a/b",
            "/etc",
            "http://u:p@a/b",
            "a",
            &long,
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let data = tempfile::tempdir().expect("a folder");
        let import = data.path().join("import");
        std::fs::create_dir_all(import.join("sub")).expect("made");
        std::fs::write(import.join("sub/disk"), "disk").expect("written");
        std::fs::write(data.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink("../secret", import.join("out")).expect("made");
        std::os::unix::fs::symlink("sub/disk", import.join("in")).expect("made");
        let fifo = import.join("pipe");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).expect("made");
        std::os::unix::fs::symlink("sub", import.join("folder")).expect("made");
        let mut text = String::new();
        let mut good = inside(data.path(), "sub/disk").expect("it is there");
        // What gets its name now is not what was checked.
        std::fs::remove_file(import.join("sub/disk")).expect("removed");
        std::os::unix::fs::symlink("../../secret", import.join("sub/disk")).expect("made");
        good.read_to_string(&mut text).expect("read");
        assert_eq!(text, "disk");
        let absolute = import.join("plain");
        std::fs::write(&absolute, "x").expect("written");
        assert!(inside(data.path(), "sub/../plain").is_ok());
        for bad in [
            "",
            ".",
            "out",
            "in",
            "sub",
            "pipe",
            "sub/disk",
            "folder/disk",
            "../secret",
            "sub/../../secret",
            "/etc/shadow",
            absolute.to_str().expect("text"),
            "none",
            "a\0b",
        ] {
            assert!(inside(data.path(), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn https_does_not_lead_to_http() {
        let asked = address("https://example.org/disk").expect("an address");
        // As its own answer would lead there: each step is asked of the same agent.
        let refused = agent(&asked).get("http://127.0.0.1:9/disk").call();
        let why = not_had(&refused.expect_err("refused")).to_string();
        assert!(
            why.contains("leads from https to http://127.0.0.1:9/disk"),
            "{why}"
        );
        let plain = address("http://127.0.0.1:9/disk").expect("an address");
        let why = agent(&plain)
            .get(&plain)
            .call()
            .expect_err("nobody is there");
        assert!(!matches!(why, ureq::Error::RequireHttpsOnly(_)), "{why}");
    }
}
