//! Saving a credential: a look at the user, the hash, and one statement that writes everything.

use secrecy::SecretString;
use sqlx::PgConnection;

use crate::service::{Service, throttling::counting::AttemptError, unsealing::KeyUnavailable};
use crate::{
    domain::{
        InvalidField, Reason,
        change_context::ChangeContext,
        client_info::FairnessKey,
        credential::{CredentialSummary, CredentialValue},
        credential_type::CredentialType,
        principal::{Actor, Proof},
        save_credential::{NewCredential, NewSecret, SaveCredential},
        user::UserId,
        validity::Validity,
    },
    security::{
        hashing::{HashingError, StoredHash},
        random::RandomError,
        sealing::SealError,
    },
    storage::{
        self, StorageError, credential_saves,
        credential_writes::{self, WriteOutcome},
        credentials,
        users::{self, ActorSnapshot, UserHead},
    },
};

/// Why a credential was not saved. Nothing was written, except perhaps where the storage error
/// is an unknown outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveCredentialError {
    #[error("the caller may not save this credential")]
    Forbidden,
    #[error("no such user")]
    UnknownUser,
    #[error("the type is not for users of this type")]
    TypeNotForUser,
    /// By the policy; every reason.
    #[error("the password {}", list(.0))]
    PasswordRefused(Vec<Reason>),
    /// An imported hash; never tried.
    #[error("the hash {0}")]
    UnacceptableHash(InvalidField),
    #[error("another user has this identifier")]
    IdentifierTaken,
    /// The password that the request proved has been replaced meanwhile, or the caller has been
    /// retired, or everything of theirs was ended.
    #[error("what the request rests on has ended meanwhile")]
    ProofOutdated,
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the new hash cannot be written as a PHC string")]
    Unwritable,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl SaveCredentialError {
    /// True when nothing was executed, and another connection may be able to.
    fn is_of_stale_connection(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_of_stale_connection())
    }
}

/// Why a value could not be held against a stored credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyCredentialError {
    #[error(transparent)]
    KeyUnavailable(#[from] KeyUnavailable),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A save whose hash is done: what the transaction needs.
pub(in crate::service) struct HashedCredential {
    pub(in crate::service) credential_type: CredentialType,
    pub(in crate::service) display_value: Option<String>,
    pub(in crate::service) hash: StoredHash,
    /// For identifier types, the value.
    pub(in crate::service) identifier: Option<SecretString>,
    pub(in crate::service) validity: Validity,
}

/// The stored secret that a write rests on: its type, and the version that was verified.
pub(in crate::service) type PasswordProof = (String, i64);

/// One save, all but the user's head.
#[derive(Clone, Copy)]
pub(in crate::service) struct Save<'save> {
    pub(in crate::service) context: ChangeContext<'save>,
    pub(in crate::service) user_id: UserId,
    pub(in crate::service) hashed: &'save HashedCredential,
    pub(in crate::service) precondition: WritePrecondition<'save>,
}

/// What must still be true when a save is written.
#[derive(Clone, Copy)]
pub(in crate::service) enum WritePrecondition<'save> {
    /// The author is who they were, and has proven this secret of the user's, if any.
    Actor(Option<&'save PasswordProof>),
    /// Nothing: this transaction has looked at the author already.
    Nothing,
}

impl Service {
    /// Adds or replaces the user's credential of that type.
    ///
    /// # Errors
    /// See [`SaveCredentialError`].
    pub(crate) async fn save_credential(
        &self,
        context: ChangeContext<'_>,
        command: SaveCredential,
    ) -> Result<(), SaveCredentialError> {
        if !context
            .actor
            .may_save_credential_of(command.user_id, &command.credential.credential_type)
        {
            return Err(SaveCredentialError::Forbidden);
        }
        let proven = own_proof(context.actor, command.user_id);
        self.save_permitted(context, command, proven.as_ref()).await
    }

