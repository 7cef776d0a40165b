//! Finds the address to which a user's mails go.

use std::sync::Arc;

use secrecy::ExposeSecret;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    domain::{
        credential_type::{CredentialType, CredentialTypes},
        mail_address::MailAddress,
        user::User,
    },
    security::keyring_handle::KeyringHandle,
    service::{errors::KeyUnavailable, unsealing::unseal},
    storage::{StorageError, credentials},
};

/// An address was not looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindRecipientError {
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Finds addresses.
pub(crate) struct Recipients {
    pub(crate) keyring: KeyringHandle,
    pub(crate) types: Arc<CredentialTypes>,
    /// The type of the identifiers that are addresses, if the installation has one.
    pub(crate) address_type: Option<CredentialType>,
}

impl Recipients {
    /// The address of a user who may set a password by mail: the user is not retired, may have a
    /// password, and has one or no credential at all. A user with other credentials only would get a
    /// second way to log in.
    ///
    /// The address is the user's identifier of the configured type, else the login name, if it is an
    /// address. Only administrators and operators set either.
    ///
    /// # Errors
    /// See [`FindRecipientError`].
    pub(super) async fn find(
        &self,
        connection: &mut PgConnection,
        user: &User,
        now: OffsetDateTime,
    ) -> Result<Option<MailAddress>, FindRecipientError> {
        let types = credentials::list_types(connection, user.user_id).await?;
        let password = self.types.password();
        let has = |credential_type: &CredentialType| {
            types.iter().any(|name| name == credential_type.as_str())
        };
        let may_set_password = password.is_allowed_for(user.user_type)
            && !user.is_retired
            && (types.is_empty() || has(password));
        if !may_set_password {
            return Ok(None);
        }
        let Some(address_type) = self.address_type.as_ref().filter(|found| has(found)) else {
            return Ok(MailAddress::parse(&user.login_name));
        };
        let row =
            credentials::find_by_type(connection, user.user_id, address_type.as_str()).await?;
        let Some(row) = row.filter(|row| row.validity.contains(now)) else { return Ok(None) };
        let envelope = unseal(&self.keyring.current(), &row)?;
        let identifier = envelope.and_then(|envelope| envelope.identifier);
        Ok(identifier.and_then(|text| MailAddress::parse(text.expose_secret())))
    }
}
