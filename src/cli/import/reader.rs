//! The lines of a file, one by one, each in memory that is wiped; the file's own buffer is not.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use zeroize::Zeroizing;

use super::line::MAXIMUM_LINE;
use crate::{
    cli::{output::Failure, secret_input::read_secret},
    domain::{InvalidField, Reason},
    security::archive::{ArchiveReader, is_archive},
};

/// The lines that are left.
pub(super) struct Lines {
    reader: Box<dyn BufRead>,
    number: u64,
    position: u64,
    length: u64,
}

/// A line's bytes, without its end.
type Text = Result<Zeroizing<Vec<u8>>, InvalidField>;

impl Lines {
    /// The lines of a file after so many. An archive asks for its passphrase.
    pub(super) fn open(path: &Path, after: u64) -> Result<Self, Failure> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut plain = BufReader::new(file);
        let reader: Box<dyn BufRead> = if is_archive(&mut plain)? {
            Box::new(ArchiveReader::new(plain, &read_secret("Passphrase")?)?)
        } else {
            Box::new(plain)
        };
        let mut lines = Self { reader, number: 0, position: 0, length };
        while lines.number < after && lines.read()?.is_some() {}
        Ok(lines)
    }

    /// The next line that says something, with its number from 1 on.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Text)>, Failure> {
        while let Some(text) = self.read()? {
            let is_blank = text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty());
            if !is_blank {
                return Ok(Some((self.number, text)));
            }
        }
        Ok(None)
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes that were read, and those there are.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// How many lines a byte is, so far.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn lines_per_byte(&self, lines: u64) -> f64 {
        lines as f64 / (self.position.max(1)) as f64
    }

    /// The next line, or what is wrong with it; what is too long is passed over.
    fn read(&mut self) -> Result<Option<Text>, Failure> {
        let mut text = Zeroizing::new(Vec::with_capacity(MAXIMUM_LINE + 1));
        let limit = u64::try_from(MAXIMUM_LINE).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(limit + 1).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.position += u64::try_from(read).unwrap_or_default();
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if read > MAXIMUM_LINE {
            self.pass_over()?;
            return Ok(Some(Err(InvalidField::new("line", Reason::LineTooLong))));
        }
        Ok(Some(Ok(text)))
    }

    /// Reads to the end of a line without keeping it.
    fn pass_over(&mut self) -> Result<(), Failure> {
        self.position += u64::try_from(self.reader.skip_until(b'\n')?).unwrap_or_default();
        Ok(())
    }
}
