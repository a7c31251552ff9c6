//! What the program says of itself, without any server: version, REST description, completions,
//! manual pages.

use super::{Cli, CliError, console::Console};
use clap::CommandFactory;
use serde_json::json;
use std::{fs, path::Path};

/// Name and version.
///
/// # Errors
/// When the output can't be written.
pub fn version(console: &Console) -> Result<(), CliError> {
    let version = env!("CARGO_PKG_VERSION");
    console.print(&json!({ "version": version }), || {
        format!("nsboot {version}")
    })
}

/// The description of REST as this version serves it: JSON, also as the table.
///
/// # Errors
/// When the output can't be written.
pub fn openapi(console: &Console) -> Result<(), CliError> {
    let api = crate::http::api::openapi();
    let text = serde_json::to_string_pretty(api)
        .map_err(|e| CliError::mismatch("could not print the description", e))?;
    console.print(api, || text)
}

/// A completion script.
///
/// # Errors
/// When the output can't be written.
pub fn completion(shell: clap_complete::Shell, console: &Console) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nsboot", &mut script);
    console.write(&script)
}

/// One manual page a command, into a folder.
///
/// # Errors
/// When the folder can't be written.
pub fn man(folder: &Path, console: &Console) -> Result<(), CliError> {
    let write = || {
        fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Cli::command(), folder)
    };
    write().map_err(|e: std::io::Error| CliError::Local {
        what: format!("could not write to {}", folder.display()),
        why: e.to_string(),
        code: "NSB-CLI-014",
        hint: "Name a folder that you may write.",
    })?;
    console.say(&format!("Wrote the manual pages to {}.", folder.display()));
    Ok(())
}
