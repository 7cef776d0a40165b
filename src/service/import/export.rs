//! Reads users with their credentials for an export, page by page.

use secrecy::SecretString;
use sqlx::PgConnection;

use crate::{
    domain::user::UserId,
    security::{keyring_handle::KeyringHandle, sealing::Envelope},
    service::{
        errors::VerifyCredentialError,
        unsealing::unseal,
        users::directory::{UserWithCredentials, with_credentials},
    },
    storage::{self, Database, StorageError, credentials, users},
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

    /// The next page of users after an id, with their credentials and the hashes or identifiers in
    /// one snapshot. For whole exports only.
    ///
    /// # Errors
    /// When the database does not answer, or the keyring lacks a key.
    pub(crate) async fn list_whole_after(
        &self,
        after: Option<UserId>,
    ) -> Result<(Vec<UserWithCredentials>, Vec<ExportedSecret>), VerifyCredentialError> {
        let mut connection = self.database.connection().await?;
        let mut snapshot = connection.begin().await?;
        storage::begin_snapshot(&mut snapshot).await?;
        let page = page_after(&mut snapshot, after).await?;
        let user_ids: Vec<_> = page.iter().map(|found| found.user.user_id).collect();
        let rows = credentials::list_stored(&mut snapshot, &user_ids).await?;
        drop(snapshot);
        let mut secrets = Vec::with_capacity(rows.len());
        for row in rows {
            let secret = unseal(&self.keyring.current(), &row)?.map(OpenedSecret::from);
            let (user_id, credential_type) = (row.user_id, row.credential_type);
            secrets.push(ExportedSecret { user_id, credential_type, secret });
        }
        Ok((page, secrets))
    }
}

async fn page_after(
    connection: &mut PgConnection,
    after: Option<UserId>,
) -> Result<Vec<UserWithCredentials>, StorageError> {
    let users = users::list_after(connection, after.map_or(0, UserId::as_i32), PAGE).await?;
    with_credentials(connection, users).await
}
