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
    security::{
        identifier::{identifier_digest, identifier_digests},
        keyring_handle::KeyringHandle,
    },
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

/// What the keyed digest of an address is of, beside the types of identifiers.
const ADDRESS: &str = "mail address";

/// Finds addresses.
pub(crate) struct Recipients {
    pub(crate) keyring: KeyringHandle,
    pub(crate) types: Arc<CredentialTypes>,
    /// The type of the identifiers that are addresses, if the installation has one.
    pub(crate) address_type: Option<CredentialType>,
}

impl Recipients {
    /// The address of a user who may set a password by mail: the user is not retired, may have a
    /// password, and has one that is valid now, or no credential at all. A user with other credentials
    /// only would get a second way to log in. A password that expired stays expired, because its
    /// lifetime cannot be told from an end that an operator set.
    ///
    /// The address is the user's identifier of the configured type, else the login name, if it is an
    /// address. Only administrators, system users and operators set either.
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
        let password = self.types.password().as_str();
        let has = |name: &str| types.iter().any(|found| found == name);
        if user.is_retired || !self.types.password().is_allowed_for(user.user_type) {
            return Ok(None);
        }
        if !types.is_empty() {
            let row = credentials::find_by_type(connection, user.user_id, password).await?;
            if !row.is_some_and(|row| row.validity.contains(now)) {
                return Ok(None);
            }
        }
        let address_type = self.address_type.as_ref().filter(|found| has(found.as_str()));
        let Some(address_type) = address_type else {
            return Ok(MailAddress::parse(&user.login_name));
        };
        let row =
            credentials::find_by_type(connection, user.user_id, address_type.as_str()).await?;
        let Some(row) = row.filter(|row| row.validity.contains(now)) else { return Ok(None) };
        let envelope = unseal(&self.keyring.current(), &row)?;
        let identifier = envelope.and_then(|envelope| envelope.identifier);
        Ok(identifier.and_then(|text| MailAddress::parse(text.expose_secret())))
    }

    /// The keyed digests of an address: under the writing key first, which is the one to store, then
    /// under every readable key.
    pub(super) fn digests(&self, recipient: &MailAddress) -> Vec<Vec<u8>> {
        let text = recipient.to_string().to_lowercase().into();
        let keyring = self.keyring.current();
        let mut digests = vec![identifier_digest(keyring.writing(), ADDRESS, &text)];
        digests.extend(identifier_digests(&keyring, ADDRESS, &text));
        digests
    }
}
