//! Adding and finding users. For operators; the API's own calls come later.

use time::OffsetDateTime;

use super::{
    Service,
    credentials::{HashedCredential, Save, SaveCredentialError},
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditKind},
        caller::{Caller, Origin},
        credential::CredentialValue,
        principal::{Actor, AuthenticationScheme},
        save_credential::SaveCredential,
        user::{LoginName, NewUser, User, UserId},
    },
    security::audit_chain::{START_OF_CHAIN, audit_mac},
    storage::{
        self, StorageError, audit_events,
        users::{self, InsertUserError},
    },
};

/// How many users are read at a time.
const PAGE: i64 = 500;

/// Why a user was not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddUserError {
    #[error(transparent)]
    Insert(#[from] InsertUserError),
    #[error(transparent)]
    Password(#[from] SaveCredentialError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Service {
    /// Adds a user with a first password, in one transaction.
    ///
    /// # Errors
    /// When name or id are taken, or the password could not be saved; then nothing is there.
    pub(crate) async fn add_user(
        &self,
        user: &NewUser,
        password: CredentialValue,
        origin: &Origin,
        now: OffsetDateTime,
    ) -> Result<UserId, AddUserError> {
        let user_id = match user.user_id {
            Some(user_id) => user_id,
            None => self.free_user_id().await?,
        };
        let hashed = self.hash_first_password(user_id, password).await?;
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let key = self.keyring.writing();
        let event = added_event(user_id, origin, now);
        let mac = audit_mac(key, &START_OF_CHAIN, &event);
        users::insert(&mut transaction, user_id, user, &mac, now).await?;
        audit_events::insert(&mut transaction, &event, key.id(), &mac).await?;
        let save = Save { actor: Actor::Command, origin, user_id, hashed: &hashed, now };
        self.write_credential(&mut transaction, save).await?;
        storage::commit(transaction).await?;
        Ok(user_id)
    }

    /// The next id that no operator has given to anybody by hand.
    async fn free_user_id(&self) -> Result<UserId, StorageError> {
        let mut connection = self.connection().await?;
        loop {
            let user_id = users::next_id(&mut connection).await?;
            if users::find_by_id(&mut connection, user_id).await?.is_none() {
                return Ok(user_id);
            }
        }
    }

    async fn hash_first_password(
        &self,
        user_id: UserId,
        value: CredentialValue,
    ) -> Result<HashedCredential, SaveCredentialError> {
        let credential_type = self.types.password().clone();
        let command = SaveCredential { user_id, credential_type, value, display_value: None };
        self.hash_credential(Caller::Command, command).await
    }

    /// The user of that login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_user_by_name(
        &self,
        name: &LoginName,
    ) -> Result<Option<User>, StorageError> {
        users::find_by_login_name(&mut *self.connection().await?, name.canonical()).await
    }

    /// The user of that id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_user(&self, user_id: UserId) -> Result<Option<User>, StorageError> {
        users::find_by_id(&mut *self.connection().await?, user_id).await
    }

    /// The next users after an id, a page at a time; an empty page is the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_users_after(
        &self,
        after: Option<UserId>,
    ) -> Result<Vec<User>, StorageError> {
        let after = after.map_or(0, UserId::as_i32);
        users::list_after(&mut *self.connection().await?, after, PAGE).await
    }
}

fn added_event(user_id: UserId, origin: &Origin, now: OffsetDateTime) -> AuditEvent {
    AuditEvent {
        user_id,
        sequence: 1,
        occurred_at: now,
        kind: AuditKind::UserAdded,
        actor: None,
        scheme: AuthenticationScheme::Command.as_str(),
        address: origin.address.map(|address| address.to_string()),
        request_id: origin.request_id.clone(),
        credential_type: None,
        session_epoch: 0,
    }
}
