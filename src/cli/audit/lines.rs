//! Reads the lines of the files that `audit verify` and `restore check` compare with the database.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    iter,
    path::Path,
};

use serde_json::{Map, Value};

use crate::{cli::output::Failure, domain::encoding::bom_length};

/// A line of a file.
pub(super) struct Line {
    /// The first one has 1.
    pub(super) number: usize,
    /// Without the end of line.
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
        let mut bytes = Vec::new();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                number += 1;
                let has_end = bytes.pop_if(|byte| *byte == b'\n').is_some();
                Some(Ok(Line { number, bytes, has_end }))
            }
            Err(error) => Some(Err(failed(error))),
        }
    }))
}

/// The JSON object at the end of a line; `None` if it has none, or was cut. What precedes it is
/// ignored, such as the prefixes of `journalctl`, `docker compose logs` and syslog.
pub(super) fn json_object(line: &[u8]) -> Option<Map<String, Value>> {
    let start = line.iter().position(|byte| *byte == b'{')?;
    serde_json::from_slice(line.get(start..)?).ok()
}
