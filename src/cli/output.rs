//! Output of commands: results on standard output, everything else on standard error.

use std::{
    any::Any,
    fmt::{self, Display, Write as _},
    io::{self, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use serde_json::Value;

use super::{
    table::{records, table},
    terminal::{FAILURE, View, paint_for_stderr},
};
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

/// Prints lines as they are; false when the pipe is closed, as in `… | head`.
pub(super) fn print_lines(text: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        printed => Ok(printed.map(|()| true)?),
    }
}

/// Prints a result that must not be lost: a closed pipe is a failure.
pub(super) fn print_or_fail(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// As [`print_or_fail`], with lines that end with a line feed.
pub(super) fn print_all_or_fail(lines: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines)?;
    Ok(stdout.flush()?)
}

/// Prints the status of the command on standard error.
pub(super) fn print_status(line: impl Display) {
    // If standard error cannot be written, there is no other place to report it.
    let _ = writeln!(io::stderr(), "credential-keeper: {line}");
}

/// Prints the failure of the command on standard error.
pub(super) fn print_failure(failure: &Failure) {
    let name = paint_for_stderr(FAILURE, "credential-keeper:");
    let _ = writeln!(io::stderr(), "{name} {failure}");
}

/// Prints a text for people on standard error, without the name of the program.
pub(super) fn print_text(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Aligned columns.
    Table,
    /// JSON.
    Json,
}

/// The format of a report that can also be settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// A table.
    Table,
    /// TOML, for the settings file.
    Toml,
    /// JSON.
    Json,
}

impl ReportFormat {
    /// The format of `--format`, or else of `--json`.
    pub(super) fn choose(chosen: Option<Self>, format: Format) -> Self {
        chosen.unwrap_or(match format {
            Format::Table => Self::Table,
            Format::Json => Self::Json,
        })
    }
}

/// Prints rows as a table, or as a JSON list of objects with the names of the heading.
pub(super) fn print_rows<const N: usize>(
    format: Format,
    heading: [&str; N],
    rows: &[[Value; N]],
) -> Result<(), Failure> {
    match format {
        Format::Table => {
            let rows: Vec<_> = rows.iter().map(cell_texts).collect();
            table(heading, &rows, View::of_stdout()).iter().try_for_each(print_result)
        }
        Format::Json => {
            print_json(&rows.iter().map(|row| json_object(heading, row)).collect::<Value>())
        }
    }
}

/// Prints one record, with one member per line.
pub(super) fn print_record<const N: usize>(
    heading: [&str; N],
    row: &[Value; N],
) -> Result<(), Failure> {
    records(heading, &[cell_texts(row)], View::of_stdout()).iter().try_for_each(print_result)
}

/// Prints a value as JSON, in which no character is invisible.
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    print_result(escape_hidden(&serde_json::to_string_pretty(value)?))
}

/// One record as a JSON object with the names of the heading.
pub(super) fn json_object<const N: usize>(heading: [&str; N], row: &[Value; N]) -> Value {
    let name = |text: &str| text.to_lowercase().replace(' ', "_");
    let members = heading.iter().zip(row);
    Value::Object(members.map(|(heading, value)| (name(heading), value.clone())).collect())
}

/// The printable texts of a row.
fn cell_texts<const N: usize>(row: &[Value; N]) -> [String; N] {
    row.each_ref().map(|value| {
        printable(&match value {
            Value::Null => String::new(),
            Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
        })
    })
}

/// Replaces control and bidirectional characters: a display name must not move the cursor of the
/// operator's terminal or reorder the text next to it.
pub(super) fn printable(text: &str) -> String {
    text.replace(is_hidden_in_text, "\u{fffd}")
}

/// Escapes the characters of a JSON text that [`printable`] replaces. In JSON, they occur in strings
/// only, except for the line ends of the layout.
fn escape_hidden(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || !is_hidden_in_text(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_no_invisible_character_and_means_the_same() {
        let value = serde_json::json!({ "name": "a\u{9b}31m\u{202e}b\u{e0001}\n中" });
        let text = escape_hidden(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && is_hidden_in_text(c)), "{text:?}");
        assert!(text.contains(r"a\u009b31m\u202eb\udb40\udc01\n中"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
