//! Licenses, which this service does not have.

use super::saving::Users;
use crate::{
    domain::{change_context::ChangeContext, user::UserId},
    service::errors::ChangeUserError,
};

impl Users {
    /// Removes the licenses of a user, who has none: checks the right and the user, and changes
    /// nothing.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn remove_licenses(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<(), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.directory.find_by_id(user_id).await?.map(drop).ok_or(ChangeUserError::UnknownUser)
    }
}
