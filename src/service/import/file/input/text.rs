//! Checks that text is UTF-8 while it is read, and names its encoding otherwise.

use std::io::{self, Read};

/// Text that cannot be read.
#[derive(Debug, thiserror::Error)]
enum TextError {
    /// No earlier character has more than one byte, so the whole text can be of one encoding.
    #[error(
        "line {0} is not UTF-8; it is probably {1}; convert the file, for example with `iconv -f \
         {1} -t UTF-8`"
    )]
    OtherEncoding(u64, &'static str),
    #[error(
        "line {0} is not UTF-8, but earlier lines are; correct this line, or export the file again"
    )]
    Mixed(u64),
    #[error("the text ends within a character of line {0}; copy the file again")]
    Truncated(u64),
    #[error("{1}, in line {0}")]
    Unreadable(u64, io::Error),
}

impl From<TextError> for io::Error {
    fn from(error: TextError) -> Self {
        Self::other(error)
    }
}

/// Passes on text that is UTF-8.
pub(super) struct TextReader<R> {
    inner: R,
    /// The number of the line that is read, from 1.
    line: u64,
    /// The first bytes of a character whose other bytes are not read yet.
    incomplete: Vec<u8>,
    /// True after a character of more than one byte.
    has_multibyte: bool,
    /// True after the first bytes.
    has_started: bool,
    /// The error that follows the bytes that were passed on.
    error: Option<TextError>,
}

impl<R: Read> TextReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            line: 1,
            incomplete: Vec::new(),
            has_multibyte: false,
            has_started: false,
            error: None,
        }
    }

    /// The number of bytes at the start of `bytes` that are UTF-8, or that may become so with the
    /// next bytes.
    fn check(&mut self, bytes: &[u8]) -> usize {
        let mut start = 0;
        while !self.incomplete.is_empty() {
            let Some(next) = bytes.get(start) else { return start };
            self.incomplete.push(*next);
            match std::str::from_utf8(&self.incomplete) {
                Ok(_) => {
                    self.incomplete.clear();
                    self.has_multibyte = true;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return start,
            }
            start += 1;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let valid = match std::str::from_utf8(rest) {
            Ok(_) => rest.len(),
            Err(error) if error.error_len().is_none() => {
                self.incomplete = rest.get(error.valid_up_to()..).unwrap_or_default().to_vec();
                rest.len()
            }
            Err(error) => error.valid_up_to(),
        };
        let complete = valid.saturating_sub(self.incomplete.len());
        self.has_multibyte |= !rest.get(..complete).unwrap_or_default().is_ascii();
        start + valid
    }

    /// The error of a text that goes on with these bytes.
    fn not_utf_8(&self, rest: &[u8]) -> TextError {
        if self.has_multibyte {
            return TextError::Mixed(self.line);
        }
        // ISO-8859-1 has control characters where Windows-1252 has letters and punctuation.
        let is_windows = rest.iter().any(|byte| (0x80..=0x9f).contains(byte));
        let name = if is_windows { "WINDOWS-1252" } else { "ISO-8859-1" };
        TextError::OtherEncoding(self.line, name)
    }

    /// Counts the lines of text that is passed on.
    fn pass_on(&mut self, text: &[u8]) -> usize {
        self.line += text.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        text.len()
    }
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error.into());
        }
        let read = match self.inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            read => read.map_err(|error| TextError::Unreadable(self.line, error))?,
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        if read == 0 {
            if self.incomplete.is_empty() || buffer.is_empty() {
                return Ok(0);
            }
            let is_cut = self.has_multibyte;
            let truncated = TextError::Truncated(self.line);
            let error = if is_cut { truncated } else { self.not_utf_8(&self.incomplete) };
            return Err(error.into());
        }
        let valid = self.check(bytes);
        let is_first = !std::mem::replace(&mut self.has_started, true);
        let passed_on = self.pass_on(bytes.get(..valid).unwrap_or_default());
        if passed_on == read {
            return Ok(read);
        }
        let error = self.not_utf_8(bytes.get(valid..).unwrap_or_default());
        // Nothing is imported from a text whose first bytes show that it has another encoding.
        if is_first || passed_on == 0 {
            return Err(error.into());
        }
        self.error = Some(error);
        Ok(passed_on)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::{any, proptest};

    use super::*;

    /// Returns a few bytes at a time.
    struct Slow(Cursor<Vec<u8>>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn read(bytes: &[u8], at_a_time: usize) -> (Vec<u8>, Option<String>) {
        let mut reader = TextReader::new(Slow(Cursor::new(bytes.to_vec()), at_a_time));
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).err();
        (text, error.map(|error| error.to_string()))
    }

    #[test]
    fn other_encodings_are_named_with_the_line_and_the_next_step() {
        for (bytes, expected) in [
            (&b"a\nJos\xe9;\n"[..], "line 2 is not UTF-8; it is probably ISO-8859-1; convert"),
            (b"a\nJos\xe9", "line 2 is not UTF-8; it is probably ISO-8859-1; convert"),
            (b"a\n\n\x80 5\n", "line 3 is not UTF-8; it is probably WINDOWS-1252; convert"),
            (b"\xc3\xa9\nJos\xe9\n", "line 2 is not UTF-8, but earlier lines are; correct"),
            (b"\xc3\xa9\nJos\xc3", "the text ends within a character of line 2"),
        ] {
            for at_a_time in [1, 2, 3, 100] {
                let error = read(bytes, at_a_time).1.unwrap();
                assert!(error.starts_with(expected), "{at_a_time}: {error}");
            }
        }
        assert!(read(b"a\nJos\xe9;", 100).0.is_empty(), "the first bytes are checked together");
    }

    proptest! {
        #[test]
        fn it_passes_on_exactly_what_is_utf_8(bytes in any::<Vec<u8>>(), at_a_time in 1..9_usize) {
            let (text, error) = read(&bytes, at_a_time);
            match std::str::from_utf8(&bytes) {
                Ok(valid) => assert_eq!((text.as_slice(), error), (valid.as_bytes(), None)),
                Err(_) => assert!(bytes.starts_with(&text) && error.is_some()),
            }
        }

        #[test]
        fn it_passes_on_text(text in any::<String>(), at_a_time in 1..9_usize) {
            assert_eq!(read(text.as_bytes(), at_a_time), (text.into_bytes(), None));
        }
    }
}
