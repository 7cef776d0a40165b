//! Saves a credential: reads the user, hashes, and writes everything with one statement.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{
    change_requirements::ChangeRequirements,
    hasher::{CredentialHasher, CredentialOwner},
    other_value::require_other_value,
    writer::{
        CredentialWriter, PasswordProof, Save, SaveEffect, WritePrecondition, require_name,
        require_writable,
    },
};
use crate::{
    domain::{
        change_context::ChangeContext,
        client_info::FairnessKey,
        credential::{CredentialSummary, CredentialValue},
        credential_type::{CredentialType, CredentialTypes},
        principal::{Actor, Proof},
        save_credential::{NewCredential, SaveCredential},
        user::{LoginName, UserId},
    },
    security::{hashing::HashingEngine, keyring_handle::KeyringHandle},
    service::{
        errors::{SaveCredentialError, VerifyCredentialError},
        throttling::throttle::Throttling,
        unsealing::unseal_hash,
        user_transaction::UserTransactions,
    },
    storage::{
        self, Database, StorageError, credential_saves,
        credential_writes::{CredentialWrite, WriteOutcome},
        credentials,
        users::UserHead,
    },
};

/// Saves, deletes, lists and verifies credentials.
pub(crate) struct Credentials {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) types: Arc<CredentialTypes>,
    pub(crate) hasher: Arc<CredentialHasher>,
    pub(crate) writer: Arc<CredentialWriter>,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) requirements: Arc<ChangeRequirements>,
    pub(crate) throttling: Arc<Throttling>,
}

impl Credentials {
    /// The credential types of this installation.
    pub(crate) fn types(&self) -> &CredentialTypes {
        &self.types
    }

