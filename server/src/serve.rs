//! `nsboot serve`, from top to bottom: settings, engine, boot planes, HTTP, signals, end.

use crate::{
    apply::Surroundings,
    cli::{SOCKET_NAME, ServeArgs},
    http::{
        AppState, Door,
        front::Front,
        limit::{self, Limits},
        listener::{Socket, serve},
        metrics::Metrics,
        router, views,
    },
    log::{self, LogLevel},
    notify,
    planes::Planes,
    tasks::Tasks,
};
use engine::{
    Engine, EngineConfig, Sources,
    lab::SELF_TEST,
    settings::{ConfigError, Flags},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    convert::Infallible,
    io::Write,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::UnixListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// What is read of a disk at a time, bytes.
const IMPORT_PIECE: usize = 1 << 20;
/// From the signal until what has not ended is left alone.
const STOP_LIMIT: Duration = Duration::from_secs(6);
/// What may then still hold the process: a thread that waits on a disk. Together less than 8 s.
const LEFT_ALONE: Duration = Duration::from_secs(1);

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
    let log_level = log::start();
    let flags = Flags {
        config: args.config,
        data_dir,
        listen: args.listen,
        lab: args.lab,
    };
    let lab_image = args.lab_image;
    let (data_dir, sources) = Sources::gather(&flags, std::env::vars())?;
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
    let result = runtime.block_on(run(data_dir, sources, lab_image, log_level));
    runtime.shutdown_timeout(LEFT_ALONE);
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

async fn run(
    data_dir: PathBuf,
    sources: Sources,
    lab_image: Option<PathBuf>,
    log_level: LogLevel,
) -> Result<(), ServeError> {
    let engine = open_engine(data_dir, sources)?;
    let stopping = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;

    let tasks = Tasks::new(stopping.clone());
    fold_boots(&tasks, &engine);
    watch_files(&tasks, &engine);
    watch_overlays(&tasks, &engine);
    watch_storage(&tasks, &engine);
    let planes = Planes::new(engine.clone(), tasks.clone());
    let values = engine.settings().values();
    for network in &values.boot {
        planes.start(network.clone());
    }

    let front = front(&engine).await?;
    let at = front.address();
    let state = AppState {
        engine: engine.clone(),
        started_at: engine::now(),
        stopping: stopping.clone(),
        planes: planes.clone(),
        tasks: tasks.clone(),
        metrics: Metrics::new(engine.clone(), tasks.clone()),
        log_level,
        limits: limits(&tasks, &engine),
    };
    if let Some(file) = lab_image {
        bring_lab_image(&tasks, &engine, file);
    }
    if values.lab {
        // No lab is no reason to have no server: the page says why.
        if let Err(e) = views::lab_up(&state, &engine.as_itself("serve --lab")).await {
            tracing::warn!(error = %e, "the virtual lab is not up");
        }
    }
    // Before the first request: a change must be able to take effect.
    let surroundings = Surroundings {
        front: front.clone(),
        planes,
    };
    keep_settings(&tasks, &engine, surroundings);
    serve_page(&tasks, &front, &state);
    let socket = engine.config().data_dir.join(SOCKET_NAME);
    serve_local(&tasks, &socket, &state);
    announce(at, &engine);
    notify::ready();
    notify::keep_watchdog_fed(&tasks, &engine);

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify::stopping();
    tracing::info!("stopping");
    stopping.cancel();
    end(&tasks, &engine).await;
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

/// What the daemons see becomes the boots that the page shows.
fn fold_boots(tasks: &Tasks, engine: &Engine) {
    let boots = engine.boots().clone();
    tasks.spawn("boot-timelines", move |stop| {
        let boots = boots.clone();
        async move {
            boots.fold(stop.cancelled()).await;
            Ok::<(), Infallible>(())
        }
    });
}

/// Limits hold, and what is nearly full is told.
fn watch_overlays(tasks: &Tasks, engine: &Engine) {
    let boots = engine.boots().clone();
    tasks.spawn("overlays", move |stop| {
        let boots = boots.clone();
        async move {
            boots.watch_overlays(stop.cancelled()).await;
            Ok::<(), Infallible>(())
        }
    });
}

/// Space is watched, snapshots are taken when they are due, and what is offered is told and kept right.
fn watch_storage(tasks: &Tasks, engine: &Engine) {
    let capacity = engine.capacity().clone();
    tasks.spawn("storage-capacity", move |stop| {
        let capacity = capacity.clone();
        async move {
            capacity.watch(stop.cancelled()).await;
            Ok::<(), Infallible>(())
        }
    });
    let here = engine.clone();
    tasks.spawn("snapshots", move |stop| {
        let engine = here.clone();
        async move {
            engine.schedule().watch(&engine, stop.cancelled()).await;
            Ok::<(), Infallible>(())
        }
    });
    let boots = engine.boots().clone();
    tasks.spawn("disk-exports", move |stop| {
        let boots = boots.clone();
        async move {
            tokio::join!(
                boots.tell_exports(stop.cancelled()),
                boots.mend_exports(stop.cancelled()),
            );
            Ok::<(), Infallible>(())
        }
    });
}

/// Whether the files of boot entries are there.
fn watch_files(tasks: &Tasks, engine: &Engine) {
    let (entries, loaders) = (engine.entries().clone(), engine.loaders().clone());
    tasks.spawn("boot-files", move |stop| {
        let (entries, loaders) = (entries.clone(), loaders.clone());
        async move {
            entries.watch_files(&loaders, stop.cancelled()).await;
            Ok::<(), Infallible>(())
        }
    });
}

/// How often callers may ask, and the task that forgets those who were quiet, and old keys of requests.
fn limits(tasks: &Tasks, engine: &Engine) -> Limits {
    let limits = Limits::new();
    let (kept, engine) = (limits.clone(), engine.clone());
    tasks.spawn("request-limits", move |stop| {
        let (limits, keys) = (kept.clone(), engine.idempotency().clone());
        async move {
            let mut due = tokio::time::interval(limit::FORGET);
            while stop.run_until_cancelled(due.tick()).await.is_some() {
                limits.forget();
                keys.forget_old();
            }
            Ok::<(), Infallible>(())
        }
    });
    limits
}

/// Waits until all has ended, for a while.
async fn end(tasks: &Tasks, engine: &Engine) {
    let ended = async {
        tasks.finished().await;
        // What daemons saw while they ended.
        engine.boots().fold(std::future::ready(())).await;
        if let Err(e) = engine.as_itself("stop").lab_down().await {
            tracing::warn!(error = %e, "the virtual lab is not down; the next start sweeps it");
        }
    };
    if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
}

/// Opens the data directory; the settings saved there complete those of flags and file.
fn open_engine(data_dir: PathBuf, sources: Sources) -> Result<Engine, ServeError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data_dir)
        .map_err(system(
            format!("could not make the data directory {}", data_dir.display()),
            "Choose one that you may write with --data DIR.",
        ))?;
    let config = EngineConfig {
        data_dir,
        admin_password: admin_password()?,
        sources,
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
    };
    Ok(Engine::open(config)?)
}