    /// Saves what the author may save: every way to a credential of one type leads through here.
    pub(in crate::service) async fn save_permitted(
        &self,
        context: ChangeContext<'_>,
        command: SaveCredential,
        proven: Option<&PasswordProof>,
    ) -> Result<(), SaveCredentialError> {
        let SaveCredential { user_id, mut credential } = command;
        // Before the hash, so that an unknown user costs none.
        let found = on_connection!(self, |connection| credential_saves::find_head_and_validity(
            &mut connection,
            user_id,
            credential.credential_type.as_str()
        ))?;
        let (head, stored_validity) = found.ok_or(SaveCredentialError::UnknownUser)?;
        if !context.actor.may_act_on_anybody() {
            // An owner's save does not extend a validity that an operator or the type set.
            let is_renewed = credential.credential_type.lifetime().is_some();
            credential.validity = stored_validity.filter(|_| !is_renewed);
        }
        if !credential.credential_type.is_for(head.user_type) {
            return Err(SaveCredentialError::TypeNotForUser);
        }
        let hashed = self.hash_credential(context, &head.login_name, credential).await?;
        let save = Save {
            context,
            user_id,
            hashed: &hashed,
            precondition: WritePrecondition::Actor(proven),
        };
        // What may have to be rolled back belongs into a transaction.
        if hashed.identifier.is_none() {
            let mut outcome = self.write_at_once(save, &head).await;
            if outcome.as_ref().err().is_some_and(SaveCredentialError::is_of_stale_connection) {
                outcome = self.write_at_once(save, &head).await;
            }
            let outcome = outcome?;
            if outcome != WriteOutcome::HeadMoved {
                return saved(outcome);
            }
        }
        // Apart: every save that waits would have room for it otherwise.
        let mut written = Box::pin(self.write_in_turn(save)).await;
        if written.as_ref().err().is_some_and(SaveCredentialError::is_of_stale_connection) {
            written = Box::pin(self.write_in_turn(save)).await;
        }
        written
    }

    /// One statement, which is its own transaction, as long as nobody else writes for the user or the
    /// author.
    async fn write_at_once(
        &self,
        save: Save<'_>,
        head: &UserHead,
    ) -> Result<WriteOutcome, SaveCredentialError> {
        let mut connection = self.connection().await?;
        let others = self.types_that_go(&mut connection, save).await?;
        let write = self.credential_write(save, head, &others)?;
        let outcome = credential_writes::upsert(&mut connection, &write).await;
        let outcome = outcome.map_err(StorageError::in_doubt)?;
        connection.release();
        Ok(outcome)
    }

    /// Locks the rows that it rests on first, and so waits for their holders.
    async fn write_in_turn(&self, save: Save<'_>) -> Result<(), SaveCredentialError> {
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        self.write_credential(&mut transaction, save).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(())
    }

    /// The slow part: no connection is held meanwhile, and the plain value ends here.
    pub(in crate::service) async fn hash_credential(
        &self,
        context: ChangeContext<'_>,
        login_name: &str,
        credential: NewCredential,
    ) -> Result<HashedCredential, SaveCredentialError> {
        if let Some(password) = credential.password() {
            self.require_password(context.actor.caller(), login_name, password).await?;
        }
        let NewCredential { field, credential_type, secret, display_value, validity } = credential;
        let hash = match &secret {
            NewSecret::Value(value) => {
                StoredHash::Own(self.hashing.hash(context.actor.caller(), value).await?)
            }
            NewSecret::Hash(text) => self.accept_hash(&field, text)?,
        };
        let of_type = credential_type.lifetime().map(|of| Validity::starting(context.now, of));
        let validity = validity.or(of_type).unwrap_or_default();
        let identifier = match secret {
            NewSecret::Value(value) if credential_type.is_identifier() => {
                Some(value.secret().clone())
            }
            NewSecret::Value(_) | NewSecret::Hash(_) => None,
        };
        let display_value = display_value.map(|text| text.as_str().to_owned());
        Ok(HashedCredential { credential_type, display_value, hash, identifier, validity })
    }

