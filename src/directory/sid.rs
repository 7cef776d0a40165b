//! Converts security identifiers (`objectSid`) to their text and back (MS-DTYP, sections 2.4.2.1
//! and 2.4.2.2).

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

    /// Parses the text; `None` unless it is the one that [`Self::text`] returns.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (authority, numbers) = text.strip_prefix("S-1-")?.split_once('-')?;
        let authority = match authority.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok()?,
            None => authority.parse().ok()?,
        };
        let sub_authorities: Vec<u32> =
            numbers.split('-').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let sid = Self { authority, sub_authorities };
        let is_valid = authority < 1 << 48 && sid.sub_authorities.len() <= MAXIMUM_SUB_AUTHORITIES;
        // There is one text for each identifier: without signs, leading zeros and small letters.
        (is_valid && sid.text() == text).then_some(sid)
    }

    /// The binary form.
    pub(super) fn encode(&self) -> Vec<u8> {
        // At most 15.
        let count = u8::try_from(self.sub_authorities.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![1, count];
        bytes.extend(self.authority.to_be_bytes().into_iter().skip(2));
        bytes.extend(self.sub_authorities.iter().flat_map(|number| number.to_le_bytes()));
        bytes
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
    fn the_text_of_a_sid_is_that_of_one_binary_form() {
        for text in [
            "S-1-5-21-3010642705-225627618-3277575874-500",
            "S-1-1-0",
            "S-1-0x000100000005-4294967295",
            "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15",
        ] {
            let sid = Sid::parse(text).unwrap();
            assert_eq!(Sid::decode(&sid.encode()).unwrap(), sid, "{text}");
            assert_eq!(sid.text(), text);
        }
        for text in [
            "",
            "S-1-5",
            "S-1-5-",
            "S-1--21",
            "S-2-5-21",
            "s-1-5-21",
            "S-1-5-021",
            "S-1-5-+21",
            "S-1-5-4294967296",
            "S-1-4294967296-1",
            "S-1-0x1-1",
            "S-1-0x00010000000a-1",
            "S-1-0x1000000000000-1",
            "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
            "S-1-5-21)(cn=*",
        ] {
            assert_eq!(Sid::parse(text), None, "{text}");
        }
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
