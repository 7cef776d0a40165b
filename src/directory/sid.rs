//! Decodes security identifiers (`objectSid`) to their text (MS-DTYP, sections 2.4.2.1 and
//! 2.4.2.2).

use std::fmt::Write;

/// The largest number of sub-authorities.
const MAXIMUM_SUB_AUTHORITIES: usize = 15;

/// A security identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sid {
    authority: u64,
    /// At least one.
    sub_authorities: Vec<u32>,
}

impl Sid {
    /// Decodes the binary form; `None` unless the revision is 1, there are 1 to 15 sub-authorities,
    /// and the length is that of their number.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [1, count, authority @ ..] = bytes else { return None };
        let (authority, rest) = authority.split_first_chunk::<6>()?;
        let (sub_authorities, []) = rest.as_chunks::<4>() else { return None };
        let is_count = sub_authorities.len() == usize::from(*count);
        if !is_count || !(1..=MAXIMUM_SUB_AUTHORITIES).contains(&sub_authorities.len()) {
            return None;
        }
        let authority = authority.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let sub_authorities = sub_authorities.iter().map(|bytes| u32::from_le_bytes(*bytes));
        Some(Self { authority, sub_authorities: sub_authorities.collect() })
    }

    /// The relative identifier: the last sub-authority.
    pub(super) fn relative_id(&self) -> Option<u32> {
        self.sub_authorities.last().copied()
    }

    /// The text, such as `S-1-5-21-1-2-3-500`.
    pub(super) fn text(&self) -> String {
        // An authority of 2^32 or more is hexadecimal.
        let mut text = match u32::try_from(self.authority) {
            Ok(authority) => format!("S-1-{authority}"),
            Err(_) => format!("S-1-0x{:012X}", self.authority),
        };
        for sub_authority in &self.sub_authorities {
            // Writing to a string cannot fail.
            let _ = write!(text, "-{sub_authority}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Option<String> {
        Sid::decode(bytes).map(|sid| sid.text())
    }

    #[test]
    fn a_sid_has_the_text_that_windows_shows() {
        let domain = b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0\x11\xc3\x72\xb3\xe2\xcd\x72\x0d\xc2\xd6\x5b\xc3\xf4\x01\0\0";
        let sid = Sid::decode(domain).unwrap();
        assert_eq!(sid.text(), "S-1-5-21-3010642705-225627618-3277575874-500");
        assert_eq!(sid.relative_id(), Some(500));
        assert_eq!(text(b"\x01\x01\0\0\0\0\0\x01\0\0\0\0").unwrap(), "S-1-1-0");
        let builtin = b"\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x20\x02\0\0";
        assert_eq!(text(builtin).unwrap(), "S-1-5-32-544");
        let large = b"\x01\x01\x00\x01\0\0\0\x05\xff\xff\xff\xff";
        assert_eq!(text(large).unwrap(), "S-1-0x000100000005-4294967295");
    }

    #[test]
    fn a_sid_whose_length_or_count_is_wrong_is_refused() {
        let valid = b"\x01\x02\0\0\0\0\0\x05\x20\0\0\0\x20\x02\0\0";
        for length in 0..valid.len() {
            assert_eq!(Sid::decode(&valid[..length]), None, "{length}");
        }
        assert_eq!(Sid::decode(&[&valid[..], b"\0"].concat()), None, "longer");
        assert_eq!(Sid::decode(&[&valid[..], b"\0\0\0\0"].concat()), None, "one more");
        assert_eq!(Sid::decode(b"\x02\x01\0\0\0\0\0\x01\0\0\0\0"), None, "revision");
        assert_eq!(Sid::decode(b"\x01\0\0\0\0\0\0\x01"), None, "no sub-authority");
        let many = |count: u8| {
            [&[1, count, 0, 0, 0, 0, 0, 5][..], &vec![0; 4 * usize::from(count)]].concat()
        };
        assert!(Sid::decode(&many(15)).is_some());
        assert_eq!(Sid::decode(&many(16)), None);
    }
}
