//! What commands say: results on stdout, everything else on stderr.

use std::{
    fmt::Display,
    io::{self, Write},
};

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
pub(super) fn say(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Prints something about the command to stderr.
pub(super) fn complain(line: impl Display) {
    // Nobody is left to tell when even this cannot be printed.
    let _ = writeln!(io::stderr(), "credential-keeper: {line}");
}

/// Prints rows in columns under a heading.
pub(super) fn table<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
) -> Result<(), Failure> {
    let mut widths = heading.map(|cell| cell.chars().count());
    // What users chose to be called must not move the cursor of an operator's terminal.
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| cell.replace(char::is_control, "\u{fffd}")))
        .collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    say(line(&mut heading.into_iter()))?;
    rows.iter().try_for_each(|row| say(line(&mut row.iter().map(String::as_str))))
}
