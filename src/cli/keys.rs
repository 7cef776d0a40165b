//! `keys`: generates and lists the keys of the keyring file.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use serde_json::json;

use super::{
    command_context,
    output::{self, Failure, Format},
};
use crate::security::keyring::{Key, Keyring};

/// The subcommands of `keys`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Generate a keyring with one new key. Never overwrites an existing file.
    Generate {
        /// File to write [default: `keyring.file` of the settings].
        #[arg(long)]
        file: Option<PathBuf>,
        /// Print the keyring instead of writing a file, for an external secret store.
        #[arg(long, conflicts_with = "file")]
        stdout: bool,
    },
    /// List the keys, without their secrets.
    List {
        /// File to read [default: `keyring.file` of the settings].
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
            let file = file_or_setting(file)?;
            Keyring::generate(&file)?;
            output::print_status(format_args!(
                "wrote {}; store a copy separately from the database backups",
                file.display()
            ));
        }
        Command::List { file } => {
            let keyring = Keyring::load(&file_or_setting(file)?)?;
            let row = |key: &Key| [json!(key.id()), json!(key.state().as_str())];
            let rows: Vec<_> = keyring.all().iter().map(row).collect();
            output::print_rows(format, ["KEY", "STATE"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn file_or_setting(file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(file) = file {
        return Ok(file);
    }
    command_context::keyring_file()
}
