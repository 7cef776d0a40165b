//! Imports users in bulk. New users are checked, sealed and chained, and all written in one
//! transaction, large batches with `COPY`. If one user makes it fail, each half of the batch is written
//! in a transaction of its own. Existing users are imported one by one.

use std::{collections::HashSet, sync::Arc};

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
            hasher::{CredentialHasher, CredentialOwner, HashedCredential},
            writer::{CredentialWriter, Save, SaveEffect, WritePrecondition, saved_kind},
        },
        errors::ChangeUserError,
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

/// The number of users that are sealed before another task of the same thread may run: about half a
/// millisecond, so that the requests of a service that imports do not wait.
const SEALED_AT_ONCE: usize = 64;

/// The result of importing one user.
pub(crate) type Outcome = Result<(Imported, UserId), ChangeUserError>;

/// A new user that is ready to be written.
struct Ready {
    index: usize,
    user: NewUser,
    hashed: Vec<HashedCredential>,
}

/// The names and ids of imported users that already exist.
struct Taken {
    names: HashSet<String>,
    ids: HashSet<i32>,
}

impl Taken {
    fn contains(&self, user: &ImportedUser) -> bool {
        let id = user.user_id.map(UserId::as_i32);
        self.names.contains(user.login_name.canonical())
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
    /// Imports distinct users, and reports the results with the indexes of their users as soon as they
    /// are known. The results are independent.
    ///
    /// # Errors
    /// When the failure affects more than one user. Results that were not reported are then unknown.
    pub(crate) async fn import(
        &self,
        context: ChangeContext<'_>,
        imported: Vec<ImportedUser>,
        report: impl Fn(Vec<(usize, Outcome)>) + Send + Sync,
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
        let mut ready = Vec::with_capacity(new.len());
        for (index, user) in new {
            // Without a hash, nothing else lets other requests go on.
            tokio::task::consume_budget().await;
            match self.make_ready(context, index, user).await {
                Ok(user) => ready.push(user),
                Err(error) => report(vec![(index, Err(error))]),
            }
        }
        self.insert_all(context, &ready, &report).await?;
        drop(ready);
        for (index, user) in others {
            report(vec![(index, self.single.import(context, user).await)]);
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
        let mut transaction = connection.begin().await?;
        bulk::prefer_indexes(&mut transaction).await?;
        let names = bulk::taken_names(&mut transaction, &names).await?;
        let ids = match ids.as_slice() {
            [] => Vec::new(),
            ids => users::assigned_ids(&mut transaction, ids).await?,
        };
        storage::commit(transaction).await?;
        connection.release();
        Ok(Taken { names: names.into_iter().collect(), ids: ids.into_iter().collect() })
    }

    async fn make_ready(
        &self,
        context: ChangeContext<'_>,
        index: usize,
        imported: ImportedUser,
    ) -> Result<Ready, ChangeUserError> {
        let ImportedUser { login_name, user_id, mut members, .. } = imported;
        members.login_names = vec![login_name.into()];
        let user = new_user(user_id, &mut members)?;
        let credentials = std::mem::take(&mut members.credentials);
        let owner = CredentialOwner::of_new(&user);
        let hashed = self.hasher.hash_all(context, owner, credentials).await?;
        Ok(Ready { index, user, hashed })
    }

    /// Inserts all users in one transaction. If one user makes it fail, for example because the
    /// name was taken meanwhile, inserts each half in a transaction of its own, and the users of a
    /// small part one by one.
    async fn insert_all(
        &self,
        context: ChangeContext<'_>,
        ready: &[Ready],
        report: &(impl Fn(Vec<(usize, Outcome)>) + Send + Sync),
    ) -> Result<(), ChangeUserError> {
        let mut parts = vec![ready];
        while let Some(part) = parts.pop() {
            let inserted = if part.len() < MINIMUM_FOR_COPY {
                self.insert_few(context, part).await
            } else {
                self.copy_all(context, part).await
            };
            match inserted {
                Err(error) if !is_of_one_user(&error) => return Err(error),
                Err(_) if part.len() < MINIMUM_FOR_COPY => {
                    for ready in part {
                        report(vec![(ready.index, self.insert_one(context, ready).await)]);
                    }
                }
                Err(_) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    // The last one is the next one.
                    parts.extend([second, first]);
                }
                Ok(ids) => {
                    let added = part.iter().zip(ids);
                    let added = added.map(|(ready, id)| (ready.index, Ok((Imported::Added, id))));
                    report(added.collect());
                }
            }
        }
        Ok(())
    }

    async fn insert_one(&self, context: ChangeContext<'_>, ready: &Ready) -> Outcome {
        let Ready { user, hashed, .. } = ready;
        let added = self.writer.insert(context, user, hashed, &[]).await?;
        Ok((Imported::Added, added.user.user_id))
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
        self.writer.transactions.require_current_actor(&mut transaction, context).await?;
        for (user_id, Ready { user, hashed, .. }) in ids.iter().copied().zip(ready) {
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
        let mut rows = BulkRows::with_capacity(ready.len());
        for (ids, ready) in ids.chunks(SEALED_AT_ONCE).zip(ready.chunks(SEALED_AT_ONCE)) {
            for (user_id, user) in ids.iter().copied().zip(ready) {
                self.add_rows(&mut rows, context, user_id, user)?;
            }
            tokio::task::yield_now().await;
        }
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        bulk::prefer_indexes(&mut transaction).await?;
        self.writer.transactions.require_current_actor(&mut transaction, context).await?;
        bulk::copy(&mut transaction, rows).await?;
        // Before the commit, whose outcome may stay unknown: an extra anchor is harmless.
        for (user_id, ready) in ids.iter().copied().zip(ready) {
            self.note_events(user_id, ready);
        }
        storage::commit(transaction).await?;
        Ok(ids)
    }

    /// Notes the events and the credentials of a user who was copied.
    fn note_events(&self, user_id: UserId, ready: &Ready) {
        let Ready { user, hashed, .. } = ready;
        let changes = changes_of_new_user(user).map(|change| change.kind);
        let saves = hashed.iter().map(|hashed| saved_kind(SaveEffect::NewValue, hashed));
        for kind in [AuditKind::UserAdded].into_iter().chain(changes).chain(saves) {
            self.writer.transactions.note_event(user_id, kind);
        }
        self.writer.transactions.note_saves(hashed.len());
    }

    /// Adds the rows of one user, with their chain from its start.
    fn add_rows(
        &self,
        rows: &mut BulkRows,
        context: ChangeContext<'_>,
        user_id: UserId,
        ready: &Ready,
    ) -> Result<(), ChangeUserError> {
        let Ready { user, hashed, .. } = ready;
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

/// True for an error that one of several users may have caused, so that the others can be inserted.
fn is_of_one_user(error: &ChangeUserError) -> bool {
    matches!(
        error,
        ChangeUserError::LoginNameTaken
            | ChangeUserError::NickNameTaken
            | ChangeUserError::Invalid(_)
            | ChangeUserError::Storage(
                StorageError::Constraint(_)
                    | StorageError::Busy(_)
                    | StorageError::Inconsistent { .. }
                    | StorageError::Refused(_),
            ),
    )
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
