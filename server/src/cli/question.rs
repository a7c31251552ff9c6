//! Questions to the user: on the terminal when stdin is one, else answers are lines of stdin.
//! Secrets are read without echo, and never taken from arguments, which everybody on the box sees.

use super::CliError;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

/// The terminal as it was before its echo was taken away.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether somebody sits there.
pub fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// One line; the question is put only to somebody who sits there.
///
/// # Errors
/// When there is no line.
pub fn line(question: &str) -> Result<String, CliError> {
    if can_ask() {
        eprint!("{question}");
        // A terminal that takes no question takes no answer either, and that is told.
        let _ = io::stderr().flush();
    }
    let mut text = String::new();
    match io::stdin().lock().read_line(&mut text) {
        Ok(0) => Err(unanswered(question, "the input ended")),
        Err(e) => Err(unanswered(question, &e.to_string())),
        Ok(_) => {
            // Spaces are part of a password.
            let kept = text.trim_end_matches(['\n', '\r']).len();
            text.truncate(kept);
            Ok(text)
        }
    }
}

/// One line that is not shown.
///
/// # Errors
/// As [`line`].
pub fn secret(question: &str) -> Result<String, CliError> {
    if !can_ask() {
        return line(question);
    }
    hide().map_err(|e| unanswered(question, &e.to_string()))?;
    let answer = line(question);
    restore();
    // The user's own line break was not shown.
    eprintln!();
    answer
}

/// A new password; somebody who can't see it types it twice.
///
/// # Errors
/// As [`line`], and when the two differ.
pub fn new_password(question: &str) -> Result<String, CliError> {
    let first = secret(question)?;
    if can_ask() && secret("Again: ")? != first {
        return Err(CliError::Usage {
            what: "the two passwords differ".into(),
            code: "NSB-CLI-011",
            hint: "Try again; nothing was changed.".into(),
        });
    }
    Ok(first)
}

fn hide() -> nix::Result<()> {
    let shown = tcgetattr(io::stdin())?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden)
}

/// Gives the terminal its echo back, if it was taken.
pub fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(shown) = before {
        // Nothing can be done for a terminal that is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &shown);
    }
}

fn unanswered(question: &str, why: &str) -> CliError {
    CliError::Usage {
        what: format!("there is no answer to `{}`: {why}", question.trim()),
        code: "NSB-CLI-012",
        hint: "Type it on a terminal, or give it as a line on stdin.".into(),
    }
}
