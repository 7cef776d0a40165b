//! `application`: programs that name themselves with `SO-AppToken`.

use std::process::ExitCode;

use clap::Subcommand;
use data_encoding::HEXLOWER;

use super::{output, output::Failure, secret_input::read_secret};
use crate::security::application_token::{application_digest, is_long_enough};

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
            let secret = read_secret("Secret")?;
            if !is_long_enough(&secret) {
                return Err(Failure::because("the secret must have at least 16 bytes"));
            }
            output::print_result(HEXLOWER.encode(&application_digest(&secret)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
