//! Sets a new password with the link of a mail.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::recipients::{FindRecipientError, Recipients};
use crate::{
    detached::detached,
    domain::{
        change_context::ChangeContext, client_info::ClientInfo, credential::CredentialValue,
        credential_type::CredentialTypes, principal::Actor, save_credential::NewCredential,
        user::UserId,
    },
    security::{
        keyring_handle::KeyringHandle,
        session_cookie::{SessionReference, read_session},
        ticket_digest::TicketDigests,
    },
    service::{
        credentials::{
            hasher::{CredentialHasher, HashedCredential},
            other_value::require_other_value,
            repeated::{REPEATED_WITHIN, SentValue, has_just_saved},
            writer::{CredentialWriter, Save, SaveEffect, WritePrecondition},
        },
        errors::SaveCredentialError,
    },
    storage::{
        self, Database, StorageError, credential_saves,
        password_links::{self, PasswordLink},
        users, working_for,
    },
};

/// What the keyed digest of a link is of, beside `ticket` and `session`.
pub(super) const LINK: &str = "password_link";

/// The options of the links in mails.
pub(crate) struct LinkOptions {
    /// The URL of the page, without the token.
    pub(crate) page_url: String,
    pub(crate) lifetime: Duration,
}

/// A link was not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UseLinkError {
    /// It never existed, has expired, was used, or the password or the address was changed since.
    #[error("the link is invalid or expired")]
    Invalid,
    #[error(transparent)]
    Save(#[from] SaveCredentialError),
}

impl From<StorageError> for UseLinkError {
    fn from(error: StorageError) -> Self {
        SaveCredentialError::from(error).into()
    }
}

impl From<FindRecipientError> for UseLinkError {
    fn from(error: FindRecipientError) -> Self {
        match error {
            FindRecipientError::KeyUnavailable(error) => SaveCredentialError::from(error).into(),
            FindRecipientError::Storage(error) => error.into(),
        }
    }
}

/// Checks and uses links.
pub(crate) struct PasswordLinks {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) types: Arc<CredentialTypes>,
    pub(crate) recipients: Arc<Recipients>,
    pub(crate) hasher: Arc<CredentialHasher>,
    pub(crate) writer: Arc<CredentialWriter>,
}

impl PasswordLinks {
    /// True for the token of a link that can be used now. Does not use it.
    ///
    /// # Errors
    /// See [`FindRecipientError`].
    pub(crate) async fn is_valid(
        &self,
        token: &SecretString,
        now: OffsetDateTime,
    ) -> Result<bool, FindRecipientError> {
        let Some(SessionReference { user_id, digest }) = read_session(token) else {
            return Ok(false);
        };
        let digests = self.digests(user_id, &digest);
        let mut connection = self.database.connection().await?;
        let is_valid = self.is_usable(&mut connection, user_id, &digests, now).await?;
        connection.release();
        Ok(is_valid)
    }

    /// Sets the password of the user of a link. The link, the user's other links, and everything that
    /// was issued to the user end. A form that is sent again within a minute gets the same answer.
    ///
    /// # Errors
    /// See [`UseLinkError`]. A refused password does not use the link.
    pub(crate) async fn set_password(
        self: Arc<Self>,
        token: &SecretString,
        password: CredentialValue,
        client_info: ClientInfo,
        now: OffsetDateTime,
    ) -> Result<(), UseLinkError> {
        let link = read_session(token).ok_or(UseLinkError::Invalid)?;
        let digests = self.digests(link.user_id, &link.digest);
        let actor = Actor::PasswordLink(link.user_id);
        let context = ChangeContext { actor, client_info: &client_info, reason: None, now };
        let used = self.use_link(context, link.user_id, &digests, password.clone()).await;
        let Err(UseLinkError::Invalid) = used else { return used };
        let caller = actor.fairness_key();
        // A browser drops the first request of a double click, which has taken the link.
        let repeated = detached(working_for(caller, async move {
            let context = ChangeContext { actor, client_info: &client_info, reason: None, now };
            self.has_just_set(context, link.user_id, &digests, &password).await
        }));
        if repeated.await? { Ok(()) } else { used }
    }

