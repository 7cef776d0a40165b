//! The vendor's `ExternalUserInfoModification`: the parts of an external user that
//! `SetExternalUserInfo` changes, as a set of flags
//! (docs/reference/wire-contract.md#d31-external-users).

use crate::domain::{InvalidField, Reason};

/// A set of parts of an external user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExternalUserParts(u8);

impl ExternalUserParts {
    pub(super) const NONE: Self = Self(0);
    pub(super) const USER_NAME: Self = Self(1);
    pub(super) const PASSWORD: Self = Self(2);
    pub(super) const ROLE: Self = Self(4);
    pub(super) const ACTIVE: Self = Self(8);
    const ALL: Self = Self(15);

    /// The vendor's names, without `UndefinedValue16`, which is a generated filler.
    const NAMES: [(&str, Self); 6] = [
        ("Unknown", Self::NONE),
        ("UserName", Self::USER_NAME),
        ("Password", Self::PASSWORD),
        ("Role", Self::ROLE),
        ("Active", Self::ACTIVE),
        ("All", Self::ALL),
    ];

    /// Parses the sum of the numbers, as the TypeScript client sends it, or names in any case:
    /// separated by commas, as JSON clients of .NET write them, or by white space, as XML clients
    /// do. An empty text has no part.
    ///
    /// # Errors
    /// Names `field` when a name or a number is unknown.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, InvalidField> {
        let unknown = || InvalidField::new(field, Reason::UnknownExternalUserPart);
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::NONE);
        }
        if let Ok(number) = text.parse::<i128>() {
            let bits = u8::try_from(number).map_err(|_| unknown())?;
            return if bits <= Self::ALL.0 { Ok(Self(bits)) } else { Err(unknown()) };
        }
        let mut parts = Self::NONE;
        for item in text.split(',') {
            if item.trim().is_empty() {
                return Err(unknown());
            }
            for name in item.split_whitespace() {
                let is_named = |(known, _): &&(&str, Self)| known.eq_ignore_ascii_case(name);
                let (_, part) = Self::NAMES.iter().find(is_named).ok_or_else(unknown)?;
                parts.0 |= part.0;
            }
        }
        Ok(parts)
    }

    /// True when the set has that part.
    pub(super) fn contains(self, part: Self) -> bool {
        self.0 & part.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_numbers_and_as_names() {
        for (text, bits) in [
            ("", 0),
            (" ", 0),
            ("0", 0),
            ("Unknown", 0),
            ("1", 1),
            ("UserName", 1),
            ("Password", 2),
            ("Role", 4),
            ("Active", 8),
            ("8", 8),
            ("15", 15),
            ("All", 15),
            ("UserName, Password", 3),
            ("username,PASSWORD , role", 7),
            ("Role Active", 12),
            ("Role\n  Active", 12),
            ("All, Unknown", 15),
            ("Active, Active", 8),
        ] {
            let parts = ExternalUserParts::parse("f", text).unwrap();
            assert_eq!(parts, ExternalUserParts(bits), "{text:?}");
        }
    }

    #[test]
    fn unknown_parts_are_refused() {
        for text in [
            "16",
            "17",
            "-1",
            "256",
            "99999999999999999999999999999999999999999999",
            "1.0",
            "1, 2",
            "UndefinedValue16",
            "Name",
            "UserName, Name",
            "UserName,",
            "UserName,,Role",
            ",",
            "UserName|Role",
        ] {
            let refused = ExternalUserParts::parse("f", text).unwrap_err();
            assert_eq!(
                refused,
                InvalidField::new("f", Reason::UnknownExternalUserPart),
                "{text:?}"
            );
        }
    }
}
