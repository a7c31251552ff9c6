//! The log: lines for people on a terminal, JSON lines for everything else, on standard error.
//! What is told can be changed while the server runs. Files and rotation are the business of
//! whoever started us.

mod json;
#[cfg(test)]
mod tests;

use engine::{Area, Error};
use json::JsonLines;
use std::{
    io::{IsTerminal, stderr},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::LevelFilter, layer::SubscriberExt, reload,
    util::SubscriberInitExt,
};

/// Target of the spans that carry `request_id` and `boot_id`. No filter switches it off, so that
/// whatever lines are told have them.
pub const CONTEXT: &str = "nsboot::context";

/// Told when nothing else is said.
const DEFAULT: &str = "info";
/// The longest filter, bytes.
const MAX_FILTER: usize = 1024;

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Text,
    Json,
}

impl Format {
    /// `wanted` is `NSBOOT_LOG_FORMAT`; anything but `text` and `json` counts as not set.
    fn choose(wanted: Option<&str>, terminal: bool) -> Format {
        match wanted {
            Some("json") => Format::Json,
            Some("text") => Format::Text,
            _ if terminal => Format::Text,
            _ => Format::Json,
        }
    }
}

/// What the log tells, and the way to change it. Cheap to clone.
#[derive(Clone)]
pub struct LogLevel {
    handle: reload::Handle<EnvFilter, Registry>,
    /// As it was asked for.
    current: Arc<Mutex<String>>,
    /// Held from what was told before to what is told after, so that no change is lost in another.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// A change that can be made. Until then, or until it is dropped, others wait.
pub struct LevelChange {
    level: LogLevel,
    filter: EnvFilter,
    before: String,
    after: String,
    /// Of who asked: the line about the change has their request's id, whatever thread makes it.
    asked: tracing::Span,
    _one: tokio::sync::OwnedMutexGuard<()>,
}

impl LogLevel {
    /// The level in use, and the layer that obeys it.
    fn new(level: &str) -> Result<(LogLevel, impl Layer<Registry> + use<>), String> {
        let (layer, handle) = reload::Layer::new(filter(level)?);
        let current = Arc::new(Mutex::new(level.trim().to_string()));
        let level = LogLevel {
            handle,
            current,
            changing: Arc::default(),
        };
        Ok((level, layer))
    }

    /// Of no log: what is set goes nowhere.
    #[cfg(test)]
    pub fn detached() -> LogLevel {
        LogLevel::new(DEFAULT).expect("a level").0
    }

    /// What is told now, e.g. `info`.
    pub fn get(&self) -> String {
        let current = self.current.lock();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A change to that, until it is changed again or the server ends. Nothing is changed yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] when that is no filter.
    pub async fn prepare(&self, level: &str) -> Result<LevelChange, Error> {
        let filter = filter(level).map_err(|why| Error::invalid(Area::System, "level", why))?;
        let one = self.changing.clone().lock_owned().await;
        Ok(LevelChange {
            level: self.clone(),
            filter,
            before: self.get(),
            after: level.trim().into(),
            asked: tracing::Span::current(),
            _one: one,
        })
    }
}

impl LevelChange {
    /// What is told until it is made.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// Makes it.
    pub fn make(self) {
        let _asked = self.asked.enter();
        if let Err(e) = self.level.handle.reload(self.filter) {
            tracing::error!(error = %e, "the log takes no new level");
            return;
        }
        let current = self.level.current.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = self.after.clone();
        tracing::info!(to = self.after, "the log level was changed");
    }
}

/// Starts the log. `NSBOOT_LOG` says what is told (default `info`), `NSBOOT_LOG_FORMAT` is `text`
/// or `json`; without it a terminal gets text and anything else JSON lines.
pub fn start() -> LogLevel {
    let wanted = std::env::var("NSBOOT_LOG").unwrap_or_default();
    let wanted = match wanted.trim() {
        "" => DEFAULT,
        wanted => wanted,
    };
    let (started, wrong) = match LogLevel::new(wanted) {
        Ok(started) => (Ok(started), None),
        Err(why) => (LogLevel::new(DEFAULT), Some(why)),
    };
    let (level, layer) = started.unwrap_or_else(|e| unreachable!("{DEFAULT} is a level: {e}"));
    let format = std::env::var("NSBOOT_LOG_FORMAT").ok();
    let terminal = stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(layer);
    match Format::choose(format.as_deref(), terminal) {
        Format::Text => {
            let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
            registry.with(lines.with_ansi(terminal)).init();
        }
        Format::Json => {
            registry.with(JsonLines::new(stderr)).init();
            std::panic::set_hook(Box::new(tell_panic));
        }
    }
    if let Some(why) = wrong {
        tracing::warn!(why, "NSBOOT_LOG is not used; the log tells `{DEFAULT}`");
    }
    level
}

/// A panic as a line like every other: whoever reads JSON lines can't read the usual text.
fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let backtrace = std::backtrace::Backtrace::capture();
    let taken = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
    tracing::error!(
        event = "panic",
        at = panic.location().map(tracing::field::display),
        thread = std::thread::current().name(),
        backtrace = taken.then(|| tracing::field::display(&backtrace)),
        "{}",
        panic.payload_as_str().unwrap_or("panicked without a text")
    );
}

/// A filter: levels, and `TARGET=LEVEL`, with commas between. Stricter than `tracing`, for which
/// a level with a slip of the pen is the name of a target and silences all others.
fn filter(text: &str) -> Result<EnvFilter, String> {
    const LEVELS: &str = "error, warn, info, debug, trace or off";
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_FILTER {
        return Err(format!(
            "it is one of {LEVELS}, or a filter such as `engine=debug,info` of at most {MAX_FILTER} bytes"
        ));
    }
    // Spans and their fields may hold commas; what is wrong with those, `tracing` says.
    let plain = !text.contains('[');
    for part in text.split(',').map(str::trim).filter(|_| plain) {
        let level = part.rsplit('=').next().unwrap_or(part);
        if level.is_empty() || level.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "`{part}` is not understood: use {LEVELS}, or TARGET=LEVEL such as engine=debug"
            ));
        }
    }
    let context = format!("{CONTEXT}=error").parse();
    let filter = EnvFilter::builder().parse(text);
    match (filter, context) {
        (Ok(filter), Ok(context)) => Ok(filter.add_directive(context)),
        (Err(e), _) | (_, Err(e)) => Err(format!("`{text}` is not understood: {e}")),
    }
}
