//! Output of commands: results on standard output, everything else on standard error.

use std::{
    any::Any,
    fmt::{self, Display},
    io::{self, Write},
    process::ExitCode,
};

use serde_json::Value;

use crate::{domain::text::is_hidden_in_text, startup::StartError, telemetry::error_chain};

/// The exit code of a failure that a supervisor must not repeat (`EX_CONFIG` of sysexits.h). The
/// systemd unit names it, too.
const DO_NOT_REPEAT: u8 = 78;

/// The failure of a command, as a message for the operator.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    must_not_repeat: bool,
}

impl Failure {
    /// A failure with this message.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), must_not_repeat: false }
    }

    /// The exit code of the command.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.must_not_repeat { ExitCode::from(DO_NOT_REPEAT) } else { ExitCode::FAILURE }
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &dyn Any = &error;
        let must_not_repeat =
            any.downcast_ref::<StartError>().is_some_and(StartError::must_not_repeat);
        Self { message: error_chain(&error), must_not_repeat }
    }
}

/// Prints a result. A closed pipe, as in `… | head`, is not a failure.
pub(super) fn print_result(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Prints a result that must not be lost: a closed pipe is a failure.
pub(super) fn print_or_fail(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Prints the status of the command on standard error.
pub(super) fn print_status(line: impl Display) {
    // If standard error cannot be written, there is no other place to report it.
    let _ = writeln!(io::stderr(), "credential-keeper: {line}");
}

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Aligned columns.
    Table,
    /// JSON.
    Json,
}

/// Prints rows as a table, or as a JSON list of objects with the names of the heading.
pub(super) fn print_rows<const N: usize>(
    format: Format,
    heading: [&str; N],
    rows: &[[Value; N]],
) -> Result<(), Failure> {
    match format {
        Format::Table => print_table(heading, &rows.iter().map(cell_texts).collect::<Vec<_>>()),
        Format::Json => {
            let objects: Vec<_> = rows.iter().map(|row| json_object(heading, row)).collect();
            print_result(serde_json::to_string_pretty(&objects)?)
        }
    }
}

/// Prints one record, with one member per line.
pub(super) fn print_record<const N: usize>(
    heading: [&str; N],
    row: &[Value; N],
) -> Result<(), Failure> {
    let width = heading.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    heading.iter().zip(cell_texts(row)).try_for_each(|(name, text)| {
        print_result(format!("{name:width$}  {}", printable(&text)).trim_end())
    })
}

/// One record as a JSON object with the names of the heading.
pub(super) fn json_object<const N: usize>(heading: [&str; N], row: &[Value; N]) -> Value {
    let name = |text: &str| text.to_lowercase().replace(' ', "_");
    let members = heading.iter().zip(row);
    Value::Object(members.map(|(heading, value)| (name(heading), value.clone())).collect())
}

fn cell_texts<const N: usize>(row: &[Value; N]) -> [String; N] {
    row.each_ref().map(|value| match value {
        Value::Null => String::new(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    })
}

/// Replaces control and bidirectional characters: a display name must not move the cursor of the
/// operator's terminal or reorder the text next to it.
fn printable(text: &str) -> String {
    text.replace(is_hidden_in_text, "\u{fffd}")
}

/// Prints rows in aligned columns under a heading.
fn print_table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
    let mut widths = heading.map(|cell| cell.chars().count());
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    print_result(line(&mut heading.into_iter()))?;
    rows.iter().try_for_each(|row| print_result(line(&mut row.iter().map(String::as_str))))
}
