//! Why a command failed, and the exit code that says so to a script.

use super::render::harmless;
use std::{fmt, process::ExitCode};
use types::Problem;

/// Exit codes; part of the outside contract.
pub mod exit {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const AUTH: u8 = 3;
    pub const NOT_FOUND: u8 = 4;
    pub const CONFLICT: u8 = 5;
    pub const UNREACHABLE: u8 = 6;
    /// Of several things some were done.
    pub const PARTLY_FAILED: u8 = 7;
    /// Ctrl-C: 128 and the signal's number, as shells have it.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server said no.
    #[error("{}", said(.0))]
    Problem(Box<Problem>),
    /// No server answered.
    #[error("{what} {at}: {why} [NSB-CLI-001]. {hint}")]
    Unreachable {
        what: &'static str,
        at: String,
        why: String,
        hint: &'static str,
    },
    /// The command can't be done as written.
    #[error("{what} [{code}]. {hint}")]
    Usage {
        what: String,
        code: &'static str,
        hint: String,
    },
    /// The sign-in that `login` kept is none any more.
    #[error(
        "you are not signed in at {at} [NSB-CLI-009]. Sign in with `nsboot login --server {at}`."
    )]
    SignedOut { at: String },
    /// Something on this side: a file, the output.
    #[error("{what}: {why} [{code}]. {hint}")]
    Local {
        what: String,
        why: String,
        code: &'static str,
        hint: &'static str,
    },
    /// It was begun, and did not end well.
    #[error("{said}")]
    Ended { said: String, exit: u8 },
}

impl CliError {
    /// The exit code of the contract.
    pub fn exit(&self) -> u8 {
        match self {
            CliError::Problem(p) if p.code == "NSB-AUTH-002" => exit::AUTH,
            CliError::Problem(p) => match p.status {
                401 | 403 => exit::AUTH,
                404 => exit::NOT_FOUND,
                409 | 412 => exit::CONFLICT,
                _ => exit::FAILED,
            },
            CliError::Unreachable { .. } => exit::UNREACHABLE,
            CliError::Usage { .. } => exit::USAGE,
            CliError::SignedOut { .. } => exit::AUTH,
            CliError::Local { .. } => exit::FAILED,
            CliError::Ended { exit, .. } => *exit,
        }
    }

    /// The two sides don't understand each other.
    pub fn mismatch(what: &str, why: impl fmt::Display) -> CliError {
        CliError::Local {
            what: what.into(),
            why: why.to_string(),
            code: "NSB-CLI-003",
            hint: "Use the same version of nsboot on both sides.",
        }
    }
}

/// A refusal, with the way out that a command line has.
fn said(problem: &Problem) -> String {
    let title = &problem.title;
    match problem.code.as_str() {
        "NSB-AUTH-001" => format!(
            "{title} [NSB-AUTH-001]. There is no token or sign-in that holds: sign in with `nsboot login --server URL`."
        ),
        "NSB-AUTH-002" => format!(
            "{title} [NSB-AUTH-002]. Name the account with --user where the command takes it, or sign in with `nsboot login --server URL`."
        ),
        _ => match &problem.request_id {
            // The fault is the server's, and its log knows more of it.
            Some(id) if problem.status >= 500 => {
                format!("{problem} The server's log has it under the request id {id}.")
            }
            _ => problem.to_string(),
        },
    }
}

/// Says how it ended: on stderr, and by the exit code.
pub fn told(result: Result<(), CliError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("nsboot: {}", harmless(&e.to_string()));
            ExitCode::from(e.exit())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_exit_codes_of_the_contract() {
        for (status, exit) in [
            (400, 1),
            (401, 3),
            (403, 3),
            (404, 4),
            (409, 5),
            (412, 5),
            (422, 1),
            (500, 1),
        ] {
            let problem = Problem::new(status, "NSB-CLI-004", "no", "none");
            assert_eq!(
                CliError::Problem(Box::new(problem)).exit(),
                exit,
                "{status}"
            );
        }
    }

    #[test]
    fn a_fault_of_the_server_is_said_with_its_request() {
        let of = |status| {
            said(&Problem {
                request_id: Some("r-1".into()),
                ..Problem::new(status, "NSB-X", "no", "Look.")
            })
        };
        assert_eq!(of(404), "no [NSB-X]. Look.");
        assert!(of(500).ends_with("under the request id r-1."));
    }
}
