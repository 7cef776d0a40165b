//! The lines of an import: of a file, of an archive that a passphrase opens, or of standard input.
//! They are read on a thread of their own, so that a pipe that waits keeps nobody from stopping.

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
        encoding::{LONGEST_MARK, length_of_mark},
    },
    security::archive::{ArchiveReader, LONGEST_HEAD, is_archive},
};

/// Lines that were read and not yet taken.
const LINES_AHEAD: usize = 32;

/// Where the lines come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    File(PathBuf),
    Stdin,
}

impl From<&Path> for Source {
    /// `-` is standard input, as everywhere.
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

/// A line's bytes, without its end.
type Text = Result<Zeroizing<Vec<u8>>, InvalidField>;

/// A line that says something.
pub(super) struct RawLine {
    /// From 1 on.
    pub(super) number: u64,
    pub(super) text: Text,
    /// Bytes up to its end.
    pub(super) position: u64,
}

/// The lines that are left.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    number: u64,
    position: u64,
    length: Option<u64>,
}

impl Lines {
    /// The lines after so many. An archive asks for its passphrase.
    pub(super) fn open(source: &Source, after: u64) -> Result<Self, Failure> {
        let named =
            |error: &dyn std::fmt::Display| Failure::because(format!("{}: {error}", source.name()));
        let (reader, length): (Box<dyn Read + Send>, _) = match source {
            Source::Stdin => (Box::new(io::stdin()), None),
            Source::File(path) => {
                let file = File::open(path).map_err(|error| named(&error))?;
                let length = file.metadata()?.len();
                (Box::new(file), Some(length))
            }
        };
        let mut reader = BufReader::new(reader);
        // A pipe may give less at once than what tells an archive or an encoding.
        let mut head = Vec::new();
        let longest = u64::try_from(LONGEST_HEAD.max(LONGEST_MARK)).unwrap_or(u64::MAX);
        (&mut reader).take(longest).read_to_end(&mut head).map_err(|error| named(&error))?;
        let mark = length_of_mark(&head)
            .map_err(|error| Failure::because(format!("{} {error}", source.name())))?;
        let is_archive = is_archive(&head);
        head.drain(..mark);
        let whole = BufReader::new(Cursor::new(head).chain(reader));
        if is_archive && matches!(source, Source::Stdin) {
            return Err(Failure::because(
                "standard input is an archive, and its passphrase comes from there too; name the \
                 file instead",
            ));
        }
        let reader: Box<dyn BufRead + Send> = if is_archive {
            Box::new(ArchiveReader::new(whole, &read_secret("Passphrase")?)?)
        } else {
            Box::new(whole)
        };
        let mut lines = Self { reader, number: 0, position: 0, length };
        while lines.number < after && lines.read()?.is_some() {}
        Ok(lines)
    }

    /// The number of the line that was read last.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that there are, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads the rest on another thread, which ends with the process, or when nobody takes lines.
    pub(super) fn read_ahead(
        mut self,
    ) -> Result<mpsc::Receiver<Result<RawLine, Failure>>, Failure> {
        let (lines, taken) = mpsc::channel(LINES_AHEAD);
        let read = move || {
            while let Some(line) = self.next().transpose() {
                let is_last = line.is_err();
                if lines.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("import-reader".to_owned()).spawn(read)?;
        Ok(taken)
    }

    /// The next line that says something.
    fn next(&mut self) -> Result<Option<RawLine>, Failure> {
        while let Some(text) = self.read()? {
            let is_blank = text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty());
            if !is_blank {
                return Ok(Some(RawLine { number: self.number, text, position: self.position }));
            }
        }
        Ok(None)
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
