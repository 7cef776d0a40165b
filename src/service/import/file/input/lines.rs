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
    if let Some(line) = buffered_line(reader, limit)? {
        return Ok(Some(line));
    }
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

/// A line that is whole in the buffer of the reader, as almost all are. It takes only the memory that
/// it needs: freed memory is wiped, and that of the longest line was a quarter of the work of an import.
fn buffered_line(reader: &mut dyn BufRead, limit: usize) -> io::Result<Option<PhysicalLine>> {
    let bytes = match reader.fill_buf() {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
        bytes => bytes?,
    };
    let end = bytes.iter().position(|byte| *byte == b'\n').filter(|end| *end <= limit);
    let Some((end, line)) = end.and_then(|end| Some((end, bytes.get(..end)?))) else {
        return Ok(None);
    };
    let text = Zeroizing::new(line.to_vec());
    reader.consume(end + 1);
    Ok(Some(PhysicalLine { text, is_too_long: false, is_ended: true }))
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

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_do_not_depend_on_the_buffer_of_the_reader() {
        let text = b"a\n\nlonger line\nexact\nlast";
        let expected = [
            ("a", false, true),
            ("", false, true),
            ("longer", true, true),
            ("exact", false, true),
            ("last", false, false),
        ];
        for capacity in 1..=text.len() + 1 {
            let mut reader = BufReader::with_capacity(capacity, text.as_slice());
            for (line, is_too_long, is_ended) in expected {
                let read = read_line(&mut reader, 5).unwrap().unwrap();
                assert_eq!(read.text.as_slice(), line.as_bytes(), "{capacity}");
                assert_eq!(
                    (read.is_too_long, read.is_ended),
                    (is_too_long, is_ended),
                    "{capacity}"
                );
            }
            assert!(read_line(&mut reader, 5).unwrap().is_none(), "{capacity}");
        }
    }
}
