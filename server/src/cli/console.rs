//! What every command is given: the server, and how the user wants things done and shown. Data goes
//! to stdout; remarks, questions and progress to stderr.

use super::{
    CliError, Manner, Output,
    address::Query,
    connect::{Change, Server},
    error::exit,
    question, render,
};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    time::Duration,
};
use types::{JobUnit, ListView};

/// Page size of lists.
const PAGE: usize = 500;
/// How often a progress bar moves though nothing is heard.
const TICK: Duration = Duration::from_millis(120);

/// The server and the user's wishes.
pub struct Console {
    pub server: Server,
    manner: Manner,
}

impl Console {
    pub fn new(server: Server, manner: &Manner) -> Console {
        Console {
            server,
            manner: manner.clone(),
        }
    }

    /// Whether changes are only told.
    pub fn is_dry(&self) -> bool {
        self.manner.dry_run
    }

    /// How to print what is found.
    pub fn output(&self) -> Output {
        self.manner.output
    }

    /// Whether to wait for jobs.
    pub fn waits(&self) -> bool {
        self.manner.wait
    }

    /// What was found, as the user wants it.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn print<T: Serialize>(
        &self,
        value: &T,
        table: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        let unprintable = |e| CliError::mismatch("could not print the answer", e);
        let text = match self.manner.output {
            Output::Table => render::harmless(&table()),
            Output::Json => serde_json::to_string_pretty(value).map_err(unprintable)?,
            Output::Yaml => {
                let value = serde_json::to_value(value).map_err(unprintable)?;
                render::yaml(&value)
            }
        };
        self.write(format!("{}\n", text.trim_end()).as_bytes())
    }

    /// Bytes for stdout as they are.
    ///
    /// # Errors
    /// When the output can't be written; that nobody reads any more is no failure.
    pub fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        written(out.write_all(bytes).and_then(|()| out.flush()))
    }

    /// A remark.
    pub fn say(&self, text: &str) {
        if !self.manner.quiet {
            eprintln!("{}", render::harmless(text));
        }
    }

    /// Every page of a list.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CliError> {
        self.some(path, usize::MAX)
    }

    /// The first so many of a list.
    ///
    /// # Errors
    /// As [`Server::get`].
    pub fn some<T: DeserializeOwned>(&self, path: &str, most: usize) -> Result<Vec<T>, CliError> {
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let limit = (most - items.len()).min(PAGE);
            let mut query = Query::of(path);
            query.put("limit", Some(limit.to_string()));
            query.put("cursor", cursor.take());
            let page: ListView<T> = self.server.get(&query.path())?;
            items.extend(page.items);
            match page.next {
                Some(next) if items.len() < most => cursor = Some(next),
                _ => return Ok(items),
            }
        }
    }

    /// Makes a change and gives its answer; None when it was only told.
    ///
    /// # Errors
    /// As [`Server::change`].
    pub fn change<T: DeserializeOwned>(&self, change: Change) -> Result<Option<T>, CliError> {
        if self.manner.dry_run {
            return self.tell(&change).map(|()| None);
        }
        self.server.change(&change).map(Some)
    }

    /// Makes a change whose answer does not matter; false when it was only told.
    ///
    /// # Errors
    /// As [`Server::act`].
    pub fn act(&self, change: Change) -> Result<bool, CliError> {
        if self.manner.dry_run {
            return self.tell(&change).map(|()| false);
        }
        self.server.act(&change).map(|()| true)
    }

    /// What would be sent.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn tell(&self, change: &Change) -> Result<(), CliError> {
        let body = change.shown();
        let plan = json!({
            "method": change.method,
            "path": change.path,
            "if_match": change.if_match,
            "body": body,
        });
        self.print(&plan, || {
            let mut text = format!("{} {}\n", change.method, change.path);
            if let Some(revision) = change.if_match {
                text += &format!("If-Match: \"{revision}\"\n");
            }
            match &body {
                Value::Null => text,
                body => text + &format!("{body:#}\n"),
            }
        })
    }

    /// Removes things one by one. Several need a yes, and go on past one that is refused.
    ///
    /// # Errors
    /// The refusal of a single one; for several whether some or all were refused.
    pub fn remove(
        &self,
        noun: (&str, &str),
        names: &[String],
        change: impl Fn(&str) -> Change,
    ) -> Result<(), CliError> {
        let (one, many) = noun;
        let several = names.len() > 1;
        if several {
            self.confirm(&format!("Remove {} {many}?", names.len()))?;
        }
        let mut codes = Vec::new();
        for name in names {
            match self.act(change(name)) {
                Ok(true) => self.say(&format!("Removed the {one} {name}.")),
                Ok(false) => {}
                Err(e @ CliError::Problem(_)) if several => {
                    let said = format!("{name}: {e}");
                    eprintln!("nsboot: {}", render::harmless(&said));
                    codes.push(e.exit());
                }
                Err(e) => return Err(e),
            }
        }
        let refused = codes.len();
        let exit = match codes.first() {
            None => return Ok(()),
            Some(_) if refused < names.len() => exit::PARTLY_FAILED,
            Some(first) if codes.iter().all(|c| c == first) => *first,
            Some(_) => exit::FAILED,
        };
        Err(CliError::Ended {
            said: format!("{refused} of {} {many} were not removed", names.len()),
            exit,
        })
    }

    /// Asks for a yes, unless it was given or nothing will be done.
    ///
    /// # Errors
    /// When the answer is no, or nobody is there to ask.
    pub fn confirm(&self, what: &str) -> Result<(), CliError> {
        self.confirm_after(|| Ok(what.to_string()))
    }

    /// As [`Console::confirm`], with a question for which the server is asked first.
    ///
    /// # Errors
    /// Those too that the question met.
    pub fn confirm_after(
        &self,
        what: impl FnOnce() -> Result<String, CliError>,
    ) -> Result<(), CliError> {
        if self.manner.yes || self.manner.dry_run {
            return Ok(());
        }
        let what = render::harmless(&what()?);
        if !question::can_ask() {
            return Err(CliError::Usage {
                what: format!("{what} Nobody can be asked, as stdin is no terminal"),
                code: "NSB-CLI-007",
                hint: "Say --yes to do it, or --dry-run to see what it would do.".into(),
            });
        }
        match question::line(&format!("{what} [y/N] "))?.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(CliError::Local {
                what: "nothing was done".into(),
                why: "it was not confirmed".into(),
                code: "NSB-CLI-008",
                hint: "Answer y, or say --yes.",
            }),
        }
    }

    /// A progress bar on stderr, gone when it ends; it shows only on a terminal.
    pub fn progress(&self, unit: JobUnit, total: Option<u64>) -> ProgressBar {
        if self.manner.quiet {
            return ProgressBar::hidden();
        }
        let style = match unit {
            JobUnit::Bytes => {
                "{msg} {bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
            }
            JobUnit::Items => "{msg} {bar:30} {pos}/{len} {elapsed}",
        };
        let style = ProgressStyle::with_template(style);
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        bar.with_finish(ProgressFinish::AndClear)
    }

    /// Whether lines take the place of a bar: there is no terminal, and the user wants to hear.
    pub fn tells_lines(&self, bar: &ProgressBar) -> bool {
        bar.is_hidden() && !self.manner.quiet
    }
}

/// Nobody reads any more: `nsboot client ls | head -3` is no failure.
pub fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Local {
            what: "could not print".into(),
            why: e.to_string(),
            code: "NSB-CLI-006",
            hint: "Look at where the output goes.",
        }),
        _ => Ok(()),
    }
}
