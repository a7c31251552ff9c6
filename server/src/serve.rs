//! `nsboot serve`, from top to bottom: settings, engine, boot planes, HTTP, signals, end.

use crate::{
    cli::{SOCKET_NAME, ServeArgs},
    config::{Config, ConfigError, Flags, Saved, Sources},
    http::{
        AppState, Door,
        listener::{Socket, serve},
        router, views,
    },
    planes::Planes,
};
use engine::{Engine, EngineConfig, lab::SELF_TEST};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use store::{Read, SettingRecord, Store};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What is read of a disk at a time, bytes.
const IMPORT_PIECE: usize = 1 << 20;
/// From the signal to the end of the process at the latest.
const STOP_LIMIT: Duration = Duration::from_secs(7);

/// Why the server did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0} [{code}]. {hint}", code = .0.code(), hint = .0.problem().hint)]
    Engine(#[from] engine::Error),
    #[error(
        "cannot listen on {address}: {source} [NSB-HTTP-001]. {}",
        listen_hint(source)
    )]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("{what}: {source} [NSB-SYSTEM-001]. {hint}")]
    System {
        what: String,
        source: std::io::Error,
        hint: &'static str,
    },
}

fn listen_hint(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AddrNotAvailable => {
            "This box does not have that address (`ip address` shows those it has); choose one with --listen."
        }
        std::io::ErrorKind::PermissionDenied => {
            "Ports below 1024 are for root; choose another with --listen."
        }
        _ => {
            "Stop the program that uses this port (`ss -lnp` names it), or choose another with --listen."
        }
    }
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// Settings that can't be used, a data directory that can't be opened, a port that is taken.
pub fn main(args: ServeArgs, data_dir: Option<PathBuf>) -> Result<(), ServeError> {
    start_log();
    let flags = Flags {
        config: args.config,
        data_dir,
        listen: args.listen,
        lab: args.lab,
    };
    let lab_image = args.lab_image;
    let sources = Sources::gather(&flags, std::env::vars())?;
    for warning in &sources.warnings {
        tracing::warn!("{warning}");
    }
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system(
            "could not start the runtime",
            "Raise the limit of threads (ulimit -u).",
        ))?;
    let result = runtime.block_on(run(sources, lab_image));
    // Whatever still waits on a disk must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Each disk and each connection is an open file, and the usual 1024 are few for a LAN party. The
/// hard limit is what the admin allows.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(e) = raised {
        tracing::warn!(error = %e, "the limit of open files stays as it is");
    }
}

