//! Splits CSV into records of bounded length, and records into fields.
//!
//! csv-core splits a record. It forgives misplaced quotes, which would change a value or swallow the
//! next lines, so this file finds the ends of records and refuses such quotes.

use std::{
    fmt,
    io::{self, BufRead},
};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use zeroize::Zeroizing;

use super::options::Delimiter;
use crate::{
    domain::{InvalidField, Reason},
    service::import::file::{entry::Problem, line::MAXIMUM_LINE},
};

/// A record that is not blank.
pub(super) struct Record {
    /// The line where it begins, from 1.
    pub(super) line: u64,
    /// Its bytes with the line end.
    pub(super) text: Result<Zeroizing<Vec<u8>>, Problem>,
}

/// The input ends, or cannot be read, within a record.
#[derive(Debug)]
pub(super) enum RecordError {
    Unreadable(io::Error),
    /// The line where the record begins.
    OpenQuote(u64),
    /// The line where the record begins.
    NoLineEnd(u64),
}

impl fmt::Display for RecordError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(formatter),
            Self::OpenQuote(line) => write!(
                formatter,
                "a quoted field of the record in line {line} does not end; close it with a quote"
            ),
            Self::NoLineEnd(line) => write!(
                formatter,
                "the last record, in line {line}, has no line end; the file may be cut: export it \
                 again, or add a line feed if it is whole"
            ),
        }
    }
}

/// A position in a record, with regard to quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted field, which ends the field or is the first of two.
    AfterQuote,
    /// After a misplaced quote.
    Misplaced,
}

/// The records of a text.
pub(super) struct Records {
    delimiter: Option<u8>,
    reader: Reader,
    /// The line that is read next, from 1.
    line: u64,
}

impl Records {
    pub(super) fn new() -> Self {
        Self { delimiter: None, reader: reader(Delimiter::Comma), line: 1 }
    }

    /// Sets the delimiter. Without one, the header can be read: each of them separates its fields.
    pub(super) fn set_delimiter(&mut self, delimiter: Delimiter) {
        self.delimiter = Some(delimiter.byte());
        self.reader = reader(delimiter);
    }

