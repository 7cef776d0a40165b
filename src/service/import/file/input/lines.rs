//! Reads lines of bounded length.

use std::io::{self, BufRead, Read};

use zeroize::Zeroizing;

/// A line of a text.
pub(crate) struct PhysicalLine {
    /// The bytes without the line feed: all of them, or the first ones of a line that is too long.
    pub(crate) text: Zeroizing<Vec<u8>>,
    /// True when the line is longer than the limit.
    pub(crate) is_too_long: bool,
    /// False for a last line without a line feed.
    pub(crate) is_ended: bool,
}

/// Reads a line of at most `limit` bytes, and skips the rest of a longer one.
///
/// # Errors
/// When the reader fails.
pub(crate) fn read_line(
    reader: &mut dyn BufRead,
    limit: usize,
) -> io::Result<Option<PhysicalLine>> {
    let mut text = Zeroizing::new(Vec::with_capacity(limit + 1));
    let bytes = u64::try_from(limit).unwrap_or(u64::MAX - 1);
    let read = (&mut *reader).take(bytes + 1).read_until(b'\n', &mut text)?;
    if read == 0 {
        return Ok(None);
    }
    if text.last() == Some(&b'\n') {
        text.pop();
        return Ok(Some(PhysicalLine { text, is_too_long: false, is_ended: true }));
    }
    let is_too_long = read > limit;
    let is_ended = is_too_long && skip_line(reader)?;
    Ok(Some(PhysicalLine { text, is_too_long, is_ended }))
}

/// Skips the rest of a line. Returns false when the text ends before it.
fn skip_line(reader: &mut dyn BufRead) -> io::Result<bool> {
    loop {
        let bytes = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        if bytes.is_empty() {
            return Ok(false);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}
