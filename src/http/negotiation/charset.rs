//! The two charsets of bodies: UTF-8, and UTF-16 in little-endian order (protocol.md 4.3).

use std::borrow::Cow;

use crate::http::error::BodyFault;

/// The mark at the start of our UTF-16 answers, and perhaps of a caller's bodies.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A charset of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Charset {
    #[default]
    Utf8,
    Utf16,
    /// Any other: read like UTF-8 (protocol.md 4.3), as long as no byte could mean something else.
    Foreign,
}

impl Charset {
    /// The charset of that name; `None` for any other.
    pub(super) fn find(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "utf-16" | "utf-16le" => Some(Self::Utf16),
            _ => None,
        }
    }

    /// The name in `Content-Type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Foreign => "utf-8",
            Self::Utf16 => "utf-16",
        }
    }

    /// The text of a body.
    ///
    /// # Errors
    /// When the bytes are not valid in this charset. UTF-16 may start with its byte order mark,
    /// UTF-8 must not (RFC 8259 section 8.1): parsers disagree about what it means there.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, BodyFault> {
        let text = match self {
            Self::Utf8 => {
                Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| BodyFault::NotUtf8)?)
            }
            Self::Foreign if !bytes.is_ascii() => return Err(BodyFault::ForeignCharset),
            Self::Foreign => {
                Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| BodyFault::NotUtf8)?)
            }
            Self::Utf16 => Cow::Owned(decode_utf16(bytes).ok_or(BodyFault::NotUtf16)?),
        };
        if text.starts_with(BYTE_ORDER_MARK) { Err(BodyFault::ByteOrderMark) } else { Ok(text) }
    }

    /// The bytes of an answer.
    pub(super) fn encode(self, text: String) -> Vec<u8> {
        match self {
            Self::Utf8 | Self::Foreign => text.into_bytes(),
            Self::Utf16 => {
                let marked = std::iter::once(BYTE_ORDER_MARK).chain(text.chars());
                let mut units = [0; 2];
                marked
                    .flat_map(|c| c.encode_utf16(&mut units).to_vec())
                    .flat_map(u16::to_le_bytes)
                    .collect()
            }
        }
    }
}

fn decode_utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units = pairs.iter().copied().map(u16::from_le_bytes);
    let marked = pairs.first() == Some(&[0xff, 0xfe]);
    let text = char::decode_utf16(units.skip(usize::from(marked)));
    if odd.is_empty() { text.collect::<Result<_, _>>().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_valid_is_refused() {
        assert_eq!(Charset::Utf8.decode(b"\xff"), Err(BodyFault::NotUtf8));
        assert_eq!(Charset::Utf8.decode(b"\xef\xbb\xbf{}"), Err(BodyFault::ByteOrderMark));
        for bytes in [&b"{"[..], b"\x00\xd8", b"\x00\xdc\x00\xd8", b"{\x00}"] {
            assert_eq!(Charset::Utf16.decode(bytes), Err(BodyFault::NotUtf16));
        }
        // The other byte order is another charset.
        assert!(Charset::Utf16.decode(b"\xfe\xff\x00{").is_ok_and(|text| text != "{"));
    }

    #[test]
    fn another_charset_is_read_where_it_cannot_be_misread() {
        assert_eq!(Charset::Foreign.decode(b"{}").unwrap(), "{}");
        assert_eq!(Charset::Foreign.decode("é".as_bytes()), Err(BodyFault::ForeignCharset));
    }

    #[test]
    fn one_mark_is_a_mark_and_two_are_not() {
        assert_eq!(Charset::Utf16.decode(b"\xff\xfea\x00").unwrap(), "a");
        let twice = b"\xff\xfe\xff\xfea\x00";
        assert_eq!(Charset::Utf16.decode(twice), Err(BodyFault::ByteOrderMark));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[^\u{feff}]\\PC{0,40}") {
            for charset in [Charset::Utf8, Charset::Utf16] {
                let bytes = charset.encode(text.clone());
                prop_assert_eq!(charset.decode(&bytes).unwrap(), text.as_str());
            }
        }
    }
}