    /// Adds or replaces the user's credential of that type.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn save(
        &self,
        context: ChangeContext<'_>,
        command: SaveCredential,
    ) -> Result<(), SaveCredentialError> {
        let SaveCredential { user_id, credential, .. } = &command;
        if !context.actor.may_save_credential_of(*user_id, &credential.credential_type) {
            return Err(SaveCredentialError::Forbidden);
        }
        let proof = own_proof(context.actor, *user_id);
        // Without the current secret as proof, a save is sensitive, also of one's own.
        if proof.is_none() {
            self.transactions.require_sensitive(context)?;
        }
        self.save_permitted(context, command, None, proof.as_ref()).await
    }

    /// Saves a credential that the actor may save; the common part of all saves of a single
    /// credential. The caller named the user by `login_name`, if any.
    ///
    /// # Errors
    /// See [`SaveCredentialError`]. The user is unknown if they have lost that login name since.
    pub(super) async fn save_permitted(
        &self,
        context: ChangeContext<'_>,
        command: SaveCredential,
        login_name: Option<&LoginName>,
        proof: Option<&PasswordProof>,
    ) -> Result<(), SaveCredentialError> {
        let SaveCredential { user_id, mut credential, replaces } = command;
        // Before the hash, so that an unknown user costs none.
        let found = read_on_connection!(self.database, |connection| {
            credential_saves::find_head_and_replaced(
                &mut connection,
                user_id,
                credential.credential_type.as_str(),
            )
        })?;
        let (head, replaced) = found.ok_or(SaveCredentialError::UnknownUser)?;
        require_name(login_name, &head)?;
        require_writable(context.actor, user_id, &head)?;
        if !context.actor.may_administer_users() {
            // An owner's save does not extend a validity that an operator or the type set.
            let is_renewed = credential.credential_type.lifetime().is_some();
            credential.validity =
                replaced.map(|replaced| replaced.validity).filter(|_| !is_renewed);
        }
        if !credential.credential_type.is_allowed_for(head.user_type) {
            return Err(SaveCredentialError::TypeNotForUser { field: credential.field });
        }
        let is_own = context.actor.user_id() == Some(user_id);
        if is_own && replaced.is_some_and(|replaced| replaced.must_change) {
            // Boxed so that this rare branch does not enlarge every waiting future.
            Box::pin(self.require_other_value(context, user_id, &head, &credential, replaces))
                .await?;
        }
        let owner = CredentialOwner {
            user_id: Some(user_id),
            user_type: head.user_type,
            login_name: &head.login_name,
        };
        self.hasher.mark_reset(context, owner, &mut credential);
        let hashed = self.hasher.hash(context, &head.login_name, credential).await?;
        let precondition = WritePrecondition::Actor(proof);
        let save = Save {
            context,
            user_id,
            login_name,
            hashed: &hashed,
            precondition,
            effect: SaveEffect::NewValue,
        };
        // Boxed so that a save that waits for its hash has no room for the write yet.
        Box::pin(self.write(save, &head, replaces)).await
    }

    /// Fails if an owner saves the value again that must be changed. Only a value that would be
    /// saved is compared: with any other one, guesses could be compared without a limit.
    async fn require_other_value(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        head: &UserHead,
        credential: &NewCredential,
        replaces: Option<i64>,
    ) -> Result<(), SaveCredentialError> {
        if let Some(version) = replaces {
            let type_name = credential.credential_type.as_str();
            let mut connection = self.database.connection().await?;
            require_version(&mut connection, user_id, type_name, version).await?;
            connection.release();
        }
        self.hasher.check(context, &head.login_name, credential).await?;
        let caller = context.actor.fairness_key();
        let (hashing, writer) = (&self.hashing, &self.writer);
        require_other_value(&self.database, hashing, writer, caller, user_id, credential).await
    }

    async fn write(
        &self,
        save: Save<'_>,
        head: &UserHead,
        replaces: Option<i64>,
    ) -> Result<(), SaveCredentialError> {
        // A taken identifier rolls the write back, and the version of the replaced credential is
        // compared under a lock. Both need a transaction, as does every save on a distributed database.
        let needs_transaction = save.hashed.identifier.is_some()
            || replaces.is_some()
            || self.database.statements().need_transaction();
        if !needs_transaction {
            let mut outcome = self.write_at_once(save, head).await;
            if outcome.as_ref().err().is_some_and(SaveCredentialError::is_retryable) {
                outcome = self.write_at_once(save, head).await;
            }
            let (outcome, write) = outcome?;
            if outcome != WriteOutcome::HeadMoved {
                return self.writer.require_saved(outcome, &write);
            }
        }
        // Boxed so that this rare branch does not enlarge every waiting future.
        let mut written = Box::pin(self.write_in_turn(save, replaces)).await;
        if written.as_ref().err().is_some_and(SaveCredentialError::is_retryable) {
            written = Box::pin(self.write_in_turn(save, replaces)).await;
        }
        written
    }

    /// Writes with one statement, which is its own transaction. It succeeds unless the user or the
    /// actor changes concurrently.
    async fn write_at_once(
        &self,
        save: Save<'_>,
        head: &UserHead,
    ) -> Result<(WriteOutcome, CredentialWrite), SaveCredentialError> {
        let caller = save.context.actor.fairness_key();
        let mut connection = self.database.connection_of(caller).await?;
        let removed_types = self.writer.removed_types(&mut connection, save).await?;
        let write = self.writer.prepare(save, head, &removed_types)?;
        let statements = self.database.statements();
        let outcome = statements.save_credential(&mut connection, &write).await;
        let outcome = outcome.map_err(StorageError::in_doubt)?;
        connection.release();
        Ok((outcome, write))
    }

    /// Locks the rows that the save depends on, which waits for concurrent changes, and writes.
    async fn write_in_turn(
        &self,
        save: Save<'_>,
        replaces: Option<i64>,
    ) -> Result<(), SaveCredentialError> {
        let caller = save.context.actor.fairness_key();
        let mut connection = self.database.connection_of(caller).await?;
        let mut transaction = connection.begin().await?;
        if let Some(version) = replaces {
            let transactions = &self.transactions;
            transactions.lock_for_change(&mut transaction, save.context, save.user_id).await?;
            let type_name = save.hashed.credential_type.as_str();
            require_version(&mut transaction, save.user_id, type_name, version).await?;
        }
        self.writer.write(&mut transaction, save).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(())
    }

    /// The user's credentials, without their values.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list(
        &self,
        user_id: UserId,
    ) -> Result<Vec<CredentialSummary>, StorageError> {
        read_on_connection!(self.database, |connection| credentials::list_by_user(
            &mut connection,
            user_id
        ))
    }

    /// True when `value` is the value of the user's credential of that type. For operators.
    ///
    /// # Errors
    /// See [`VerifyCredentialError`].
    pub(crate) async fn verify(
        &self,
        user_id: UserId,
        credential_type: &CredentialType,
        value: &CredentialValue,
    ) -> Result<bool, VerifyCredentialError> {
        let row = {
            let mut connection = self.database.connection().await?;
            credentials::find_by_type(&mut connection, user_id, credential_type.as_str()).await?
        };
        let hash = row.map(|row| unseal_hash(&self.keyring.current(), &row)).transpose()?.flatten();
        Ok(self.hashing.verify_hash(FairnessKey::Service, value, hash.as_ref()).await?)
    }
}

/// Fails unless the user's credential of that type has that version; 0 means that there is none. The
/// version can change afterwards, except in a transaction that has locked the user.
///
/// # Errors
/// [`SaveCredentialError::Outdated`], or when the database does not answer.
pub(super) async fn require_version(
    connection: &mut PgConnection,
    user_id: UserId,
    type_name: &str,
    version: i64,
) -> Result<(), SaveCredentialError> {
    let stored = credentials::find_by_type(connection, user_id, type_name).await?;
    let stored = stored.map_or(0, |row| row.version);
    if stored == version { Ok(()) } else { Err(SaveCredentialError::Outdated) }
}

/// The secret that authenticated a save of the actor's own credential.
fn own_proof(actor: Actor<'_>, user_id: UserId) -> Option<PasswordProof> {
    match actor {
        Actor::Principal(principal) if principal.user_id() == user_id => match &principal.proof {
            Proof::Password { credential_type, version, .. } => {
                Some(PasswordProof { credential_type: credential_type.clone(), version: *version })
            }
            Proof::Ticket { .. } | Proof::Session { .. } | Proof::Token { .. } => None,
        },
        Actor::Principal(_)
        | Actor::Command
        | Actor::OldSystem
        | Actor::PasswordLink(_)
        | Actor::Service
        | Actor::Anonymous => None,
    }
}
