//! Converts an input into lines of the import format, without a database.

use std::{ops::ControlFlow, process::ExitCode};

use clap::Args;

use super::{arguments::InputArguments, results::DroppedNames};
use crate::{
    cli::output::{self, Failure},
    domain::text::is_hidden_in_text,
    service::import::file::{
        entry::{Content, Entry, Problem},
        input::Input,
        reading::check,
    },
};

/// The arguments of `convert`.
#[derive(Args)]
pub(in crate::cli) struct ConvertArguments {
    #[command(flatten)]
    input: InputArguments,
}

/// Prints each entry as a line; on standard error, what is not converted.
pub(in crate::cli) fn run(arguments: &ConvertArguments) -> Result<ExitCode, Failure> {
    let format = arguments.input.format()?;
    let source = arguments.input.source();
    let repeated = check(&format, &source)?;
    let input = Input::open_text(&source)?;
    let mut dropped_names = DroppedNames::default();
    let mut printed = Ok(());
    let mut has_failures = false;
    let read = format.read(input, &mut |mut entry| {
        repeated.mark(&mut entry);
        let Entry { number, name, content, dropped } = entry;
        dropped_names.count(dropped);
        let name = name.map(|name| format!(" ({})", name.replace(is_hidden_in_text, "\u{fffd}")));
        let entry = format!("{} {number}{}", format.unit(), name.unwrap_or_default());
        let mut print_failed = |problem: Problem| {
            has_failures = true;
            let Problem { field, reason } = problem;
            output::print_status(format_args!("{entry}: failed: {field} {reason}"));
        };
        match content {
            Content::Line(line) => {
                printed = output::print_or_fail(String::from_utf8_lossy(&line));
            }
            Content::Invalid(problem) => print_failed(problem),
            Content::Repeated { other } => {
                print_failed(Problem::repeated(format.unit(), other));
            }
            Content::Skipped(reason) => {
                output::print_status(format_args!("{entry}: skipped: {reason}"));
            }
            Content::None => {}
        }
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    dropped_names.print();
    printed?;
    read?;
    Ok(if has_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
