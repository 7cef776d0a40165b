//! Reads the role of a user.

use super::error::StorageError;
use crate::domain::role::Role;

/// Parses a stored role.
pub(super) fn parse_role(text: Option<&str>) -> Result<Option<Role>, StorageError> {
    let inconsistent = || StorageError::Inconsistent { table: "users" };
    text.map(|text| Role::parse(text).ok_or_else(inconsistent)).transpose()
}
