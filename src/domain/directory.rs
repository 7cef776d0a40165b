//! Groups and users of a directory, such as Active Directory, that callers choose from.

use super::invalid_field::{InvalidField, Reason};

/// The longest search string, in code points.
const MAXIMUM_SEARCH: usize = 254;

/// The longest name of a group, in code points: a distinguished name.
const MAXIMUM_GROUP_NAME: usize = 2048;

/// A part of a name that is searched. Any character is allowed; empty matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchString(String);

impl SearchString {
    /// Checks a search string.
    ///
    /// # Errors
    /// Names `field` when the text is too long.
    pub(crate) fn parse(field: &str, text: String) -> Result<Self, InvalidField> {
        require_at_most(field, &text, MAXIMUM_SEARCH)?;
        Ok(Self(text))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The full name of a group, as a search returned it. Empty: the group that has no users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupName(String);

impl GroupName {
    /// Checks a name.
    ///
    /// # Errors
    /// Names `field` when the text is missing or too long.
    pub(crate) fn require(field: &str, text: Option<String>) -> Result<Self, InvalidField> {
        let text = text.ok_or_else(|| InvalidField::new(field, Reason::Required))?;
        require_at_most(field, &text, MAXIMUM_GROUP_NAME)?;
        Ok(Self(text))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn require_at_most(field: &str, text: &str, limit: usize) -> Result<(), InvalidField> {
    if text.chars().count() > limit {
        return Err(InvalidField::new(field, Reason::TooManyCharacters(limit)));
    }
    Ok(())
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DirectoryGroup {
    /// The full name: its distinguished name.
    pub(crate) name: String,
    pub(crate) display_name: String,
}

/// A user of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectoryUser {
    /// The value of a credential, such as a SID.
    pub(crate) value: String,
    /// The display value of a credential, such as `DOM\user`.
    pub(crate) display_value: String,
    /// One text for each heading.
    pub(crate) columns: Vec<String>,
}

/// Users with their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DirectoryUsers {
    pub(crate) headings: Vec<String>,
    pub(crate) users: Vec<DirectoryUser>,
}
