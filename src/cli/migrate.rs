//! `migrate`: applies pending database migrations.

use std::process::ExitCode;

use clap::Args;

use super::{command_context, output, output::Failure};
use crate::{startup, storage::installation::InstallationKind};

/// The arguments of `migrate`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Change nothing; exit 1 if migrations are pending. Works with the role of the service, and
    /// does not wait for the database.
    #[arg(long)]
    check: bool,
}

/// Migrates the configured database.
pub(super) async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let settings = command_context::read_settings()?;
    command_context::require(settings.problems_of_migrating())?;
    if arguments.check {
        startup::require_migrations(&startup::connect(&settings).await?).await?;
    } else {
        let database =
            startup::connect_when_ready(&settings, |line| output::print_status(line)).await?;
        startup::migrate(&settings, &database, InstallationKind::Production).await?;
    }
    output::print_result("the database is up to date")?;
    Ok(ExitCode::SUCCESS)
}
