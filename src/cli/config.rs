//! `config check`: every problem of the settings at once.

use std::process::ExitCode;

use clap::Subcommand;

use super::{output, output::Failure};
use crate::{
    configuration::{Problem, Settings},
    startup,
};

/// The subcommands of `config`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Checks the settings as `serve` would read them, and the files they name.
    Check {
        /// Print the settings too, without secrets.
        #[arg(long)]
        show: bool,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Check { show } = command;
    let problems = match Settings::from_environment() {
        Err(problems) => problems.0,
        Ok(settings) => {
            if *show {
                output::print_result(format_args!("{settings:#?}"))?;
            }
            let mut problems = settings.problems_of_serving();
            problems.extend(startup::problems_of_files(&settings));
            problems
        }
    };
    for problem in &problems {
        output::print_result(problem)?;
    }
    conclude(&problems)
}

fn conclude(problems: &[Problem]) -> Result<ExitCode, Failure> {
    if problems.is_empty() {
        output::print_result("the settings are valid")?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
