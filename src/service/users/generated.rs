//! Adds users with a generated password.

use secrecy::SecretString;

use super::{directory::UserWithCredentials, saving::Users};
use crate::{
    domain::{change_context::ChangeContext, save_credential::NewCredential, save_user::SaveUser},
    service::errors::ChangeUserError,
};

impl Users {
    /// Adds a user with a generated password, in one transaction, and returns the password; it
    /// cannot be read again.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn create_with_generated_password(
        &self,
        context: ChangeContext<'_>,
        mut command: SaveUser,
    ) -> Result<(UserWithCredentials, SecretString), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        let (text, value) = self.passwords.generate(context.actor.fairness_key()).await?;
        command.credentials.push(NewCredential::new(self.types.password().clone(), value));
        let created = self.create(context, None, command).await?;
        Ok((created, text))
    }
}
