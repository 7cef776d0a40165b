//! `config check`: checks the settings and prints all problems.

use std::process::ExitCode;

use clap::Subcommand;

use super::{output, output::Failure};
use crate::{
    configuration::{self, Settings},
    startup,
};

/// The subcommands of `config`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Check the settings and the files that they name, as `serve` does, and print all problems.
    Check {
        /// Also print the effective settings as TOML, without secrets. Problems are printed as
        /// comments.
        #[arg(long)]
        show: bool,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Check { show } = command;
    let mut effective = None;
    let problems = match Settings::from_environment() {
        Err(problems) => problems.0,
        Ok(settings) => {
            effective = show.then(configuration::effective_settings).transpose()?;
            let mut problems = settings.problems_of_serving();
            problems.extend(startup::problems_of_files(&settings));
            problems
        }
    };
    if let Some(effective) = &effective {
        output::print_result(format_args!("{effective}\n"))?;
    }
    // The complete output of `--show` is a valid TOML file.
    let prefix = if *show { "# " } else { "" };
    for problem in &problems {
        output::print_result(format_args!("{prefix}{problem}"))?;
    }
    if problems.is_empty() {
        output::print_result(format_args!("{prefix}the settings are valid"))?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
