//! An unambiguous encoding of several fields as bytes, for seals and MACs.
//!
//! Without lengths, ("ab", "c") and ("a", "bc") would have the same bytes, and one could replace
//! the other.

use zeroize::Zeroizing;

/// The bytes to reserve: an audit event or a sealed hash rarely has more. A buffer that grows is
/// copied and wiped each time.
const CAPACITY: usize = 384;

/// Fields, each preceded by its length as four bytes, big-endian.
#[derive(Default)]
pub(super) struct LengthPrefixed(Zeroizing<Vec<u8>>);

impl LengthPrefixed {
    /// Starts with the purpose, so that no two uses share an encoding.
    pub(super) fn of(purpose: &str) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(CAPACITY))).field(purpose.as_bytes())
    }

    /// Adds a field.
    pub(super) fn field(mut self, bytes: &[u8]) -> Self {
        // No field is longer than 4 GiB: bodies have at most 64 KiB.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds an optional field. An absent field differs from an empty one.
    pub(super) fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.field(&[1]).field(bytes),
            None => self.field(&[0]),
        }
    }

    /// The encoding of all fields.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Takes the first field of `bytes`. `None` when it is missing or truncated.
pub(super) fn take_field<'bytes>(bytes: &mut &'bytes [u8]) -> Option<&'bytes [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (field, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_the_encoding() {
        let left = LengthPrefixed::of("p").field(b"ab").field(b"c");
        let right = LengthPrefixed::of("p").field(b"a").field(b"bc");
        assert_ne!(left.as_bytes(), right.as_bytes());
    }

    #[test]
    fn fields_are_taken_in_order_and_a_truncated_one_is_none() {
        let encoded = LengthPrefixed::of("p").field(b"").field(b"xyz");
        let mut bytes = encoded.as_bytes();
        assert_eq!(take_field(&mut bytes), Some(&b"p"[..]));
        assert_eq!(take_field(&mut bytes), Some(&b""[..]));
        assert_eq!(take_field(&mut bytes), Some(&b"xyz"[..]));
        assert_eq!(take_field(&mut bytes), None);
        let mut cut = &encoded.as_bytes()[..encoded.as_bytes().len() - 1];
        for _ in 0..2 {
            take_field(&mut cut).unwrap();
        }
        assert_eq!(take_field(&mut cut), None);
    }
}
