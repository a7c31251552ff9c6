//! Ctrl-C: the terminal gets its echo back, the user hears what goes on without them, and the exit
//! code says so.

use super::{error::exit, question};
use std::{
    process,
    sync::{Mutex, PoisonError},
    thread,
};

/// What goes on though the command ends.
static GOES_ON: Mutex<Option<String>> = Mutex::new(None);

/// Waits for Ctrl-C, on a thread of its own: commands block.
pub fn arm() {
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(tokio::signal::ctrl_c())
    };
    // Without it Ctrl-C still ends the command, only with fewer words.
    let _ = thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || {
            if wait().is_ok() {
                question::restore();
                let note = GOES_ON.lock().unwrap_or_else(PoisonError::into_inner);
                let note = note.as_deref().unwrap_or("");
                eprintln!("\nnsboot: interrupted{note}");
                process::exit(exit::INTERRUPTED.into());
            }
        });
}

/// What an interrupted user is told besides.
pub fn note(text: Option<String>) {
    *GOES_ON.lock().unwrap_or_else(PoisonError::into_inner) = text;
}
