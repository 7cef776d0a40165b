//! Reads users with their credentials for an export, page by page.

use secrecy::SecretString;
use sqlx::PgConnection;

use crate::{
    domain::{
        untrusted_credential::{StoredUntrusted, UntrustedSecret},
        user::UserId,
    },
    security::{keyring_handle::KeyringHandle, sealing::Envelope},
    service::{
        errors::VerifyCredentialError,
        unsealing::{unseal, unseal_untrusted},
        users::directory::{UserWithCredentials, with_credentials},
    },
    storage::{self, Database, StorageError, credentials, untrusted_credentials, users},
};

/// The maximum number of users per page.
const PAGE: i64 = 500;

/// The content of a credential, for another installation.
pub(crate) struct ExportedSecret {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    /// `None` when the row cannot be unsealed.
    pub(crate) secret: Option<OpenedSecret>,
}

/// An untrusted credential, for another installation.
pub(crate) struct ExportedUntrusted {
    pub(crate) row: StoredUntrusted,
    /// `None` when the row cannot be unsealed.
    pub(crate) secret: Option<UntrustedSecret>,
}

/// A page of users with everything that an import reads.
pub(crate) struct WholePage {
    pub(crate) users: Vec<UserWithCredentials>,
    pub(crate) secrets: Vec<ExportedSecret>,
    /// By user, type and public value.
    pub(crate) untrusted: Vec<ExportedUntrusted>,
}

/// An unsealed secret, in the form that an import reads.
pub(crate) enum OpenedSecret {
    Hash(SecretString),
    Identifier(SecretString),
}

impl From<Envelope> for OpenedSecret {
    fn from(envelope: Envelope) -> Self {
        match envelope.identifier {
            Some(identifier) => Self::Identifier(identifier),
            None => Self::Hash(envelope.phc),
        }
    }
}

/// Exports users.
pub(crate) struct Export {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
}

impl Export {
    /// The next page of users after an id, with their credentials without the values; empty at the
    /// end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_after(
        &self,
        after: Option<UserId>,
    ) -> Result<Vec<UserWithCredentials>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut snapshot = connection.begin().await?;
        storage::begin_snapshot(&mut snapshot).await?;
        page_after(&mut snapshot, after).await
    }

    /// The next page of users after an id, with their credentials, the hashes or identifiers, and
    /// their untrusted credentials, in one snapshot. For whole exports only.
    ///
    /// # Errors
    /// When the database does not answer, or the keyring lacks a key.
    pub(crate) async fn list_whole_after(
        &self,
        after: Option<UserId>,
    ) -> Result<WholePage, VerifyCredentialError> {
        let mut connection = self.database.connection().await?;
        let mut snapshot = connection.begin().await?;
        storage::begin_snapshot(&mut snapshot).await?;
        let users = page_after(&mut snapshot, after).await?;
        let user_ids: Vec<_> = users.iter().map(|found| found.user.user_id).collect();
        let rows = credentials::list_stored(&mut snapshot, &user_ids).await?;
        let untrusted = untrusted_credentials::list_by_users(&mut snapshot, &user_ids).await?;
        drop(snapshot);
        let mut secrets = Vec::with_capacity(rows.len());
        for row in rows {
            let secret = unseal(&self.keyring.current(), &row)?.map(OpenedSecret::from);
            let (user_id, credential_type) = (row.user_id, row.credential_type);
            secrets.push(ExportedSecret { user_id, credential_type, secret });
        }
        let mut unsealed = Vec::with_capacity(untrusted.len());
        for row in untrusted {
            let secret = unseal_untrusted(&self.keyring.current(), &row)?;
            unsealed.push(ExportedUntrusted { row, secret });
        }
        Ok(WholePage { users, secrets, untrusted: unsealed })
    }
}

async fn page_after(
    connection: &mut PgConnection,
    after: Option<UserId>,
) -> Result<Vec<UserWithCredentials>, StorageError> {
    let users = users::list_after(connection, after.map_or(0, UserId::as_i32), PAGE).await?;
    with_credentials(connection, users).await
}
