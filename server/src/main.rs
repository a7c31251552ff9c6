//! The `nsboot` binary: the command line, and the server behind `nsboot serve`.

mod apply;
mod cli;
mod http;
mod log;
mod nbd;
mod notify;
mod observer;
mod planes;
mod serve;
mod tasks;

use clap::{CommandFactory, Parser, error::ErrorKind};
use cli::{Cli, Command, exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Cli {
        command,
        reach,
        manner,
    } = Cli::parse();
    let Command::Serve(args) = command else {
        return cli::run(command, &reach, &manner);
    };
    if manner.dry_run {
        let what = "`serve` changes nothing that could be shown first: leave `--dry-run` out";
        Cli::command()
            .error(ErrorKind::ArgumentConflict, what)
            .exit();
    }
    match serve::main(args, reach.data) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("nsboot: {e}");
            ExitCode::from(match e {
                serve::ServeError::Config(_) => exit::USAGE,
                _ => exit::FAILED,
            })
        }
    }
}
