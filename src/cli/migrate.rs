//! `migrate`: applies pending database migrations.

use std::process::ExitCode;

use super::{command_context, output, output::Failure};
use crate::{startup, storage::installation::InstallationKind};

/// Migrates the configured database.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let settings = command_context::read_settings()?;
    command_context::require(settings.problems_of_migrating())?;
    let database =
        startup::connect_when_ready(&settings, |line| output::print_status(line)).await?;
    startup::migrate(&settings, &database, InstallationKind::Production).await?;
    output::print_result("the database is up to date")?;
    Ok(ExitCode::SUCCESS)
}
