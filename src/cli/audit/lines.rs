//! Reads the lines of the files that `audit verify` and `restore check` compare with the database.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    iter,
    path::Path,
};

use serde_json::{Map, Value};

use crate::{cli::output::Failure, domain::encoding::bom_length};

/// The bytes that are read of a line. An event has far fewer. A binary file, or the end of a file after a
/// power failure, may have no line ends at all.
const MAXIMUM_LINE: usize = 1024 * 1024;

/// A line of a file.
pub(super) struct Line {
    /// The first one has 1.
    pub(super) number: usize,
    /// Without the end of line. The first [`MAXIMUM_LINE`] bytes of a longer line.
    pub(super) bytes: Vec<u8>,
    /// False for a last line without an end of line.
    pub(super) has_end: bool,
}

/// Opens a file and yields its lines, without a byte order mark.
///
/// # Errors
/// When the file cannot be opened, or its beginning cannot be read or has another encoding. Callers
/// learn this before they verify anything.
pub(super) fn read_lines(
    file: &Path,
) -> Result<impl Iterator<Item = Result<Line, Failure>>, Failure> {
    let failed =
        move |error: io::Error| Failure::new(format!("cannot read {}: {error}", file.display()));
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let mark = bom_length(reader.fill_buf().map_err(failed)?)
        .map_err(|error| Failure::new(format!("{} {error}", file.display())))?;
    reader.consume(mark);
    let mut number = 0;
    Ok(iter::from_fn(move || {
        number += 1;
        read_line(&mut reader, number).map_err(failed).transpose()
    }))
}

/// Reads the next line; `None` at the end.
fn read_line(reader: &mut impl BufRead, number: usize) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    if reader.by_ref().take(MAXIMUM_LINE as u64).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let mut has_end = bytes.pop_if(|byte| *byte == b'\n').is_some();
    if !has_end && bytes.len() == MAXIMUM_LINE {
        has_end = skip_line(reader)?;
    }
    Ok(Some(Line { number, bytes, has_end }))
}

/// Skips the rest of a line. False if it has no end.
fn skip_line(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffered = reader.fill_buf()?;
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let (is_last, length) = (buffered.is_empty(), buffered.len());
        reader.consume(end.map_or(length, |end| end + 1));
        if is_last || end.is_some() {
            return Ok(end.is_some());
        }
    }
}

/// The JSON object at the end of a line; `None` if it has none, or was cut. What precedes it is
/// ignored, such as the prefixes of `journalctl`, `docker compose logs` and syslog.
pub(super) fn json_object(line: &[u8]) -> Option<Map<String, Value>> {
    let start = line.iter().position(|byte| *byte == b'{')?;
    serde_json::from_slice(line.get(start..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8]) -> Vec<(usize, usize, bool)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        std::fs::write(&file, content).unwrap();
        let lines = read_lines(&file).unwrap().map(Result::unwrap);
        lines.map(|line| (line.number, line.bytes.len(), line.has_end)).collect()
    }

    #[test]
    fn a_line_of_any_length_takes_a_bounded_memory() {
        for length in [0, 1, MAXIMUM_LINE - 1, MAXIMUM_LINE, MAXIMUM_LINE + 1, 3 * MAXIMUM_LINE] {
            let long = vec![0; length];
            let read = length.min(MAXIMUM_LINE);
            let found = lines(&[b"first\n", &*long, b"\nlast"].concat());
            assert_eq!(found, [(1, 5, true), (2, read, true), (3, 4, false)], "{length}");
            let found = lines(&[b"first\n", &*long].concat());
            let end = (length > 0).then_some((2, read, false));
            assert_eq!(
                found,
                [(1, 5, true)].into_iter().chain(end).collect::<Vec<_>>(),
                "{length}"
            );
        }
        assert_eq!(lines(b""), []);
    }
}
