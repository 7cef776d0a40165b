//! The charsets of bodies: UTF-8, and UTF-16 in little-endian order.

use std::borrow::Cow;

use crate::error::BodyError;

/// The mark at the start of UTF-16 responses and, optionally, of UTF-16 requests.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A charset of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16 in little-endian order.
    Utf16,
    /// Any other charset. Read as ASCII, a subset of most charsets.
    Other,
}

impl Charset {
    /// The charset with this name; `None` when it is not supported.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "utf-16" | "utf-16le" => Some(Self::Utf16),
            _ => None,
        }
    }

    /// The name in `Content-Type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Other => "utf-8",
            Self::Utf16 => "utf-16",
        }
    }

    /// Decodes a body.
    ///
    /// # Errors
    /// When the bytes are not valid in this charset. UTF-16 may start with a byte order mark. UTF-8
    /// must not (RFC 8259, section 8.1), because parsers treat it differently.
    pub fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, BodyError> {
        let text = match self {
            Self::Utf8 => {
                Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| BodyError::NotUtf8)?)
            }
            Self::Other if !bytes.is_ascii() => return Err(BodyError::UnsupportedCharset),
            Self::Other => {
                Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| BodyError::NotUtf8)?)
            }
            Self::Utf16 => Cow::Owned(decode_utf16(bytes).ok_or(BodyError::NotUtf16)?),
        };
        if text.starts_with(BYTE_ORDER_MARK) { Err(BodyError::ByteOrderMark) } else { Ok(text) }
    }

    /// Encodes a body.
    #[must_use]
    pub fn encode(self, text: String) -> Vec<u8> {
        match self {
            Self::Utf8 | Self::Other => text.into_bytes(),
            Self::Utf16 => {
                let mut bytes = Vec::with_capacity(2 * (text.len() + 1));
                let mark = std::iter::once(0xfeff_u16);
                bytes.extend(mark.chain(text.encode_utf16()).flat_map(u16::to_le_bytes));
                bytes
            }
        }
    }
}

fn decode_utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units = pairs.iter().copied().map(u16::from_le_bytes);
    let has_mark = pairs.first() == Some(&[0xff, 0xfe]);
    let text = char::decode_utf16(units.skip(usize::from(has_mark)));
    if odd.is_empty() { text.collect::<Result<_, _>>().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invalid_bytes_are_refused() {
        assert_eq!(Charset::Utf8.decode(b"\xff"), Err(BodyError::NotUtf8));
        assert_eq!(Charset::Utf8.decode(b"\xef\xbb\xbf{}"), Err(BodyError::ByteOrderMark));
        for bytes in [&b"{"[..], b"\x00\xd8", b"\x00\xdc\x00\xd8", b"{\x00}"] {
            assert_eq!(Charset::Utf16.decode(bytes), Err(BodyError::NotUtf16));
        }
        // Big-endian order is another charset.
        assert!(Charset::Utf16.decode(b"\xfe\xff\x00{").is_ok_and(|text| text != "{"));
    }

    #[test]
    fn another_charset_is_read_when_it_is_ascii() {
        assert_eq!(Charset::Other.decode(b"{}").unwrap(), "{}");
        assert_eq!(Charset::Other.decode("é".as_bytes()), Err(BodyError::UnsupportedCharset));
    }

    #[test]
    fn one_byte_order_mark_is_removed_and_two_are_refused() {
        assert_eq!(Charset::Utf16.decode(b"\xff\xfea\x00").unwrap(), "a");
        let twice = b"\xff\xfe\xff\xfea\x00";
        assert_eq!(Charset::Utf16.decode(twice), Err(BodyError::ByteOrderMark));
    }

    proptest! {
        #[test]
        fn an_encoded_text_decodes_to_itself(text in "[^\u{feff}]\\PC{0,40}") {
            for charset in [Charset::Utf8, Charset::Utf16] {
                let bytes = charset.encode(text.clone());
                prop_assert_eq!(charset.decode(&bytes).unwrap(), text.as_str());
            }
        }
    }
}
