//! `passwords`: builds the filter of common passwords.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Subcommand;

use super::output::{self, Failure};
use crate::{domain::encoding::bom_length, security::common_passwords::make_filter};

/// The subcommands of `passwords`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Build the filter from a list with one password per line. `script/common-passwords` uses it
    /// for the filter in the binary.
    Filter {
        /// List of passwords.
        list: PathBuf,
        /// File to write the filter to.
        filter: PathBuf,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Filter { list, filter } = command;
    // Password lists mix encodings. Skip lines that are not UTF-8: the API accepts only Unicode
    // text.
    let bytes = fs::read(list)?;
    let mark =
        bom_length(&bytes).map_err(|error| Failure::new(format!("{} {error}", list.display())))?;
    let lines = bytes.get(mark..).unwrap_or_default().split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    let content =
        make_filter(lines.map(|line| line.trim_end_matches('\r'))).map_err(Failure::new)?;
    fs::write(filter, &content)?;
    output::print_status(format_args!("wrote {}, {} bytes", filter.display(), content.len()));
    Ok(ExitCode::SUCCESS)
}
