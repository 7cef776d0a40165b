//! `completions`: what a shell needs to complete commands.

use std::{io, process::ExitCode};

use clap::Args;
use clap_complete::{Shell, generate};

/// The arguments of `completions`.
#[derive(Args)]
pub(super) struct Arguments {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, mut command: clap::Command) -> ExitCode {
    let name = command.get_name().to_owned();
    generate(arguments.shell, &mut command, name, &mut io::stdout());
    ExitCode::SUCCESS
}
