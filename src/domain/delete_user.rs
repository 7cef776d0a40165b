//! The command that deletes a user.

use time::OffsetDateTime;

use super::user::{UserReference, UserType};

/// Delete a user.
#[derive(Debug)]
pub(crate) struct DeleteUser {
    pub(crate) user: UserReference,
    /// The deletion fails if the user was changed after this time; `None`: no check for changes.
    pub(crate) unmodified_since: Option<OffsetDateTime>,
    /// True: the deletion fails unless the user is external.
    pub(crate) is_for_external_users: bool,
}

impl DeleteUser {
    /// Deletes that user, whatever their type and their last change.
    pub(crate) fn of(user: UserReference) -> Self {
        Self { user, unmodified_since: None, is_for_external_users: false }
    }

    /// True when the command may delete users of that type.
    pub(crate) fn may_delete(&self, user_type: UserType) -> bool {
        !self.is_for_external_users || user_type == UserType::External
    }
}
