//! Users: their id, their login name, their type.

use std::fmt;

use super::{InvalidField, Reason, text::nfkc_case_fold};

/// The longest login name, in code points (protocol.md 10.25).
const MAXIMUM_LOGIN_NAME: usize = 239;

/// What every ticket text starts with; no login name may.
const TICKET_PREFIX: &str = "7T:";

/// A user's id: the vendor's associate id, a positive int32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct UserId(i32);

impl UserId {
    /// The id as stored and sent.
    pub(crate) fn as_i32(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for UserId {
    type Error = InvalidField;

    fn try_from(id: i32) -> Result<Self, InvalidField> {
        if id > 0 { Ok(Self(id)) } else { Err(InvalidField::new("UserId", Reason::NotPositive)) }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A login name as it was given, with the canonical form it is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginName {
    text: String,
    canonical: String,
}

impl LoginName {
    /// Parses a name.
    ///
    /// # Errors
    /// Names the field when the name is empty, too long, has a control character or a colon
    /// (Basic splits at the first one), or starts like a ticket.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidField> {
        let refuse = |reason| Err(InvalidField::new("UserName", reason));
        let canonical = nfkc_case_fold(text);
        let length = text.chars().count().max(canonical.chars().count());
        if text.is_empty() || canonical.is_empty() {
            return refuse(Reason::Empty);
        }
        if length > MAXIMUM_LOGIN_NAME {
            return refuse(Reason::TooManyCharacters(MAXIMUM_LOGIN_NAME));
        }
        if text.chars().chain(canonical.chars()).any(|c| c.is_control() || c == ':') {
            return refuse(Reason::NameCharacters);
        }
        Ok(Self { text: text.to_owned(), canonical })
    }

    /// The name as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The one form for lookup.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// True when a text is a ticket where a login name could stand (protocol.md 10.5).
pub(crate) fn looks_like_ticket(text: &str) -> bool {
    text.starts_with(TICKET_PREFIX)
}

/// What kind of user this is, in the vendor's terms (protocol.md 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserType {
    /// An employee.
    Internal,
    /// A resource, such as a room.
    Resource,
    /// A person of another company.
    External,
    /// Nobody in particular.
    Anonymous,
    /// A program.
    System,
}

impl UserType {
    /// Every type, in the vendor's order.
    pub(crate) const ALL: [Self; 5] =
        [Self::Internal, Self::Resource, Self::External, Self::Anonymous, Self::System];

    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Resource => "resource",
            Self::External => "external",
            Self::Anonymous => "anonymous",
            Self::System => "system",
        }
    }

    /// The type with this stored spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|user_type| user_type.as_str() == text)
    }
}

/// A user as others see them.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) user_id: UserId,
    pub(crate) login_name: String,
    pub(crate) display_name: String,
    pub(crate) user_type: UserType,
    pub(crate) is_administrator: bool,
    pub(crate) is_retired: bool,
    /// Counts the changes that end everything derived from a password.
    pub(crate) session_epoch: i64,
}

/// A user to be added.
#[derive(Debug, Clone)]
pub(crate) struct NewUser {
    /// `None`: the next free id from 1000 on.
    pub(crate) user_id: Option<UserId>,
    pub(crate) login_name: LoginName,
    pub(crate) display_name: String,
    pub(crate) user_type: UserType,
    pub(crate) is_administrator: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positive() {
        assert!(UserId::try_from(1).is_ok());
        assert!(UserId::try_from(i32::MAX).is_ok());
        assert!(UserId::try_from(0).is_err());
        assert!(UserId::try_from(-1).is_err());
    }

    #[test]
    fn a_login_name_has_1_to_239_code_points() {
        assert!(LoginName::parse(&"å".repeat(239)).is_ok());
        assert!(LoginName::parse(&"å".repeat(240)).is_err());
        assert!(LoginName::parse("").is_err());
    }

    #[test]
    fn a_name_whose_canonical_form_is_too_long_is_refused() {
        // U+FDFA becomes 18 characters under NFKC.
        assert!(LoginName::parse(&"\u{fdfa}".repeat(14)).is_err());
    }

    #[test]
    fn a_login_name_has_no_colon_and_no_control_character() {
        for name in ["a:b", "7T:abc", "a\u{0}b", "a\nb", "a：b"] {
            assert!(LoginName::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn every_user_type_reads_back() {
        for user_type in UserType::ALL {
            assert_eq!(UserType::parse(user_type.as_str()), Some(user_type));
        }
    }
}
