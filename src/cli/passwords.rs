//! `passwords`: the list of those that are tried first.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Subcommand;

use super::output::{self, Failure};
use crate::{domain::encoding::length_of_mark, security::common_passwords::make_filter};

/// The subcommands of `passwords`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes the filter that is compiled in from a list with one password in each line; for
    /// `script/common-passwords`.
    Filter {
        /// The list.
        list: PathBuf,
        /// The filter's file.
        filter: PathBuf,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let Command::Filter { list, filter } = command;
    // Lists have bytes of every charset; what is no UTF-8 nobody could type here.
    let bytes = fs::read(list)?;
    let mark = length_of_mark(&bytes)
        .map_err(|error| Failure::because(format!("{} {error}", list.display())))?;
    let lines = bytes.get(mark..).unwrap_or_default().split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    let made =
        make_filter(lines.map(|line| line.trim_end_matches('\r'))).map_err(Failure::because)?;
    fs::write(filter, &made)?;
    output::print_status(format_args!("wrote {}, {} bytes", filter.display(), made.len()));
    Ok(ExitCode::SUCCESS)
}
