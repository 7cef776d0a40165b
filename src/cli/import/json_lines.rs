//! Reads JSON lines: each line is an entry.

use crate::{
    cli::output::Failure,
    domain::{InvalidField, Reason},
};

use super::{
    entry::{Content, Entry, Sink},
    input::{Input, read_line},
    line::MAXIMUM_LINE,
};

/// Passes on each line that is not blank.
///
/// # Errors
/// When the input cannot be read.
pub(super) fn read(mut input: Input, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let mut number = 0;
    loop {
        let line = read_line(&mut *input.reader, MAXIMUM_LINE);
        let Some(line) = line.map_err(|error| input.failure(error))? else { return Ok(()) };
        number += 1;
        if line.text.trim_ascii().is_empty() {
            continue;
        }
        let content = if line.is_too_long {
            Content::Invalid(InvalidField::new("line", Reason::LineTooLong).into())
        } else {
            Content::Line(line.text)
        };
        let entry = Entry { number, name: None, content, dropped: Vec::new() };
        if sink(entry).is_break() {
            return Ok(());
        }
    }
}
