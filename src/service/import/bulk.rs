//! Imports users in bulk. New users are checked, sealed and chained, and all written in one
//! transaction, large batches with `COPY`. Existing users are imported one by one.

use std::sync::Arc;

use sqlx::PgConnection;

use super::users::{Imported, ImportedUser, UserImport};
use crate::{
    domain::{
        InvalidField, Reason,
        audit::{AuditEvent, AuditKind},
        change_context::ChangeContext,
        new_user::NewUser,
        user::{UserId, is_protected},
    },
    security::{
        audit_chain::{START_OF_CHAIN, audit_mac},
        keyring_handle::KeyringHandle,
    },
    service::{
        credentials::{
            hasher::{CredentialHasher, HashedCredential},
            writer::{CredentialWriter, Save, SaveEffect, WritePrecondition},
        },
        errors::ChangeUserError,
        user_transaction::require_current_actor,
        users::{
            changes::new_user,
            writer::{UserWriter, changes_of_new_user},
        },
    },
    storage::{
        self, Database, StorageError,
        bulk::{self, BulkRows, ChainEnd},
        users::{self, UserHead},
    },
};

/// The minimum number of users for `COPY`. With fewer, separate statements are faster.
const MINIMUM_FOR_COPY: usize = 64;

/// The result of importing one user.
pub(crate) type Outcome = Result<(Imported, UserId), ChangeUserError>;

/// A new user that is ready to be written.
struct Ready {
    user: NewUser,
    hashed: Vec<HashedCredential>,
}

/// The names and ids of imported users that already exist.
struct Taken {
    names: Vec<String>,
    ids: Vec<i32>,
}

impl Taken {
    fn contains(&self, user: &ImportedUser) -> bool {
        let id = user.user_id.map(UserId::as_i32);
        self.names.contains(&user.login_name.canonical().to_owned())
            || id.is_some_and(|id| self.ids.contains(&id))
    }
}

/// Imports users in bulk.
pub(crate) struct BulkImport {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) single: Arc<UserImport>,
    pub(crate) hasher: Arc<CredentialHasher>,
    pub(crate) credentials: Arc<CredentialWriter>,
    pub(crate) writer: Arc<UserWriter>,
}

