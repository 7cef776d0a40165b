//! Users: their ids, names, types and rights.

use std::fmt;

use super::{
    invalid_field::{InvalidField, Reason},
    role::Role,
    text::nfkc_case_fold,
    vendor_ids::VendorIds,
    visible_text::require_visible,
};

/// The longest login name, in code points (docs/reference/wire-contract.md#d25-limits).
pub(crate) const MAXIMUM_LOGIN_NAME: usize = 239;

/// The prefix of every ticket, which no login name may have.
const TICKET_PREFIX: &str = "7T:";

/// The id of a user: the vendor's associate id, a positive 32-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UserId(i32);

impl UserId {
    /// The smallest id, where an id is needed and no user is meant.
    pub(crate) const SMALLEST: Self = Self(1);

    /// The id as stored and sent.
    pub(crate) fn as_i32(self) -> i32 {
        self.0
    }

    /// Checks a required id.
    ///
    /// # Errors
    /// Names `field` when the id is missing or invalid.
    pub(crate) fn require(field: &str, id: Option<i32>) -> Result<Self, InvalidField> {
        let id = id.ok_or_else(|| InvalidField::new(field, Reason::Required))?;
        Self::try_from(id).map_err(|refused| InvalidField::new(field, refused.reason))
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

/// A login name for a look-up: the text as given, and its canonical form. New names are a
/// [`NewLoginName`](super::new_login_name::NewLoginName), which has stricter rules.
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

    /// Checks a required name.
    ///
    /// # Errors
    /// As [`Self::parse`], naming `field`, and when the name is missing.
    pub(crate) fn require(field: &str, text: Option<&str>) -> Result<Self, InvalidField> {
        let text = text.ok_or_else(|| InvalidField::new(field, Reason::Required))?;
        Self::parse(text).map_err(|refused| InvalidField::new(field, refused.reason))
    }

    /// True when the stored login name is this one, perhaps in another spelling.
    pub(crate) fn is_spelled_as(&self, stored: &str) -> bool {
        Self::parse(stored).is_ok_and(|stored| stored.canonical == self.canonical)
    }

    /// The name to suggest when none was given.
    pub(super) fn default_suggestion() -> Self {
        Self { text: "user".to_owned(), canonical: "user".to_owned() }
    }

    /// The name as given.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical form, for look-ups.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }
}

/// The longest display name, in code points.
const MAXIMUM_DISPLAY_NAME: usize = 254;

/// The name that is shown to people: 1 to 254 code points, with a visible character, and without
/// terminal and bidirectional control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DisplayName(String);

impl DisplayName {
    /// Checks a name.
    ///
    /// # Errors
    /// Names `field` when the name is empty, blank or too long, or has a control or an invisible
    /// character. Joiners, direction marks and variation selectors are accepted: some scripts need
    /// them.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, InvalidField> {
        require_visible(field, text, MAXIMUM_DISPLAY_NAME)?;
        Ok(Self(text.to_owned()))
    }

