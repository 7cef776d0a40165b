//! `migrate`: applies the migrations that are missing.

use std::process::ExitCode;

use super::{output, output::Failure, session};
use crate::{startup, storage::installation::InstallationKind};

/// Migrates the configured database.
pub(super) async fn run() -> Result<ExitCode, Failure> {
    let settings = session::read_settings()?;
    session::require(settings.problems_of_migrating())?;
    let database = startup::connect_when_ready(&settings, |line| output::complain(line)).await?;
    startup::migrate(&settings, &database, InstallationKind::Production).await?;
    output::say("the database is up to date")?;
    Ok(ExitCode::SUCCESS)
}