/// Opens the page's listener. A saved address that is gone, with its cable or its network, must not
/// keep the page away: then it is where it would be if nothing were saved.
async fn front(engine: &Engine) -> Result<Front, ServeError> {
    let wanted = engine.settings().values().listen;
    let error = match Front::open(wanted).await {
        Ok(front) => return Ok(front),
        Err(e) => e,
    };
    let fallback = engine.settings().without_saved()?.listen;
    let failed = |address| move |source| ServeError::Listen { address, source };
    if fallback == wanted {
        return Err(failed(wanted)(error));
    }
    tracing::warn!(%wanted, %error, %fallback, "cannot listen on the saved address; the page is elsewhere");
    Front::open(fallback).await.map_err(failed(fallback))
}

/// Lets changes of settings take effect, and takes back those on trial that nobody confirms.
fn keep_settings(tasks: &Tasks, engine: &Engine, surroundings: Surroundings) {
    engine.settings().attach(Arc::new(surroundings));
    let settings = engine.settings().clone();
    tasks.spawn("settings-trials", move |stop| {
        let settings = settings.clone();
        async move {
            stop.run_until_cancelled(settings.end_trials()).await;
            Ok::<(), Infallible>(())
        }
    });
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

/// Serves page, REST and WebSocket on the network.
fn serve_page(tasks: &Tasks, front: &Front, state: &AppState) {
    let (front, state) = (front.clone(), state.clone());
    tasks.spawn("http", move |stop| {
        let (front, router) = (front.clone(), router(state.clone(), Door::Network));
        async move {
            front.serve(router, stop).await;
            Ok::<(), Infallible>(())
        }
    });
}

/// Serves the commands that are typed on this box.
fn serve_local(tasks: &Tasks, path: &Path, state: &AppState) {
    let first = match local_socket(path) {
        Ok(listener) => Mutex::new(Some(listener)),
        Err(e) => {
            tracing::warn!(
                path = %path.display(), error = %e,
                "no local socket: commands on this box need --server and --token"
            );
            return;
        }
    };
    let (path, state) = (path.to_path_buf(), state.clone());
    tasks.spawn("local-socket", move |stop| {
        let bound = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let router = router(state.clone(), Door::Local);
        let path = path.clone();
        async move {
            let listener = match bound {
                Some(listener) => listener,
                None => local_socket(&path)?,
            };
            serve(Socket::Unix(listener), router, stop).await;
            Ok::<(), std::io::Error>(())
        }
    });
}

fn bring_lab_image(tasks: &Tasks, engine: &Engine, file: PathBuf) {
    let engine = engine.clone();
    tasks.spawn("lab-image", move |stop| {
        import_lab_image(engine.clone(), file.clone(), stop)
    });
}

/// Imports the disk of new virtual computers, unless an earlier start did.
async fn import_lab_image(
    engine: Engine,
    file: PathBuf,
    stop: CancellationToken,
) -> Result<(), String> {
    if engine.images().find(SELF_TEST).is_some() {
        return Ok(());
    }
    let imported = tokio::select! {
        _ = stop.cancelled() => return Ok(()),
        imported = import(&engine, &file) => imported,
    };
    imported.map_err(|e| {
        format!(
            "the virtual computers' disk {} was not imported: {e}; import one as the image `{SELF_TEST}`",
            file.display()
        )
    })?;
    tracing::info!(image = SELF_TEST, "imported the virtual computers' disk");
    Ok(())
}

async fn import(engine: &Engine, file: &Path) -> Result<(), engine::Error> {
    let reading = || engine::Error::io(format!("reading {}", file.display()));
    let mut disk = tokio::fs::File::open(file).await.map_err(reading())?;
    let len = disk.metadata().await.map_err(reading())?.len();
    let itself = engine.as_itself("serve --lab-image");
    let mut import = itself
        .begin_import(engine::images::NewImport::new(SELF_TEST, Some(len)))
        .await?;
    loop {
        let mut piece = bytes::BytesMut::with_capacity(IMPORT_PIECE);
        if disk.read_buf(&mut piece).await.map_err(reading())? == 0 {
            break;
        }
        import.write(piece.freeze()).await?;
    }
    import.finish().await.map(drop)
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
