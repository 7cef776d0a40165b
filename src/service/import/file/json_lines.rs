//! Reads JSON lines: each line is an entry.

use serde::de::IgnoredAny;

use crate::domain::{InvalidField, Reason};

use super::{
    entry::{Content, Entry, Sink},
    error::InputError,
    input::{Input, PhysicalLine, read_line},
    line::MAXIMUM_LINE,
};

/// Passes on each line that is not blank.
///
/// # Errors
/// When the input cannot be read, has no line, or ends within one.
pub(crate) fn read(mut input: Input, sink: &mut Sink<'_>) -> Result<(), InputError> {
    let mut number = 0;
    let mut is_empty = true;
    loop {
        let line = read_line(&mut *input.reader, MAXIMUM_LINE);
        let Some(line) = line.map_err(|error| input.failure(error))? else { break };
        number += 1;
        if line.text.trim_ascii().is_empty() {
            continue;
        }
        is_empty = false;
        if is_cut(&line) {
            return Err(input.failure(format_args!(
                "line {number} is no JSON and has no line feed: the file was cut; export it again"
            )));
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
    // An archive is authenticated up to its end.
    if is_empty && !input.is_archive {
        return Err(input.failure("has no line; pass a file with users"));
    }
    Ok(())
}

/// True for a last line that ends before its object does.
fn is_cut(line: &PhysicalLine) -> bool {
    !line.is_ended && serde_json::from_slice::<IgnoredAny>(&line.text).is_err()
}