    /// The login name as the display name. The rules of login names are stricter.
    pub(super) fn from_login_name(name: &LoginName) -> Self {
        Self(name.as_str().to_owned())
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// True when the text in place of a login name is a ticket
/// (docs/reference/wire-contract.md#d5-basic).
pub(crate) fn looks_like_ticket(text: &str) -> bool {
    text.starts_with(TICKET_PREFIX)
}

/// A reference to a user.
#[derive(Debug, Clone)]
pub(crate) enum UserReference {
    /// By id.
    Id(UserId),
    /// By login name.
    Name(LoginName),
}

impl UserReference {
    /// A reference by a required id.
    ///
    /// # Errors
    /// As [`UserId::require`].
    pub(crate) fn require_id(field: &str, id: Option<i32>) -> Result<Self, InvalidField> {
        UserId::require(field, id).map(Self::Id)
    }

    /// A reference by a required login name.
    ///
    /// # Errors
    /// As [`LoginName::require`].
    pub(crate) fn require_name(field: &str, text: Option<&str>) -> Result<Self, InvalidField> {
        LoginName::require(field, text).map(Self::Name)
    }

    /// The login name, in a reference by login name.
    pub(crate) fn login_name(&self) -> Option<&LoginName> {
        match self {
            Self::Id(_) => None,
            Self::Name(name) => Some(name),
        }
    }

    /// True when this reference is to that user.
    pub(crate) fn refers_to(&self, user: &User) -> bool {
        self.refers_to_named(user.user_id, &user.login_name)
    }

    /// True when this reference is to the user with that id and login name.
    pub(crate) fn refers_to_named(&self, user_id: UserId, login_name: &str) -> bool {
        match self {
            Self::Id(id) => *id == user_id,
            Self::Name(name) => name.is_spelled_as(login_name),
        }
    }
}

stored_enum! {
    /// The kind of a user, in the order of the vendor (docs/reference/wire-contract.md#carriers).
    UserType {
        /// An employee.
        Internal => "internal",
        /// A resource, such as a room.
        Resource => "resource",
        /// A person of another company.
        External => "external",
        /// A shared account without a person.
        Anonymous => "anonymous",
        /// A program.
        System => "system",
    }
}

impl UserType {
    /// True for users who may change nothing, even as administrators.
    fn is_outside(self) -> bool {
        matches!(self, Self::External | Self::Anonymous)
    }

    /// True for users who may change their own password.
    pub(crate) fn may_change_password(self) -> bool {
        !self.is_outside()
    }
}

/// A user.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) user_id: UserId,
    pub(crate) login_name: String,
    pub(crate) display_name: String,
    pub(crate) user_type: UserType,
    pub(crate) is_administrator: bool,
    /// A right beside the one of administrators, which includes it.
    pub(crate) role: Option<Role>,
    pub(crate) is_retired: bool,
    /// Incremented by each change that revokes all issued tickets, sessions and tokens.
    pub(crate) session_epoch: i64,
    pub(crate) vendor_ids: VendorIds,
    /// Empty: none.
    pub(crate) nick_name: String,
}

impl User {
    /// True for administrators and system users, who may administer all users.
    pub(crate) fn may_administer_users(&self) -> bool {
        may_administer_users(self.user_type, self.is_administrator) && !self.is_retired
    }

    /// True for administrators. The flag alone is not enough: it gives external users no rights.
    pub(crate) fn is_active_administrator(&self) -> bool {
        self.is_administrator && self.may_act()
    }

    /// The role in effect. The role alone is not enough: it gives external users no rights.
    pub(crate) fn active_role(&self) -> Option<Role> {
        self.role.filter(|_| self.may_act())
    }

    /// See [`is_protected`].
    pub(crate) fn is_protected(&self) -> bool {
        is_protected(self.user_type, self.is_administrator, self.role)
    }

    /// False for external, anonymous and retired users, who may change neither credentials nor
    /// users.
    pub(crate) fn may_act(&self) -> bool {
        !self.user_type.is_outside() && !self.is_retired
    }
}

/// True when a user with these properties may administer all users, unless retired.
pub(crate) fn may_administer_users(user_type: UserType, is_administrator: bool) -> bool {
    (is_administrator || user_type == UserType::System) && !user_type.is_outside()
}

/// True for users on whom the help desk may not act: it would gain their rights. A right counts even
/// while it has no effect, for example of a retired administrator, who may be enabled later.
pub(crate) fn is_protected(
    user_type: UserType,
    is_administrator: bool,
    role: Option<Role>,
) -> bool {
    is_administrator || role.is_some() || user_type == UserType::System
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
    fn a_display_name_has_a_visible_character_and_no_hidden_one() {
        for (name, reason) in [
            ("  \u{3000}", Reason::Blank),
            ("a\u{202e}b", Reason::InvisibleCharacter),
            ("a\u{2066}b", Reason::InvisibleCharacter),
            ("a\u{200b}b", Reason::InvisibleCharacter),
            ("a\u{e0041}b", Reason::InvisibleCharacter),
            ("a\u{feff}", Reason::InvisibleCharacter),
        ] {
            let refused = DisplayName::parse("f", name).unwrap_err();
            assert_eq!(refused.reason, reason, "{name:?}");
        }
        // A Persian name, a family of three, a colored heart, a Hebrew name before a number.
        for name in
            ["می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧", "❤\u{fe0f}", "דן\u{200f} 2", " Ada "]
        {
            assert!(DisplayName::parse("f", name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn every_user_type_round_trips() {
        for user_type in UserType::ALL {
            assert_eq!(UserType::parse(user_type.as_str()), Some(user_type));
        }
    }
}
