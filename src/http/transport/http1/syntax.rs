//! The elements that all parts of a request share.

/// A request that is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Violation {
    /// Its framing is invalid or ambiguous.
    Malformed,
    /// Its head is too large, or has too many headers.
    HeadTooLarge,
}

/// True for a character of a method or a header name (RFC 9110, section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
