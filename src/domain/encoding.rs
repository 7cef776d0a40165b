//! Decodes files and the input of other programs: UTF-8 with or without a byte order mark (BOM).
//! Windows editors and shells write the mark; without this module it would become part of the first
//! word.

/// The maximum length of a byte order mark, in bytes.
pub(crate) const MAXIMUM_BOM_LENGTH: usize = 4;

const UTF_8_BOM: &[u8] = b"\xef\xbb\xbf";

/// The marks of other encodings. A mark precedes its own prefixes.
const OTHER_BOMS: [(&[u8], &str); 4] = [
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
    OtherEncoding(&'static str),
    #[error("is not UTF-8")]
    NotUtf8,
}

/// The length of the byte order mark at the start, in bytes.
///
/// # Errors
/// When the mark is that of an encoding other than UTF-8.
pub(crate) fn bom_length(start: &[u8]) -> Result<usize, EncodingError> {
    if start.starts_with(UTF_8_BOM) {
        return Ok(UTF_8_BOM.len());
    }
    match OTHER_BOMS.iter().find(|(mark, _)| start.starts_with(mark)) {
        Some((_, name)) => Err(EncodingError::OtherEncoding(name)),
        None => Ok(0),
    }
}

/// Checks that text in ASCII is not UTF-16 or UTF-32 without a byte order mark: JSON, CSV and LDIF
/// start with two ASCII characters, whose other bytes are NUL in these encodings (RFC 4627,
/// section 3).
///
/// # Errors
/// When it is.
pub(crate) fn require_no_other_encoding(start: &[u8]) -> Result<(), EncodingError> {
    let Some(start) = start.first_chunk::<4>() else { return Ok(()) };
    let name = match start.map(|byte| byte == 0) {
        [true, true, true, false] => "UTF-32BE",
        [false, true, true, true] => "UTF-32LE",
        [true, false, true, false] => "UTF-16BE",
        [false, true, false, true] => "UTF-16LE",
        _ => return Ok(()),
    };
    Err(EncodingError::OtherEncoding(name))
}

/// The text in bytes, without a byte order mark.
///
/// # Errors
/// When they are not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, EncodingError> {
    let length = bom_length(bytes)?;
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
            (b"\xff\xfea\0", Err(EncodingError::OtherEncoding("UTF-16"))),
            (b"\xfe\xff\0a", Err(EncodingError::OtherEncoding("UTF-16"))),
            (b"\xff\xfe\0\0a\0\0\0", Err(EncodingError::OtherEncoding("UTF-32"))),
            (b"\0\0\xfe\xff\0\0\0a", Err(EncodingError::OtherEncoding("UTF-32"))),
            (b"\xe9", Err(EncodingError::NotUtf8)),
        ] {
            assert_eq!(text(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn other_encodings_without_a_mark_are_recognized_by_their_nul_bytes() {
        for (bytes, name) in [
            (&b"{\0\"\0"[..], Some("UTF-16LE")),
            (b"\0{\0\"\0", Some("UTF-16BE")),
            (b"{\0\0\0\"", Some("UTF-32LE")),
            (b"\0\0\0{", Some("UTF-32BE")),
            (b"{\"a\"", None),
            (b"{\0", None),
            (b"\0\0\0\0", None),
            (b"", None),
        ] {
            let expected = name.map_or(Ok(()), |name| Err(EncodingError::OtherEncoding(name)));
            assert_eq!(require_no_other_encoding(bytes), expected, "{bytes:?}");
        }
    }
}