async fn run(sources: Sources, lab_image: Option<PathBuf>) -> Result<(), ServeError> {
    let (config, engine) = open_engine(sources)?;
    let stopping = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;

    let planes = Planes::new(engine.clone(), stopping.clone());
    for network in &config.boot {
        planes.start(network.clone());
    }

    let page = TcpListener::bind(config.listen)
        .await
        .map_err(|source| ServeError::Listen {
            address: config.listen,
            source,
        })?;
    let at = page.local_addr().unwrap_or(config.listen);
    let state = AppState {
        engine: engine.clone(),
        started_at: engine::now(),
        stopping: stopping.clone(),
        planes: planes.clone(),
    };
    if let Some(file) = lab_image {
        tokio::spawn(import_lab_image(engine.clone(), file));
    }
    if config.lab {
        // No lab is no reason to have no server: the page says why.
        if let Err(e) = views::lab_up(&state, &engine.as_itself("serve --lab")).await {
            tracing::warn!(error = %e, "the virtual lab is not up");
        }
    }
    let http = TaskTracker::new();
    http.spawn(serve(
        Socket::Tcp(page),
        router(state.clone(), Door::Network),
        stopping.clone(),
    ));
    let socket = config.data_dir.join(SOCKET_NAME);
    match local_socket(&socket) {
        Ok(local) => {
            http.spawn(serve(
                Socket::Unix(local),
                router(state, Door::Local),
                stopping.clone(),
            ));
        }
        Err(e) => tracing::warn!(
            path = %socket.display(), error = %e,
            "no local socket: commands on this box need --server and --token"
        ),
    }
    http.close();
    announce(at, &engine);

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stopping.cancel();
    let ended = async {
        http.wait().await;
        planes.finished().await;
        if let Err(e) = engine.as_itself("stop").lab_down().await {
            tracing::warn!(error = %e, "the virtual lab is not down; the next start sweeps it");
        }
    };
    if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

/// Opens the data directory; the settings saved there complete those of flags and file.
fn open_engine(sources: Sources) -> Result<(Config, Engine), ServeError> {
    // A bad flag or line must not leave a data directory behind.
    sources.resolve(&Saved::new())?;
    let dir = sources.data_dir.clone();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(system(
            format!("could not make the data directory {}", dir.display()),
            "Choose one that you may write with --data DIR.",
        ))?;
    let store = Store::open(&dir.join("nsboot.redb")).map_err(engine::Error::from)?;
    let saved: Vec<SettingRecord> = store
        .read(|tx| tx.list_readable(None))
        .map_err(engine::Error::from)?;
    let saved: Saved = saved.into_iter().map(|s| (s.key, s.value)).collect();
    let config = sources.resolve(&saved)?;
    let engine = Engine::open_on(
        EngineConfig {
            data_dir: dir,
            lab: config.lab,
            admin_password: admin_password()?,
            unknown_clients: config.unknown_clients,
            networks: config.boot.clone(),
        },
        store,
    )?;
    Ok((config, engine))
}

/// `NSBOOT_ADMIN_PASSWORD`, or the first line of the file that `NSBOOT_ADMIN_PASSWORD_FILE` names.
fn admin_password() -> Result<Option<String>, ServeError> {
    if let Ok(password) = std::env::var("NSBOOT_ADMIN_PASSWORD") {
        return Ok(Some(password));
    }
    let Some(path) = std::env::var_os("NSBOOT_ADMIN_PASSWORD_FILE") else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(&path).map_err(system(
        format!("could not read {}", Path::new(&path).display()),
        "NSBOOT_ADMIN_PASSWORD_FILE has to name a file with the password in its first line.",
    ))?;
    Ok(text.lines().next().map(str::to_string))
}

/// Imports the disk of new virtual computers, unless an earlier start did.
async fn import_lab_image(engine: Engine, file: PathBuf) {
    if engine.images().find(SELF_TEST).is_some() {
        return;
    }
    match import(&engine, &file).await {
        Ok(()) => tracing::info!(image = SELF_TEST, "imported the virtual computers' disk"),
        Err(e) => tracing::error!(
            file = %file.display(), error = %e,
            "the virtual computers' disk was not imported; import one as the image `self-test`"
        ),
    }
}

async fn import(engine: &Engine, file: &Path) -> Result<(), engine::Error> {
    let reading = || engine::Error::io(format!("reading {}", file.display()));
    let mut disk = tokio::fs::File::open(file).await.map_err(reading())?;
    let len = disk.metadata().await.map_err(reading())?.len();
    let itself = engine.as_itself("serve --lab-image");
    let mut import = itself.begin_import(SELF_TEST, Some(len)).await?;
    loop {
        let mut piece = bytes::BytesMut::with_capacity(IMPORT_PIECE);
        if disk.read_buf(&mut piece).await.map_err(reading())? == 0 {
            break;
        }
        import.write(piece.freeze()).await?;
    }
    import.finish(None).await.map(drop)
}

/// The socket for commands on this box: whoever may open it is root or our own user.
fn local_socket(path: &Path) -> std::io::Result<UnixListener> {
    // The database is ours alone by now, so a socket that is left is of a server that is gone.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // No moment in which others could open it.
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    let listener = bound?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What a person or a script that started us waits for: where the page is, and how to get in.
fn announce(at: SocketAddr, engine: &Engine) {
    let host = match at.ip().is_unspecified() {
        true => crate::http::views::hostname(),
        false if at.is_ipv6() => format!("[{}]", at.ip()),
        false => at.ip().to_string(),
    };
    let page = format!("http://{host}:{}", at.port());
    let mut out = std::io::stdout().lock();
    // Nobody may read our output: then there is nobody to tell.
    let _ = writeln!(out, "NSBoot {} is at {page}", env!("CARGO_PKG_VERSION"));
    if let Some(code) = engine.users().setup_code() {
        let _ = writeln!(out, "One-time code for the first account: {code}");
        // Behind a #, which browsers keep to themselves.
        let _ = writeln!(out, "Make it at {page}/setup#code={code}");
    }
    let _ = out.flush();
}

/// Lines for people on a terminal, JSON lines with `NSBOOT_LOG_FORMAT=json`; `NSBOOT_LOG` chooses
/// what is told (default `info`).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("NSBOOT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match std::env::var("NSBOOT_LOG_FORMAT").as_deref() {
        Ok("json") => log.json().init(),
        _ => log.init(),
    }
}

fn system(
    what: impl Into<String>,
    hint: &'static str,
) -> impl FnOnce(std::io::Error) -> ServeError {
    let what = what.into();
    move |source| ServeError::System { what, source, hint }
}

fn no_signals(source: std::io::Error) -> ServeError {
    system(
        "could not wait for signals",
        "Report this; it should not happen.",
    )(source)
}
