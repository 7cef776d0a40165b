//! Generates passwords of external users.

use secrecy::SecretString;

use super::saving::Users;
use crate::{
    domain::{
        change_context::ChangeContext, save_credential::NewCredential, save_user::SaveUser,
        user::UserReference,
    },
    service::errors::ChangeUserError,
};

impl Users {
    /// Sets a generated password of an external user and returns it; it cannot be read again.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn set_generated_password_of_external(
        &self,
        context: ChangeContext<'_>,
        user: &UserReference,
    ) -> Result<SecretString, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        let (text, value) = self.passwords.generate(context.actor.fairness_key()).await?;
        let command = SaveUser {
            is_for_external_users: true,
            credentials: vec![NewCredential::new(self.types.password().clone(), value)],
            ..SaveUser::default()
        };
        self.save_existing(context, user, command).await?;
        Ok(text)
    }
}
