//! Roles: the rights of users beside the administrator right (docs/reference/rights.md,
//! [ADR 61](../../docs/adr/0061-roles.md)).

use super::invalid_field::{InvalidField, Reason};

stored_enum! {
    /// A role of a user. It has nothing to do with the vendor's `Role`.
    Role {
        /// Helps users who cannot log in: unlocks them, generates passwords, ends sessions.
        HelpDesk => "help_desk",
        /// Reads everything that an administrator reads, and changes nothing.
        Auditor => "auditor",
    }
}

/// The text of no role.
const NONE: &str = "none";

impl Role {
    /// Parses a role as a caller writes it.
    ///
    /// # Errors
    /// Names `field` when no role has that name.
    pub(crate) fn parse_optional(field: &str, text: &str) -> Result<Option<Self>, InvalidField> {
        if text == NONE {
            return Ok(None);
        }
        let unknown = || InvalidField::new(field, Reason::UnknownOwnRole);
        Self::parse(text).map(Some).ok_or_else(unknown)
    }

    /// The text that [`Self::parse_optional`] reads.
    pub(crate) fn optional_text(role: Option<Self>) -> &'static str {
        role.map_or(NONE, Self::as_str)
    }
}
