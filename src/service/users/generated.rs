//! Adds users with a generated password, and recognizes a form that adds the same user twice.

use secrecy::SecretString;
use uuid::Uuid;

use super::{
    directory::{UserWithCredentials, find_with_credentials},
    saving::Users,
};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        credential::CredentialValue,
        save_credential::NewCredential,
        save_user::SaveUser,
        user::{LoginName, User, UserReference},
    },
    security::generated_password::FormOfPassword,
    service::{
        credentials::repeated::{SentValue, event_of_actor, has_just_saved},
        errors::ChangeUserError,
    },
    storage::audit_events,
};

impl Users {
    /// Adds a user with a generated password, in one transaction, and returns the password; it
    /// cannot be read again. A form that is sent again within a minute adds nobody, and gets the same
    /// password.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn create_with_generated_password(
        &self,
        context: ChangeContext<'_>,
        mut command: SaveUser,
        form_id: Option<Uuid>,
    ) -> Result<(UserWithCredentials, SecretString), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        let login_name = command.login_names.first().map(|given| given.name().clone());
        let subject = login_name.as_ref().map_or("", LoginName::canonical);
        let form = FormOfPassword { actor: context.actor.user_id(), subject, form_id };
        let keyring = &self.writer.keyring;
        let generated = self.passwords.generate_for(context, keyring, form).await?;
        let (text, value) = generated;
        command.credentials.push(NewCredential::new(self.types.password().clone(), value));
        let created = match self.create(context, None, command).await {
            Err(ChangeUserError::LoginNameTaken) => {
                let added = self.find_just_added(context, login_name, &text).await?;
                added.ok_or(ChangeUserError::LoginNameTaken)?
            }
            created => created?,
        };
        Ok((created, text))
    }

    /// The user with that login name, if the actor has just added them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn just_added(
        &self,
        context: ChangeContext<'_>,
        login_name: LoginName,
    ) -> Result<Option<User>, ChangeUserError> {
        let found = self.directory.find(&UserReference::Name(login_name)).await?;
        let Some(user) = found else { return Ok(None) };
        let added = event_of_actor(context, user.user_id, 1, AuditKind::UserAdded);
        let Some(added) = added else { return Ok(None) };
        let mut connection = self.database.connection().await?;
        let is_own = audit_events::exists(&mut connection, &added).await?;
        Ok(is_own.then_some(user))
    }

    /// The user with that login name, if the actor has just added them with that password.
    async fn find_just_added(
        &self,
        context: ChangeContext<'_>,
        login_name: Option<LoginName>,
        password: &SecretString,
    ) -> Result<Option<UserWithCredentials>, ChangeUserError> {
        let Some(login_name) = login_name else { return Ok(None) };
        let Some(user) = self.just_added(context, login_name).await? else { return Ok(None) };
        let value = CredentialValue::parse("Password", password)?;
        let user_id = user.user_id;
        let type_name = self.types.password().as_str();
        let sent = SentValue { user_id, type_name, value: &value };
        let (hashing, keyring) = (&self.passwords.hashing, &self.writer.keyring);
        if !has_just_saved(&self.database, hashing, keyring, context, sent).await? {
            return Ok(None);
        }
        let mut connection = self.database.connection().await?;
        Ok(find_with_credentials(&mut connection, user_id).await?)
    }
}
