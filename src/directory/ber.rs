//! Reads the elements of a BER encoding (ITU-T X.690) as LDAP restricts it (RFC 4511, section 5.1):
//! definite lengths only.

/// The message of a directory is not a valid LDAP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("an element is longer than its container")]
    CutElement,
    #[error("a length is indefinite or has more than four bytes")]
    InvalidLength,
    #[error("an element has an unexpected tag")]
    UnexpectedTag,
    #[error("an element has additional bytes")]
    AdditionalBytes,
    #[error("a number is out of range")]
    InvalidNumber,
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("a message is longer than {MAXIMUM_MESSAGE} bytes")]
    TooLong,
    #[error("the answers to one operation are longer than {MAXIMUM_ANSWER} bytes")]
    TooMuch,
    #[error("the connection ended within a message")]
    CutMessage,
}

/// The longest message, in bytes. An entry with the attributes of a search is far shorter.
pub(super) const MAXIMUM_MESSAGE: usize = 256 * 1024;

/// The longest answer to one operation, in bytes: to all pages of a search.
pub(super) const MAXIMUM_ANSWER: usize = 16 * 1024 * 1024;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// The number of bytes that follow the first byte of a length: 0 for the short form.
///
/// # Errors
/// When the length is indefinite or too long.
pub(super) fn following_bytes(first: u8) -> Result<usize, MessageError> {
    match first {
        0..=0x7f => Ok(0),
        0x81..=0x84 => Ok(usize::from(first & 0x7f)),
        _ => Err(MessageError::InvalidLength),
    }
}

/// The length that `first` and the bytes after it encode. Active Directory pads lengths with zeros.
pub(super) fn length(first: u8, following: &[u8]) -> usize {
    if following.is_empty() {
        return usize::from(first);
    }
    following.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
}

/// The elements of a container that are not read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'data>(&'data [u8]);

impl<'data> Elements<'data> {
    pub(super) fn new(content: &'data [u8]) -> Self {
        Self(content)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(super) fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Reads the next element: its tag and its content.
    pub(super) fn next(&mut self) -> Result<(u8, &'data [u8]), MessageError> {
        let [tag, first, rest @ ..] = self.0 else { return Err(MessageError::CutElement) };
        if tag & 0x1f == 0x1f {
            return Err(MessageError::UnexpectedTag);
        }
        let count = following_bytes(*first)?;
        let (following, rest) = rest.split_at_checked(count).ok_or(MessageError::CutElement)?;
        let length = length(*first, following);
        let (content, rest) = rest.split_at_checked(length).ok_or(MessageError::CutElement)?;
        self.0 = rest;
        Ok((*tag, content))
    }

    /// Reads the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'data [u8], MessageError> {
        let (found, content) = self.next()?;
        if found == tag { Ok(content) } else { Err(MessageError::UnexpectedTag) }
    }

    /// Reads the next element, which must be a text.
    pub(super) fn expect_text(&mut self) -> Result<(), MessageError> {
        let text = self.expect(OCTET_STRING)?;
        str::from_utf8(text).map(drop).map_err(|_| MessageError::NotUtf8)
    }

    /// Reads the next element, which must be a number from 0 to 2^31 - 1 with this tag.
    pub(super) fn expect_number(&mut self, tag: u8) -> Result<u32, MessageError> {
        let content = self.expect(tag)?;
        let is_valid =
            (1..=4).contains(&content.len()) && content.first().is_some_and(|b| *b < 128);
        if !is_valid {
            return Err(MessageError::InvalidNumber);
        }
        Ok(content.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Fails if there is another element.
    pub(super) fn end(self) -> Result<(), MessageError> {
        if self.is_empty() { Ok(()) } else { Err(MessageError::AdditionalBytes) }
    }
}
