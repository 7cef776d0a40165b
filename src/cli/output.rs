//! What commands say: results on stdout, everything else on stderr.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde_json::Value;

use crate::domain::text::is_hidden_in_text;

/// Why a command failed, in one sentence for whoever typed it.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

impl Failure {
    /// A failure with this sentence.
    pub(super) fn because(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// Prints a result. Whoever reads it may have read enough: `… | head` is no failure.
pub(super) fn print_result(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Prints a result that must not get lost: whoever reads no more ends the command.
pub(super) fn report(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// Prints something about the command to stderr.
pub(super) fn print_status(line: impl Display) {
    // Nobody is left to tell when even this cannot be printed.
    let _ = writeln!(io::stderr(), "credential-keeper: {line}");
}

/// For whom results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Tables.
    Table,
    /// JSON.
    Json,
}

/// Prints rows: in columns under a heading, or as a list of objects with the heading's names.
pub(super) fn rows<const N: usize>(
    format: Format,
    heading: [&str; N],
    rows: &[[Value; N]],
) -> Result<(), Failure> {
    match format {
        Format::Table => table(heading, &rows.iter().map(texts).collect::<Vec<_>>()),
        Format::Json => {
            let objects: Vec<_> = rows.iter().map(|row| object(heading, row)).collect();
            print_result(serde_json::to_string_pretty(&objects)?)
        }
    }
}

/// Prints one thing: a line for each member.
pub(super) fn record<const N: usize>(heading: [&str; N], row: &[Value; N]) -> Result<(), Failure> {
    let width = heading.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    heading.iter().zip(texts(row)).try_for_each(|(name, text)| {
        print_result(format!("{name:width$}  {}", printable(&text)).trim_end())
    })
}

/// One thing as an object with the heading's names.
pub(super) fn object<const N: usize>(heading: [&str; N], row: &[Value; N]) -> Value {
    let name = |text: &str| text.to_lowercase().replace(' ', "_");
    let members = heading.iter().zip(row);
    Value::Object(members.map(|(heading, value)| (name(heading), value.clone())).collect())
}

fn texts<const N: usize>(row: &[Value; N]) -> [String; N] {
    row.each_ref().map(|value| match value {
        Value::Null => String::new(),
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    })
}

/// What users chose to be called must not move the cursor of an operator's terminal, nor what stands
/// beside it.
fn printable(text: &str) -> String {
    text.replace(is_hidden_in_text, "\u{fffd}")
}

/// Prints rows in columns under a heading.
fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
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
