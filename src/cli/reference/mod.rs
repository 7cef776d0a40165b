//! `reference`: writes the generated documents of `docs/reference`.

mod audit_events;
mod commands;
mod database_roles;
mod errors;
mod log;
mod markdown;
mod metrics;
mod routes;
mod settings;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;

use super::output::{self, Failure};

/// The arguments of `reference`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Existing folder to write the documents to.
    folder: PathBuf,
}

/// Writes every document. `command` is the description of the command line.
pub(super) fn run(arguments: &Arguments, command: clap::Command) -> Result<ExitCode, Failure> {
    for (name, document) in [
        ("audit-events.md", audit_events::document()),
        ("commands.md", commands::document(command)),
        ("database-roles.md", database_roles::document()),
        ("errors.md", errors::document()),
        ("log.md", log::document()),
        ("log.schema.json", log::schema()?),
        ("metrics.md", metrics::document()?),
        ("routes.md", routes::document()?),
        ("settings.md", settings::document()),
    ] {
        let file = arguments.folder.join(name);
        let failed = |error| Failure::new(format!("cannot write {}: {error}", file.display()));
        fs::write(&file, document).map_err(failed)?;
        output::print_status(format_args!("wrote {}", file.display()));
    }
    Ok(ExitCode::SUCCESS)
}
