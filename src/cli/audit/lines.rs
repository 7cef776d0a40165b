//! Reads the lines of the files that `audit verify` and `restore check` compare with the database.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use crate::{cli::output::Failure, domain::encoding::bom_length};

/// Opens a file and yields its lines with their numbers, without a byte order mark.
///
/// # Errors
/// When the file cannot be opened, or its beginning cannot be read or has another encoding. Callers
/// learn this before they verify anything.
pub(super) fn read_lines(
    file: &Path,
) -> Result<impl Iterator<Item = Result<(usize, Vec<u8>), Failure>>, Failure> {
    let failed =
        move |error: io::Error| Failure::new(format!("cannot read {}: {error}", file.display()));
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let mark = bom_length(reader.fill_buf().map_err(failed)?)
        .map_err(|error| Failure::new(format!("{} {error}", file.display())))?;
    reader.consume(mark);
    let lines = reader.split(b'\n');
    let numbered = (1..).zip(lines);
    Ok(numbered.map(move |(number, line)| line.map(|line| (number, line)).map_err(failed)))
}
