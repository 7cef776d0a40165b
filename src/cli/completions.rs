//! `completions`: prints completion scripts for shells.

use std::process::ExitCode;

use clap::Args;
use clap_complete::{Shell, generate};

use super::output::{self, Failure};

/// The arguments of `completions`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Shell to generate the script for.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments, mut command: clap::Command) -> Result<ExitCode, Failure> {
    let name = command.get_name().to_owned();
    // Generate in memory first, because the library panics on a write error.
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    output::print_result(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
