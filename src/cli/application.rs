//! `application`: programs that name themselves with `SO-AppToken`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{output, output::Failure, secret_input::read_secret};
use crate::security::application_token::application_digest;

/// The subcommands of `application`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Reads an application's secret and prints its digest for `installation.applications`.
    Digest,
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Digest => {
            let digest = application_digest(&read_secret("Secret")?);
            let digits: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            output::say(digits.concat())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
