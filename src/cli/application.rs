//! `application`: manages the applications that send `SO-AppToken`.

use std::process::ExitCode;

use clap::Subcommand;
use data_encoding::HEXLOWER;

use super::{output, output::Failure, secret_input::read_secret};
use crate::security::application_token::{application_digest, is_long_enough};

/// The subcommands of `application`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Read an application's secret and print its digest for `installation.applications`.
    Digest,
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Digest => {
            let secret = read_secret("Secret")?;
            if !is_long_enough(&secret) {
                return Err(Failure::new("the secret is too short; use at least 16 bytes"));
            }
            output::print_result(HEXLOWER.encode(&application_digest(&secret)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
