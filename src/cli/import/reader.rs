//! Reads the lines of an import from a file, an encrypted archive, or standard input.
//!
//! A separate thread reads, so that a blocked pipe does not delay a stop.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    thread,
};

use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::line::MAXIMUM_LINE;
use crate::{
    cli::{output::Failure, secret_input::read_secret},
    domain::{
        InvalidField, Reason,
        encoding::{MAXIMUM_BOM_LENGTH, bom_length},
    },
    security::archive::{ArchiveReader, MAGIC_LENGTH, is_archive},
};

/// The maximum number of lines that are read ahead.
const LINES_AHEAD: usize = 32;

/// The source of the lines.
#[derive(Debug, Clone)]
pub(super) enum Source {
    File(PathBuf),
    Stdin,
}

impl From<&Path> for Source {
    /// `-` is standard input.
    fn from(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }
}

/// The bytes of a line without the line end.
type Text = Result<Zeroizing<Vec<u8>>, InvalidField>;

/// A line that is not blank.
pub(super) struct RawLine {
    /// The line number, from 1.
    pub(super) number: u64,
    pub(super) text: Text,
    /// Number of bytes up to the end of the line.
    pub(super) position: u64,
}

/// The remaining lines.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    position: u64,
    length: Option<u64>,
}

impl Lines {
    /// Opens the source and skips the first `after` lines. Asks for the passphrase of an archive.
    pub(super) fn open(source: &Source, after: u64) -> Result<Self, Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", source.name()));
        let (reader, length): (Box<dyn Read + Send>, _) = match source {
            Source::Stdin => (Box::new(io::stdin()), None),
            Source::File(path) => {
                let file = File::open(path).map_err(|error| failed(&error))?;
                let length = file.metadata()?.len();
                (Box::new(file), Some(length))
            }
        };
        let mut reader = BufReader::new(reader);
        // A read from a pipe can return fewer bytes than the signatures of archives and encodings
        // need.
        let mut head = Vec::new();
        let longest = u64::try_from(MAGIC_LENGTH.max(MAXIMUM_BOM_LENGTH)).unwrap_or(u64::MAX);
        (&mut reader).take(longest).read_to_end(&mut head).map_err(|error| failed(&error))?;
        let mark = bom_length(&head)
            .map_err(|error| Failure::new(format!("{} {error}", source.name())))?;
        let is_archive = is_archive(&head);
        head.drain(..mark);
        let input = BufReader::new(Cursor::new(head).chain(reader));
        if is_archive && matches!(source, Source::Stdin) {
            return Err(Failure::new(
                "cannot read an archive from standard input, which is used for its passphrase; \
                 pass the file name",
            ));
        }
        let reader: Box<dyn BufRead + Send> = if is_archive {
            Box::new(ArchiveReader::new(input, &read_secret("Passphrase")?)?)
        } else {
            Box::new(input)
        };
        let mut lines = Self { reader, number: 0, position: 0, length };
        while lines.number < after && lines.read()?.is_some() {}
        Ok(lines)
    }

    /// Number of the last line that was read.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Number of bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Total number of bytes, if known.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads the remaining lines on another thread, which ends when the receiver is dropped.
    pub(super) fn read_ahead(
        mut self,
    ) -> Result<mpsc::Receiver<Result<RawLine, Failure>>, Failure> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        let read = move || {
            while let Some(line) = self.next().transpose() {
                let is_last = line.is_err();
                if sender.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("import-reader".to_owned()).spawn(read)?;
        Ok(receiver)
    }

    /// Reads the next line that is not blank.
    pub(super) fn next(&mut self) -> Result<Option<RawLine>, Failure> {
        while let Some(text) = self.read()? {
            let is_blank = text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty());
            if !is_blank {
                return Ok(Some(RawLine { number: self.number, text, position: self.position }));
            }
        }
        Ok(None)
    }

    /// Reads the next line, or its problem. Skips a line that is too long.
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
            self.skip_line()?;
            return Ok(Some(Err(InvalidField::new("line", Reason::LineTooLong))));
        }
        Ok(Some(Ok(text)))
    }

    /// Skips the rest of the line.
    fn skip_line(&mut self) -> Result<(), Failure> {
        self.position += u64::try_from(self.reader.skip_until(b'\n')?).unwrap_or_default();
        Ok(())
    }
}