    /// The write of a save, within the caller's transaction.
    pub(in crate::service) async fn write_credential(
        &self,
        connection: &mut PgConnection,
        save: Save<'_>,
    ) -> Result<(), SaveCredentialError> {
        let (head, stands) = match save.precondition {
            WritePrecondition::Actor(_) => {
                self.lock_for_change(connection, save.context, save.user_id).await?
            }
            WritePrecondition::Nothing => (users::lock(connection, save.user_id).await?, true),
        };
        let head = head.ok_or(SaveCredentialError::UnknownUser)?;
        if !stands {
            return Err(SaveCredentialError::ProofOutdated);
        }
        // They may have become a user of another type meanwhile.
        if !save.hashed.credential_type.is_for(head.user_type) {
            return Err(SaveCredentialError::TypeNotForUser);
        }
        let others = self.types_that_go(connection, save).await?;
        let write = self.credential_write(save, &head, &others)?;
        saved(credential_writes::upsert(connection, &write).await?)
    }

    /// What may be told about a user's credentials.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_credentials(
        &self,
        user_id: UserId,
    ) -> Result<Vec<CredentialSummary>, StorageError> {
        credentials::list_by_user(&mut *self.connection().await?, user_id).await
    }

    /// True when `value` is the user's stored credential of that type. For operators.
    ///
    /// # Errors
    /// When the row cannot be read or opened.
    pub(crate) async fn verify_credential(
        &self,
        user_id: UserId,
        credential_type: &CredentialType,
        value: &CredentialValue,
    ) -> Result<bool, VerifyCredentialError> {
        let row = {
            let mut connection = self.connection().await?;
            credentials::find_by_type(&mut connection, user_id, credential_type.as_str()).await?
        };
        let hash = row.map(|row| self.open_hash(&row)).transpose()?.flatten();
        Ok(self.hashing.verify_hash(FairnessKey::Command, value, hash.as_ref()).await?)
    }
}

/// Reasons in one sentence.
fn list(reasons: &[Reason]) -> String {
    reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", ")
}

/// What a write came to, as the caller of the save sees it.
fn saved(outcome: WriteOutcome) -> Result<(), SaveCredentialError> {
    match outcome {
        WriteOutcome::Saved => Ok(()),
        WriteOutcome::IdentifierTaken => Err(SaveCredentialError::IdentifierTaken),
        WriteOutcome::ProofOutdated => Err(SaveCredentialError::ProofOutdated),
        // With the rows locked, the head is where it was read.
        WriteOutcome::HeadMoved => Err(StorageError::Inconsistent { table: "users" }.into()),
    }
}

/// What the caller was when they were authenticated, and must still be when it is written.
pub(in crate::service) fn actor_snapshot(actor: Actor<'_>) -> Option<ActorSnapshot> {
    let Actor::Principal(principal) = actor else { return None };
    Some(ActorSnapshot {
        session_epoch: principal.user.session_epoch,
        is_administrator: principal.user.is_administrator,
        user_type: principal.user.user_type,
    })
}

/// The secret that a save of the caller's own credential rests on.
fn own_proof(actor: Actor<'_>, user_id: UserId) -> Option<PasswordProof> {
    match actor {
        Actor::Principal(principal) if principal.user_id() == user_id => match &principal.proof {
            Proof::Password { credential_type, version } => {
                Some((credential_type.clone(), *version))
            }
            Proof::Ticket { .. } | Proof::Session { .. } | Proof::Token => None,
        },
        Actor::Principal(_) | Actor::Command => None,
    }
}

/// The digests of the ticket or session that the caller came with.
pub(in crate::service) fn caller_ticket(actor: Actor<'_>) -> Option<Vec<Vec<u8>>> {
    let Actor::Principal(principal) = actor else { return None };
    match &principal.proof {
        Proof::Ticket { digests } | Proof::Session { digests } => Some(digests.clone()),
        Proof::Password { .. } | Proof::Token => None,
    }
}