impl BulkImport {
    /// Imports distinct users, and reports each result with the index of its user as soon as it is
    /// known. The results are independent.
    ///
    /// # Errors
    /// When the failure affects more than one user. Results that were not reported are then unknown.
    pub(crate) async fn import(
        &self,
        context: ChangeContext<'_>,
        imported: Vec<ImportedUser>,
        report: impl Fn(usize, Outcome) + Send + Sync,
    ) -> Result<(), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.writer.transactions.require_sensitive(context)?;
        let taken = self.find_taken(&imported).await?;
        // `COPY` writes no untrusted credentials, and adds every user.
        let is_plain = |(_, user): &(usize, ImportedUser)| {
            !taken.contains(user)
                && !user.must_exist
                && user.members.untrusted_credentials.is_empty()
        };
        let (new, others): (Vec<_>, Vec<_>) = imported.into_iter().enumerate().partition(is_plain);
        let (mut ready, mut indexes) = (Vec::new(), Vec::new());
        for (index, user) in new {
            match self.make_ready(context, user).await {
                Ok(user) => {
                    ready.push(user);
                    indexes.push(index);
                }
                Err(error) => report(index, Err(error)),
            }
        }
        for (index, outcome) in indexes.into_iter().zip(self.insert_all(context, ready).await?) {
            report(index, outcome);
        }
        for (index, user) in others {
            report(index, self.single.import(context, user).await);
        }
        Ok(())
    }

    /// True when importing this user needs a hash, so that bulk would slow down the others.
    pub(crate) fn needs_hash(&self, user: &ImportedUser) -> bool {
        user.members.credentials.iter().any(|credential| self.hasher.needs_hash(credential))
    }

    async fn find_taken(&self, imported: &[ImportedUser]) -> Result<Taken, StorageError> {
        let names: Vec<_> =
            imported.iter().map(|user| user.login_name.canonical().to_owned()).collect();
        let ids: Vec<_> =
            imported.iter().filter_map(|user| user.user_id).map(UserId::as_i32).collect();
        let mut connection = self.database.connection().await?;
        let names = users::taken_names(&mut connection, &names, None).await?;
        let ids = users::assigned_ids(&mut connection, &ids).await?;
        connection.release();
        Ok(Taken { names, ids })
    }

    async fn make_ready(
        &self,
        context: ChangeContext<'_>,
        imported: ImportedUser,
    ) -> Result<Ready, ChangeUserError> {
        let ImportedUser { login_name, user_id, mut members, .. } = imported;
        members.login_names = vec![login_name];
        let user = new_user(user_id, &mut members)?;
        let credentials = std::mem::take(&mut members.credentials);
        let login_name = user.login_name.as_str();
        let hashed = self.hasher.hash_all(context, user.user_type, login_name, credentials).await?;
        Ok(Ready { user, hashed })
    }

    /// Inserts all users in one transaction. If one user makes it fail, for example because the
    /// name was taken meanwhile, inserts each user in a separate transaction.
    async fn insert_all(
        &self,
        context: ChangeContext<'_>,
        ready: Vec<Ready>,
    ) -> Result<Vec<Outcome>, ChangeUserError> {
        let inserted = if ready.len() < MINIMUM_FOR_COPY {
            self.insert_few(context, &ready).await
        } else {
            self.copy_all(context, &ready).await
        };
        match inserted {
            Err(
                ChangeUserError::LoginNameTaken
                | ChangeUserError::NickNameTaken
                | ChangeUserError::Invalid(_)
                | ChangeUserError::Storage(
                    StorageError::Constraint(_)
                    | StorageError::Busy(_)
                    | StorageError::Inconsistent { .. }
                    | StorageError::Refused(_),
                ),
            ) => {}
            inserted => {
                let added = inserted?.into_iter().map(|id| Ok((Imported::Added, id)));
                return Ok(added.collect());
            }
        }
        let mut outcomes = Vec::with_capacity(ready.len());
        for Ready { user, hashed } in ready {
            let inserted = self.writer.insert(context, &user, &hashed, &[]).await;
            let outcome = inserted.map(|added| (Imported::Added, added.user.user_id));
            outcomes.push(outcome.map_err(ChangeUserError::from));
        }
        Ok(outcomes)
    }

    async fn insert_few(
        &self,
        context: ChangeContext<'_>,
        ready: &[Ready],
    ) -> Result<Vec<UserId>, ChangeUserError> {
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.database.connection().await?;
        let ids = assign_ids(&mut connection, ready).await?;
        let mut transaction = connection.begin().await?;
        require_current_actor(&mut transaction, context).await?;
        for (user_id, Ready { user, hashed }) in ids.iter().copied().zip(ready) {
            self.writer.write_user(&mut transaction, context, user_id, user).await?;
            self.writer.write_credentials(&mut transaction, context, user_id, hashed).await?;
        }
        storage::commit(transaction).await?;
        Ok(ids)
    }

    async fn copy_all(
        &self,
        context: ChangeContext<'_>,
        ready: &[Ready],
    ) -> Result<Vec<UserId>, ChangeUserError> {
        let mut connection = self.database.connection().await?;
        let ids = assign_ids(&mut connection, ready).await?;
        // Not held while thousands of values are sealed.
        connection.release();
        let mut rows = BulkRows::default();
        for (user_id, user) in ids.iter().copied().zip(ready) {
            self.add_rows(&mut rows, context, user_id, user)?;
        }
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        require_current_actor(&mut transaction, context).await?;
        bulk::copy(&mut transaction, rows).await?;
        storage::commit(transaction).await?;
        Ok(ids)
    }

    /// Adds the rows of one user, with their chain from its start.
    fn add_rows(
        &self,
        rows: &mut BulkRows,
        context: ChangeContext<'_>,
        user_id: UserId,
        ready: &Ready,
    ) -> Result<(), ChangeUserError> {
        let Ready { user, hashed } = ready;
        let mut head = UserHead {
            session_epoch: 0,
            login_name: user.login_name.as_str().to_owned(),
            user_type: user.user_type,
            is_protected: is_protected(user.user_type, user.is_administrator, user.role),
            audit_sequence: 0,
            audit_mac: START_OF_CHAIN.to_vec(),
        };
        let added = context.event(user_id, AuditKind::UserAdded, 0, 0);
        self.add_event(rows, &mut head, &added)?;
        for change in changes_of_new_user(user) {
            let event = change.event(context, user_id, &head);
            self.add_event(rows, &mut head, &event)?;
        }
        for hashed in hashed {
            let precondition = WritePrecondition::Nothing;
            let effect = SaveEffect::NewValue;
            let save = Save { context, user_id, login_name: None, hashed, precondition, effect };
            // A new user has no credentials that the save could remove.
            let write = self.credentials.prepare(save, &head, &[])?;
            rows.add_credential(&write)?;
            head.audit_sequence = write.event.sequence;
            head.session_epoch = write.event.session_epoch;
            head.audit_mac = write.audit_mac;
        }
        let end = ChainEnd {
            session_epoch: head.session_epoch,
            audit_sequence: head.audit_sequence,
            audit_mac: &head.audit_mac,
        };
        Ok(rows.add_user(user_id, user, &end, context.now)?)
    }

    fn add_event(
        &self,
        rows: &mut BulkRows,
        head: &mut UserHead,
        event: &AuditEvent,
    ) -> Result<(), StorageError> {
        let keyring = self.keyring.current();
        let key = keyring.writing();
        let mac = audit_mac(key, &head.audit_mac, event);
        rows.add_event(event, key.id(), &mac)?;
        head.audit_sequence = event.sequence;
        head.session_epoch = event.session_epoch;
        head.audit_mac = mac;
        Ok(())
    }
}

/// The id of each user: the imported one, or the next free one.
async fn assign_ids(
    connection: &mut PgConnection,
    ready: &[Ready],
) -> Result<Vec<UserId>, ChangeUserError> {
    let without_id = ready.iter().filter(|ready| ready.user.user_id.is_none()).count();
    let free = match without_id {
        0 => Vec::new(),
        count => users::next_ids(connection, count).await?,
    };
    let mut free = free.into_iter();
    let missing = || InvalidField::new("id", Reason::Required).into();
    let id = |ready: &Ready| ready.user.user_id.or_else(|| free.next()).ok_or_else(missing);
    ready.iter().map(id).collect()
}
