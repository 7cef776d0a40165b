//! Decodes files and input of other programs: UTF-8 with or without a byte order mark, which editors and
//! shells of Windows write. A mark that is not skipped becomes part of the first word.

/// The length of the longest byte order mark, in bytes.
pub(crate) const LONGEST_MARK: usize = 4;

const UTF_8: &[u8] = b"\xef\xbb\xbf";

/// The marks of other encodings; a mark that starts with another one comes first.
const OTHERS: [(&[u8], &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// Why bytes are not valid text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodingError {
    /// The byte order mark is that of another encoding.
    #[error("is {0}; convert it to UTF-8, for example with `iconv -f {0} -t UTF-8`")]
    Other(&'static str),
    #[error("is not UTF-8")]
    NotUtf8,
}

/// The length of the byte order mark at the start, in bytes.
///
/// # Errors
/// When the mark is that of an encoding other than UTF-8.
pub(crate) fn length_of_mark(start: &[u8]) -> Result<usize, EncodingError> {
    if start.starts_with(UTF_8) {
        return Ok(UTF_8.len());
    }
    match OTHERS.iter().find(|(mark, _)| start.starts_with(mark)) {
        Some((_, name)) => Err(EncodingError::Other(name)),
        None => Ok(0),
    }
}

/// The text in bytes, without a byte order mark.
///
/// # Errors
/// When they are not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, EncodingError> {
    let length = length_of_mark(bytes)?;
    let text = bytes.get(length..).unwrap_or_default();
    std::str::from_utf8(text).map_err(|_| EncodingError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_utf_8_mark_is_skipped_and_other_encodings_are_named() {
        for (bytes, expected) in [
            (&b""[..], Ok("")),
            (b"a", Ok("a")),
            (b"\xef\xbb\xbfa", Ok("a")),
            (b"a\xef\xbb\xbf", Ok("a\u{feff}")),
            (b"\xff\xfea\0", Err(EncodingError::Other("UTF-16"))),
            (b"\xfe\xff\0a", Err(EncodingError::Other("UTF-16"))),
            (b"\xff\xfe\0\0a\0\0\0", Err(EncodingError::Other("UTF-32"))),
            (b"\0\0\xfe\xff\0\0\0a", Err(EncodingError::Other("UTF-32"))),
            (b"\xe9", Err(EncodingError::NotUtf8)),
        ] {
            assert_eq!(text(bytes), expected, "{bytes:?}");
        }
    }
}
