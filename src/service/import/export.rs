//! Reads users with their credentials for an export, page by page.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use secrecy::SecretString;
use sqlx::PgConnection;

use crate::{
    domain::{
        action_reason::ActionReason,
        audit::AuditKind,
        change_context::ChangeContext,
        stored_credential::StoredCredential,
        untrusted_credential::{StoredUntrusted, UntrustedSecret},
        user::UserId,
    },
    security::{keyring_handle::KeyringHandle, sealing::Envelope},
    service::{
        errors::{ChangeUserError, SensitiveError, VerifyCredentialError},
        unsealing::{unseal, unseal_untrusted},
        untrusted_credentials::writer::untrusted_change,
        user_transaction::{AuditedChange, LockedUser, UserTransactions},
        users::directory::{UserWithCredentials, with_credentials},
    },
    storage::{self, Database, StorageError, stored_credentials, untrusted_credentials, users},
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

/// How an export of a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExportEnd {
    #[error("it is complete")]
    Completed,
    #[error("the administrator signed out or lost the right")]
    RightLost,
    #[error("the service failed")]
    Failed,
    #[error("the client ended it")]
    Canceled,
}

/// Exports users.
pub(crate) struct Export {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) transactions: Arc<UserTransactions>,
}

impl Export {
    /// Fails unless the actor may export now. An export is a sensitive action.
    ///
    /// # Errors
    /// See [`SensitiveError`].
    pub(crate) fn authorize(&self, context: ChangeContext<'_>) -> Result<(), SensitiveError> {
        self.transactions.require_sensitive(context)
    }

    /// Begins an export by a caller, with an event in the caller's own chain.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn record_start(
        &self,
        context: ChangeContext<'_>,
    ) -> Result<(), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.authorize(context)?;
        let Some(user_id) = context.actor.user_id() else { return Ok(()) };
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let user = self.transactions.lock_user(&mut transaction, context, user_id).await?;
        self.append(&mut transaction, context, user, AuditKind::UsersExported).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(())
    }

    /// Records in the caller's own chain how many users an export has sent, and how it ended. The
    /// caller may have lost the right meanwhile.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn record_end(
        &self,
        context: ChangeContext<'_>,
        end: ExportEnd,
        users: u64,
    ) -> Result<(), ChangeUserError> {
        let Some(user_id) = context.actor.user_id() else { return Ok(()) };
        let reason = ActionReason::parse("reason", &format!("{users} users were sent; {end}"))?;
        let context = ChangeContext { reason: Some(&reason), ..context };
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let locks = self.transactions.lock_for_change(&mut transaction, context, user_id).await?;
        // The chain of a user who was deleted has ended.
        let Some(head) = locks.head else { return Ok(()) };
        let user = LockedUser { user_id, head };
        self.append(&mut transaction, context, user, AuditKind::UsersExportEnded).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(())
    }

    async fn append(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        mut user: LockedUser,
        kind: AuditKind,
    ) -> Result<(), StorageError> {
        let change = AuditedChange::to_user(kind, false);
        self.transactions.append_audit_event(connection, context, &mut user, change).await
    }

    /// The next page of users after an id for a caller, as [`Self::list_after`].
    ///
    /// # Errors
    /// When the caller has lost the right or signed out meanwhile, or the database does not answer.
    pub(crate) async fn list_for(
        &self,
        context: ChangeContext<'_>,
        after: Option<UserId>,
    ) -> Result<Vec<UserWithCredentials>, ChangeUserError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        self.transactions.require_current_actor(&mut transaction, context).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(self.list_after(after).await?)
    }

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
    /// their untrusted credentials, in one snapshot. For whole exports only. The events of the reads
    /// of untrusted credentials are committed.
    ///
    /// # Errors
    /// When the database does not answer, or the keyring lacks a key.
    pub(crate) async fn list_whole_after(
        &self,
        context: ChangeContext<'_>,
        after: Option<UserId>,
    ) -> Result<WholePage, VerifyCredentialError> {
        let SealedPage { users, rows, untrusted } = self.read_page(after).await?;
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
        self.record_reads(context, &mut unsealed).await?;
        Ok(WholePage { users, secrets, untrusted: unsealed })
    }

    async fn read_page(&self, after: Option<UserId>) -> Result<SealedPage, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut snapshot = connection.begin().await?;
        storage::begin_snapshot(&mut snapshot).await?;
        let users = page_after(&mut snapshot, after).await?;
        let user_ids: Vec<_> = users.iter().map(|found| found.user.user_id).collect();
        let rows = stored_credentials::list_of_users(&mut snapshot, &user_ids).await?;
        // A credential whose row has an invalid value has no secret, as one that cannot be unsealed.
        let rows = rows.into_iter().filter_map(|row| row.credential).collect();
        let untrusted = untrusted_credentials::list_by_users(&mut snapshot, &user_ids).await?;
        Ok(SealedPage { users, rows, untrusted })
    }

    /// Commits the events of the reads of all users, one user at a time, so that nobody waits long
    /// for a lock. Removes the secrets of users who were deleted since the snapshot: their chain has
    /// ended, and no secret leaves without its event.
    async fn record_reads(
        &self,
        context: ChangeContext<'_>,
        untrusted: &mut Vec<ExportedUntrusted>,
    ) -> Result<(), StorageError> {
        let mut deleted = HashSet::new();
        for of_user in untrusted.chunk_by(|one, next| one.row.user_id == next.row.user_id) {
            let Some(first) = of_user.first() else { continue };
            if !self.record_read(context, first.row.user_id, of_user).await? {
                deleted.insert(first.row.user_id);
            }
        }
        untrusted.retain(|found| !deleted.contains(&found.row.user_id));
        Ok(())
    }

    /// Commits an event for each type of which a secret of the user was unsealed. False: the user
    /// does not exist anymore.
    async fn record_read(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        untrusted: &[ExportedUntrusted],
    ) -> Result<bool, StorageError> {
        let unsealed = untrusted.iter().filter(|found| found.secret.is_some());
        let types: BTreeSet<_> = unsealed.map(|found| found.row.credential_type.as_str()).collect();
        if types.is_empty() {
            return Ok(true);
        }
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let locks = self.transactions.lock_for_change(&mut transaction, context, user_id).await?;
        let Some(head) = locks.head else { return Ok(false) };
        let mut user = LockedUser { user_id, head };
        for type_name in types {
            let change = untrusted_change(AuditKind::UntrustedRead, type_name);
            self.transactions
                .append_audit_event(&mut transaction, context, &mut user, change)
                .await?;
        }
        storage::commit(transaction).await?;
        Ok(true)
    }
}

/// A page as stored, from one snapshot.
struct SealedPage {
    users: Vec<UserWithCredentials>,
    rows: Vec<StoredCredential>,
    untrusted: Vec<StoredUntrusted>,
}

async fn page_after(
    connection: &mut PgConnection,
    after: Option<UserId>,
) -> Result<Vec<UserWithCredentials>, StorageError> {
    let users = users::list_after(connection, after.map_or(0, UserId::as_i32), PAGE).await?;
    with_credentials(connection, users).await
}