    /// Reads the next record that is not blank.
    ///
    /// # Errors
    /// When the input cannot be read, or ends within a record: its last field may be cut.
    pub(super) fn next(&mut self, reader: &mut dyn BufRead) -> Result<Option<Record>, RecordError> {
        while let Some(record) = self.read(reader)? {
            let is_blank = record.text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty());
            if !is_blank {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn read(&mut self, reader: &mut dyn BufRead) -> Result<Option<Record>, RecordError> {
        let line = self.line;
        let mut text = Zeroizing::new(Vec::new());
        let mut length = 0_usize;
        let mut place = Place::FieldStart;
        loop {
            let bytes = match reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes.map_err(RecordError::Unreadable)?,
            };
            if bytes.is_empty() {
                if place == Place::Quoted {
                    return Err(RecordError::OpenQuote(line));
                }
                let is_blank = text.trim_ascii().is_empty() && length == text.len();
                return if is_blank { Ok(None) } else { Err(RecordError::NoLineEnd(line)) };
            }
            let (used, is_complete) = self.scan(bytes, &mut place);
            let part = bytes.get(..used).unwrap_or_default();
            if length + used <= MAXIMUM_LINE {
                text.extend_from_slice(part);
            }
            length = length.saturating_add(used);
            reader.consume(used);
            if is_complete {
                break;
            }
        }
        let text = if length > MAXIMUM_LINE {
            Err(InvalidField::new("line", Reason::LineTooLong).into())
        } else if place == Place::Misplaced {
            let reason = "has a misplaced quote; quote the field and double the quotes in it";
            Err(Problem::new("line", reason))
        } else {
            Ok(text)
        };
        Ok(Some(Record { line, text }))
    }

    /// Follows the quotes up to the end of the record. Returns the number of bytes that belong to
    /// it, and whether it is complete.
    fn scan(&mut self, bytes: &[u8], place: &mut Place) -> (usize, bool) {
        for (index, byte) in bytes.iter().enumerate() {
            self.line += u64::from(*byte == b'\n');
            if *byte == b'\n' && *place != Place::Quoted {
                return (index + 1, true);
            }
            *place = self.after(*place, *byte);
        }
        (bytes.len(), false)
    }

    fn after(&self, place: Place, byte: u8) -> Place {
        let is_delimiter = match self.delimiter {
            Some(delimiter) => byte == delimiter,
            None => [b',', b';', b'\t'].contains(&byte),
        };
        match (place, byte) {
            // A carriage return after a quote is a part of the line end.
            (Place::Quoted, b'"') | (Place::AfterQuote, b'\r') => Place::AfterQuote,
            (Place::FieldStart | Place::AfterQuote, b'"') | (Place::Quoted, _) => Place::Quoted,
            (Place::Misplaced, _) | (Place::Unquoted, b'"') => Place::Misplaced,
            _ if is_delimiter => Place::FieldStart,
            (Place::AfterQuote, _) => Place::Misplaced,
            (Place::FieldStart | Place::Unquoted, _) => Place::Unquoted,
        }
    }

    /// Splits a record. `None` when it is more than one, because a carriage return alone ended one.
    pub(super) fn fields(&mut self, record: &[u8]) -> Option<Vec<String>> {
        let reader = &mut self.reader;
        let mut output = Zeroizing::new(vec![0; record.len()]);
        // A field has at least one byte, its delimiter.
        let mut ends = vec![0; record.len() + 1];
        let (result, used, written, fields) = reader.read_record(record, &mut output, &mut ends);
        let fields = if result == ReadRecordResult::InputEmpty {
            let rest = output.get_mut(written..)?;
            fields + reader.read_record(&[], rest, ends.get_mut(fields..)?).3
        } else {
            let rest = record.get(used..)?;
            if !rest.trim_ascii().is_empty() {
                return None;
            }
            fields
        };
        let mut start = 0;
        let texts = ends.get(..fields)?.iter().map(|end| {
            let bytes = output.get(std::mem::replace(&mut start, *end)..*end)?;
            Some(std::str::from_utf8(bytes).ok()?.to_owned())
        });
        texts.collect()
    }
}

/// A reader of single records.
fn reader(delimiter: Delimiter) -> Reader {
    let mut reader = ReaderBuilder::new().delimiter(delimiter.byte()).build();
    // It skips a byte order mark in front of its first record, which is this one.
    reader.read_record(b"\n", &mut [], &mut []);
    reader
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    /// The line and the fields of a record, or the reason why it has none.
    type Read = (u64, Result<Vec<String>, String>);

    fn read(text: &[u8]) -> Result<Vec<Read>, String> {
        let mut records = Records::new();
        records.set_delimiter(Delimiter::Comma);
        let mut reader = io::BufReader::with_capacity(3, text);
        let mut all = Vec::new();
        while let Some(record) = records.next(&mut reader).map_err(|error| error.to_string())? {
            let fields = record.text.map(|text| records.fields(&text).unwrap_or_default());
            all.push((record.line, fields.map_err(|problem| problem.reason.into_owned())));
        }
        Ok(all)
    }

    fn record(line: u64, fields: &[&str]) -> Read {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn a_record_may_span_lines_and_has_the_number_of_its_first_one() {
        let text = b"a,\"b\r\n\"\"c\"\"\"\r\n\r\n,\n \nlast,\"\"\n";
        let expected =
            [record(1, &["a", "b\r\n\"c\""]), record(4, &["", ""]), record(6, &["last", ""])];
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn misplaced_and_open_quotes_are_refused() {
        let found = read(b"a\"b,c\n\"a\"b\",c\nok\n").unwrap();
        assert!(found[0].1.as_ref().unwrap_err().contains("misplaced quote"));
        assert!(found[1].1.as_ref().unwrap_err().contains("misplaced quote"));
        assert_eq!(found[2], record(3, &["ok"]));
        assert!(read(b"a\n\nb,\"c\nd\n").unwrap_err().contains("in line 3 does not end"));
    }

    #[test]
    fn a_last_record_without_a_line_end_may_be_cut() {
        let long = format!("a\n{}", "x".repeat(2 * MAXIMUM_LINE));
        for text in ["a\nb", "a\nb,", "a\n\"b\"", "a\nb\r", &long] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains("in line 2, has no line end"), "{error}");
        }
        assert_eq!(read(b"a\n \r").unwrap(), [record(1, &["a"])]);
    }

    #[test]
    fn a_record_that_is_too_long_is_skipped_up_to_its_end() {
        let long = format!("a,\"{}\n\",b\nnext\n", "x\n".repeat(MAXIMUM_LINE / 2));
        let found = read(long.as_bytes()).unwrap();
        assert_eq!(found[0].1, Err("is longer than 64 KiB".to_owned()));
        assert_eq!(found[1..], [record(32_771, &["next"])]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in any::<Vec<(String, String)>>()) {
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let lines = rows.iter().map(|(first, second)| [quoted(first), quoted(second)].join(","));
            let text = lines.map(|line| line + "\n").collect::<String>();
            let found = read(text.as_bytes()).unwrap();
            let expected: Vec<_> =
                rows.iter().map(|(first, second)| vec![first.clone(), second.clone()]).collect();
            let found: Vec<_> = found.into_iter().map(|(_, fields)| fields.unwrap()).collect();
            assert_eq!(found, expected);
        }
    }
}
