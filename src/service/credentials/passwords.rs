//! Setting and changing passwords: other ways to save a `CRM5/PASSWORD`, through the same function.

use secrecy::SecretString;

use crate::service::{
    Service,
    credentials::saving::{PasswordProof, SaveCredentialError},
    throttling::counting::LOCKED,
};
use crate::{
    domain::{
        change_context::ChangeContext,
        credential::CredentialValue,
        passwords::{ChangePassword, SetPassword},
        principal::Principal,
        save_credential::{NewCredential, SaveCredential},
        user::{LoginName, User, UserId, UserReference},
    },
    security::{
        generated_password::generate_password,
        hashing::{self, VerificationRequest},
    },
    storage::{StorageError, credentials},
};

/// Passwords that are made up at most until one is taken.
const GENERATED: usize = 5;

impl Service {
    /// Sets a password at an administrator's word.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn set_password(
        &self,
        context: ChangeContext<'_>,
        command: SetPassword,
    ) -> Result<(), SaveCredentialError> {
        if !context.actor.may_act_on_anybody() {
            return Err(SaveCredentialError::Forbidden);
        }
        let user_id = self.resolve(&command.user).await?.user_id;
        self.save_password(context, user_id, command.password, None).await
    }

    /// Sets a password that is made up here, and tells it this once.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn set_generated_password(
        &self,
        context: ChangeContext<'_>,
        user: UserReference,
    ) -> Result<SecretString, SaveCredentialError> {
        // One in many thousands is taken for a common one.
        let mut text = generate_password()?;
        for _ in 0..GENERATED {
            let value = CredentialValue::parse("Password", &text)
                .map_err(|_| SaveCredentialError::Unwritable)?;
            if self.password_problems(context.actor.caller(), "", &value).await?.is_empty() {
                break;
            }
            text = generate_password()?;
        }
        let password = CredentialValue::parse("Password", &text)
            .map_err(|_| SaveCredentialError::Unwritable)?;
        self.set_password(context, SetPassword { user, password }).await?;
        Ok(text)
    }

    /// Replaces a password by whoever knows it; false when they do not (protocol.md 10.17).
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn change_password(
        &self,
        context: ChangeContext<'_>,
        command: ChangePassword,
    ) -> Result<bool, SaveCredentialError> {
        let ChangePassword { user, old, new } = command;
        let Some(old) = old else {
            self.set_password(context, SetPassword { user, password: new }).await?;
            return Ok(true);
        };
        if !context.actor.may_change_password_of(&user) {
            return Err(SaveCredentialError::Forbidden);
        }
        let user = self.resolve(&context.actor.meaning(user)).await?;
        let user_id = user.user_id;
        let Some(proven) = self.verify_password(context, &user, &old).await? else {
            return Ok(false);
        };
        self.save_password(context, user_id, new, Some(&proven)).await?;
        Ok(true)
    }

    /// True when the caller may give that user another password. Nobody who may not learns whether
    /// there is such a user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn can_change_password(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<bool, StorageError> {
        if !principal.may_change_password_of(&user) {
            return Ok(false);
        }
        Ok(self.find_referenced(&principal.meaning(user)).await?.is_some())
    }

    async fn save_password(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        value: CredentialValue,
        proven: Option<&PasswordProof>,
    ) -> Result<(), SaveCredentialError> {
        let credential_type = self.types.password().clone();
        let credential = NewCredential::new(credential_type, value);
        self.save_permitted(context, SaveCredential { user_id, credential }, proven).await
    }

    /// The user's stored password, if it is this one. Without a row the same work is done.
    async fn verify_password(
        &self,
        context: ChangeContext<'_>,
        user: &User,
        value: &CredentialValue,
    ) -> Result<Option<PasswordProof>, SaveCredentialError> {
        let user_id = user.user_id;
        let type_name = self.types.password().as_str();
        let row = on_connection!(self, |connection| credentials::find_by_type(
            &mut connection,
            user_id,
            type_name
        ))?;
        let hash = row.as_ref().map(|row| self.open_hash(row)).transpose()?.flatten();
        let attempt = self.attempt(user_id.into(), value, (context.client_info, context.now));
        let charged = self.reserve_attempt(&attempt, vec![type_name.to_owned()], true).await?;
        if charged.iter().any(|of| of.is_locked) {
            // The caller is authenticated already: there is nothing to hide.
            return Err(LOCKED.into());
        }
        let canonical_name = LoginName::parse(&user.login_name)
            .map_err(|_| StorageError::Inconsistent { table: "users" })?;
        let is_valid = row.as_ref().is_some_and(|row| row.validity.contains(context.now));
        let request = VerificationRequest {
            canonical_name: canonical_name.canonical(),
            credential_type: type_name,
            value,
            row: row.as_ref(),
            hash: hash.as_ref(),
            lets_in: is_valid && hash.is_some(),
        };
        let is_right = self.hashing.verify(context.actor.caller(), &request).await?
            != hashing::VerificationOutcome::Wrong;
        let proven = row.filter(|_| is_right && is_valid);
        if proven.is_some() {
            self.note_success(&attempt, type_name).await?;
        }
        Ok(proven.map(|row| (row.credential_type, row.version)))
    }

    async fn resolve(&self, user: &UserReference) -> Result<User, SaveCredentialError> {
        self.find_referenced(user).await?.ok_or(SaveCredentialError::UnknownUser)
    }
}