    async fn use_link(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digests: &[Vec<u8>],
        password: CredentialValue,
    ) -> Result<(), UseLinkError> {
        let now = context.now;
        let hashed = self.hash(context, user_id, digests, password).await?;
        let mut connection = self.database.connection_of(context.actor.fairness_key()).await?;
        let mut transaction = connection.begin().await?;
        // The lock orders this use before or after another one, and before or after a change of the
        // password or the address.
        users::lock(&mut transaction, user_id).await?;
        if !self.is_usable(&mut transaction, user_id, digests, now).await? {
            return Err(UseLinkError::Invalid);
        }
        let precondition = WritePrecondition::Nothing;
        let save = Save {
            context,
            user_id,
            login_name: None,
            hashed: &hashed,
            precondition,
            effect: SaveEffect::NewValue,
        };
        self.writer.write(&mut transaction, save).await?;
        let link = password_links::delete_of_user(&mut transaction, user_id, digests).await?;
        // The used link is remembered as one that expires now, for a form that is sent again. On an
        // instance whose clock is behind that of the one which sent the link, it is not.
        if let Some(link) = link.filter(|link| link.created_at < now) {
            let used = PasswordLink { expires_at: now, ..link };
            password_links::insert(&mut transaction, &used).await?;
        }
        storage::commit(transaction).await?;
        connection.release();
        Ok(())
    }

    /// True when this link has just set this password.
    async fn has_just_set(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digests: &[Vec<u8>],
        password: &CredentialValue,
    ) -> Result<bool, UseLinkError> {
        let since = context.now - REPEATED_WITHIN;
        // Taken, so that guesses at the same time cannot be compared with the password.
        let taken = on_connection!(self.database, |connection| {
            password_links::take_used(&mut connection, user_id, digests, since, context.now)
        })?;
        let Some(link) = taken else { return Ok(false) };
        // Only the link that was used: the use of another one would have deleted it.
        let type_name = self.types.password().as_str();
        let sent = SentValue { user_id, type_name, value: password };
        let (hashing, keyring) = (&self.hasher.hashing, &self.keyring);
        let is_saved = has_just_saved(&self.database, hashing, keyring, context, sent).await;
        if matches!(is_saved, Ok(false)) {
            let reason = "another value was saved just before";
            tracing::warn!(user.id = %user_id, reason, "a repeated form was not accepted");
        } else {
            // An error says nothing about the password.
            on_connection!(self.database, |connection| {
                password_links::insert(&mut connection, &link)
            })?;
        }
        Ok(is_saved?)
    }

    /// Checks the link and hashes the password. No connection is held meanwhile.
    async fn hash(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        digests: &[Vec<u8>],
        password: CredentialValue,
    ) -> Result<HashedCredential, UseLinkError> {
        let mut connection = self.database.connection().await?;
        if !self.is_usable(&mut connection, user_id, digests, context.now).await? {
            return Err(UseLinkError::Invalid);
        }
        connection.release();
        let credential_type = self.types.password();
        let found = read_on_connection!(self.database, |connection| {
            credential_saves::find_head_and_replaced(
                &mut connection,
                user_id,
                credential_type.as_str(),
            )
        })?;
        let (head, replaced) = found.ok_or(UseLinkError::Invalid)?;
        let mut credential = NewCredential::new(credential_type.clone(), password);
        // As every save of an owner: it does not extend a validity that an operator set.
        let validity = replaced.map(|replaced| replaced.validity);
        credential.validity = validity.filter(|_| credential_type.lifetime().is_none());
        if replaced.is_some_and(|replaced| replaced.must_change) {
            // Only a value that would be saved is compared: one that the policy refuses does not
            // use the link, so guesses could be compared without a limit.
            self.hasher.check(context, &head.login_name, &credential).await?;
            let caller = context.actor.fairness_key();
            let (hashing, writer) = (&self.hasher.hashing, &self.writer);
            require_other_value(&self.database, hashing, writer, caller, user_id, &credential)
                .await?;
        }
        Ok(self.hasher.hash(context, &head.login_name, credential).await?)
    }

    /// True if the user's link under one of these digests is valid, and a mail to the user would go to
    /// the address that the link went to.
    async fn is_usable(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
        digests: &[Vec<u8>],
        now: OffsetDateTime,
    ) -> Result<bool, FindRecipientError> {
        let found = password_links::find_address(connection, user_id, digests, now).await?;
        let Some(address_digest) = found else { return Ok(false) };
        let Some(user) = users::find_by_id(connection, user_id).await? else { return Ok(false) };
        let recipient = self.recipients.find(connection, &user, now).await?;
        let current = recipient.map(|recipient| self.recipients.digests(&recipient));
        let is_of_link = |digest: &Vec<u8>| digest.ct_eq(&address_digest).into();
        Ok(current.is_some_and(|digests| digests.iter().any(is_of_link)))
    }

    fn digests(&self, user_id: UserId, digest: &[u8]) -> Vec<Vec<u8>> {
        TicketDigests::of(&self.keyring.current(), LINK, user_id, digest).readable
    }
}
