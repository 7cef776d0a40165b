//! Reads CSV (RFC 4180): a header names the columns, and each other record is a user.

mod columns;
mod members;
mod options;
mod records;
mod rows;

use self::{columns::Columns, records::Records};
use super::{
    entry::{Content, Entry, Problem, Sink},
    error::InputError,
    input::Input,
};

pub(crate) use self::{
    members::is_known_column,
    options::{CsvOptions, Delimiter},
};

/// Passes on each record after the header.
///
/// # Errors
/// When the header is refused, or the input cannot be read.
pub(crate) fn read(
    options: &CsvOptions,
    mut input: Input,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let mut records = Records::new();
    let header = records.next(&mut *input.reader).map_err(|error| input.failure(error))?;
    let header = header.ok_or_else(|| input.failure("has no header"))?;
    let header_text = header.text.map_err(|problem| {
        input.failure(format_args!("the header is invalid: it {}", problem.reason))
    })?;
    let delimiter = options.delimiter_of(&header_text).map_err(|error| input.failure(error))?;
    records.set_delimiter(delimiter);
    let names = records.fields(&header_text).unwrap_or_default();
    let columns = Columns::parse(&names, options).map_err(|error| input.failure(error))?;
    let mut is_empty = true;
    while let Some(record) =
        records.next(&mut *input.reader).map_err(|error| input.failure(error))?
    {
        is_empty = false;
        let line = record.text.and_then(|text| {
            let fields = records.fields(&text).ok_or_else(|| {
                Problem::new("line", "is not a record of RFC 4180; quote its fields")
            })?;
            columns.line(&fields)
        });
        let entry = Entry {
            number: record.line,
            name: None,
            content: Content::from(line),
            dropped: Vec::new(),
        };
        if sink(entry).is_break() {
            return Ok(());
        }
    }
    if is_empty {
        return Err(input.failure("has only a header; add a line for each user"));
    }
    Ok(())
}
