//! `keys`: the keyring file.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use serde_json::json;

use super::{
    command_context,
    output::{self, Failure, Format},
};
use crate::security::keyring::Keyring;

/// The subcommands of `keys`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes a keyring with one new key; never touches an existing one.
    Generate {
        /// Where to; without it, the file of the settings.
        #[arg(long)]
        file: Option<PathBuf>,
        /// Print it instead, for systems that keep secrets elsewhere.
        #[arg(long, conflicts_with = "file")]
        stdout: bool,
    },
    /// Lists the keys, without their secrets.
    List {
        /// Which file; without it, the one of the settings.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::Generate { stdout: true, .. } => {
            output::print_result(Keyring::generate_text()?.trim_end())?;
        }
        Command::Generate { file, .. } => {
            let file = named(file)?;
            Keyring::generate(&file)?;
            output::print_status(format_args!(
                "wrote {}; keep a copy apart from the database's backups",
                file.display()
            ));
        }
        Command::List { file } => {
            let keyring = Keyring::load(&named(file)?)?;
            let row = |key: &crate::security::keyring::Key| {
                [json!(key.id()), json!(key.state().as_str())]
            };
            let rows: Vec<_> = keyring.all().iter().map(row).collect();
            output::rows(format, ["KEY", "STATE"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named(file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(file) = file {
        return Ok(file);
    }
    command_context::keyring_file()
}
