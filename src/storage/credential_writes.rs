//! Writes a saved credential with its identifier, audit events, chain head and epoch in one
//! statement.

use sqlx::PgConnection;

use super::{error::StorageError, users::ActorSnapshot};
use crate::domain::{
    audit::{AuditEvent, AuditKind},
    change_cause::ChangeCause,
    role::Role,
    stored_credential::{HashParameters, HashScheme, StoredCredential},
    user::UserId,
    validity::Validity,
};

/// A credential to write, computed from the head of its user's audit chain.
#[derive(Debug)]
pub(crate) struct CredentialWrite {
    /// The audit event of the save. Its sequence becomes the version of the credential.
    pub(crate) event: AuditEvent,
    pub(crate) audit_key_id: String,
    pub(crate) audit_mac: Vec<u8>,
    /// The user's credentials of other types that the save removes.
    pub(crate) removals: Vec<Removal>,
    pub(crate) credential_type: String,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) hash_scheme: HashScheme,
    pub(crate) hash_parameters: HashParameters,
    pub(crate) validity: Validity,
    pub(crate) change_required: Option<ChangeCause>,
    pub(crate) display_value: String,
    /// `Some` for identifier types.
    pub(crate) identifier: Option<IdentifierWrite>,
    /// The required state of the actor; with a ticket or session, without the epoch. `None`: an
    /// operator's command.
    pub(crate) actor: Option<ActorSnapshot>,
    /// The credential type and version that authenticated the actor; the credential must still have
    /// this version.
    pub(crate) proven: Option<(String, i64)>,
    /// The digests of the ticket or session that authenticated the actor; it must still exist, with
    /// the actor's epoch. If it belongs to the user, it is moved to the new epoch.
    pub(crate) caller_ticket: Option<Vec<Vec<u8>>>,
}

/// A credential that a save removes.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) credential_type: String,
    /// The MAC of its audit event, which differs from the save's in kind, type and sequence.
    pub(crate) audit_mac: Vec<u8>,
}

/// The digests of an identifier: under the writing key, and under every readable key.
#[derive(Debug)]
pub(crate) struct IdentifierWrite {
    pub(crate) digest: Vec<u8>,
    pub(crate) all_digests: Vec<Vec<u8>>,
}

/// The outcome of a write. Unless it is [`Self::Saved`], nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    /// Everything was written.
    Saved,
    /// Another transaction has locked the row of the user, the actor or the actor's ticket, or has
    /// moved the head that this write was computed from.
    HeadMoved,
    /// Another user has this identifier. If the other user saved it concurrently, the rest was
    /// written and must be rolled back: a write with an identifier needs a transaction.
    IdentifierTaken,
    /// The credential that authenticated the actor was replaced, or the actor changed.
    ProofOutdated,
}

impl WriteOutcome {
    /// Parses an outcome of `upsert_credential.sql`.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "saved" => Some(Self::Saved),
            "head_moved" => Some(Self::HeadMoved),
            "identifier_taken" => Some(Self::IdentifierTaken),
            "proof_outdated" => Some(Self::ProofOutdated),
            _ => None,
        }
    }
}

/// Adds or replaces a credential, with its audit events.
#[tracing::instrument(name = "db.credentials.upsert", skip_all, fields(user.id = %write.event.user_id))]
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    write: &CredentialWrite,
) -> Result<WriteOutcome, StorageError> {
    let event = &write.event;
    let parameter = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let (proven_type, proven_version) = write.proven.clone().unzip();
    let identifier = write.identifier.as_ref();
    let (kinds, types, macs) = links(write);
    let outcome = sqlx::query_file_scalar!(
        "src/storage/upsert_credential.sql",
        event.user_id.as_i32(),
        write.credential_type,
        write.sealed_hash,
        write.key_id,
        parameter(write.hash_parameters.memory_kib),
        parameter(write.hash_parameters.iterations),
        parameter(write.hash_parameters.parallelism),
        write.display_value,
        event.sequence,
        event.occurred_at,
        event.actor.map(UserId::as_i32),
        &kinds as &[&str],
        event.scheme,
        event.address,
        event.request_id,
        event.session_epoch,
        write.audit_key_id,
        &macs as &[&[u8]],
        proven_type,
        proven_version,
        identifier.map(|identifier| identifier.digest.as_slice()),
        identifier.map(|identifier| identifier.all_digests.as_slice()).unwrap_or_default(),
        write.caller_ticket.as_deref(),
        &types as &[&str],
        write.actor.as_ref().map(|actor| actor.session_epoch),
        write.actor.as_ref().map(|actor| actor.is_administrator),
        write.validity.from(),
        write.validity.to(),
        write.actor.as_ref().map(|actor| actor.user_type.as_str()),
        write.hash_scheme.as_str(),
        write.actor.as_ref().and_then(|actor| actor.role).map(Role::as_str),
        event.reason,
        write.change_required.map(ChangeCause::as_str),
    )
    .fetch_one(connection)
    .await?;
    WriteOutcome::parse(&outcome).ok_or(StorageError::Inconsistent { table: "credentials" })
}

/// The kind, credential type and MAC of each event of a write, in order.
fn links(write: &CredentialWrite) -> (Vec<&str>, Vec<&str>, Vec<&[u8]>) {
    let mut links = (
        vec![write.event.kind.as_str()],
        vec![write.credential_type.as_str()],
        vec![write.audit_mac.as_slice()],
    );
    for removal in &write.removals {
        links.0.push(AuditKind::CredentialDeleted.as_str());
        links.1.push(&removal.credential_type);
        links.2.push(&removal.audit_mac);
    }
    links
}

/// A new hash of the same secret, for the row that the secret was verified with.
#[derive(Debug)]
pub(crate) struct HashReplacement {
    pub(crate) row: StoredCredential,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) hash_parameters: HashParameters,
}

/// Replaces the hash if the row is unchanged since it was read; returns whether it was. A
/// concurrent save wins.
#[tracing::instrument(name = "db.credentials.replace_hash", skip_all, fields(user.id = %new.row.user_id))]
pub(crate) async fn replace_hash(
    connection: &mut PgConnection,
    new: &HashReplacement,
) -> Result<bool, StorageError> {
    let parameter = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let done = sqlx::query!(
        "WITH commit_mode AS (
             SELECT set_config('synchronous_commit', 'local', true)
             WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
         )
         UPDATE credentials
         SET hash_scheme = 'argon2id', sealed_hash = $6, key_id = $7, hash_memory_kib = $8, hash_iterations = $9,
             hash_parallelism = $10
         WHERE user_id = $1 AND credential_type = $2 AND version = $3 AND key_id = $4
           AND sealed_hash = $5 AND (SELECT count(*) FROM commit_mode) >= 0",
        new.row.user_id.as_i32(),
        new.row.credential_type,
        new.row.version,
        new.row.key_id,
        new.row.sealed_hash,
        new.sealed_hash,
        new.key_id,
        parameter(new.hash_parameters.memory_kib),
        parameter(new.hash_parameters.iterations),
        parameter(new.hash_parameters.parallelism),
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An entry of the directory of identifiers.
#[derive(Debug)]
pub(super) struct FormerIdentifier {
    pub(super) credential_type: String,
    pub(super) digest: Vec<u8>,
}

/// Deletes an entry of a user from the directory of identifiers.
pub(super) async fn delete_identifier(
    connection: &mut PgConnection,
    user_id: UserId,
    entry: &FormerIdentifier,
) -> Result<(), StorageError> {
    sqlx::query!(
        "DELETE FROM credential_identifiers
         WHERE credential_type = $1 AND digest = $2 AND user_id = $3",
        entry.credential_type,
        entry.digest,
        user_id.as_i32(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a credential, with its identifier and its failed attempts; returns whether there was
/// one. The caller's transaction has locked the user's row, so no reseal changes the identifier
/// meanwhile.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
) -> Result<bool, StorageError> {
    let deleted = sqlx::query!(
        "WITH attempts AS (
             DELETE FROM authentication_attempts WHERE user_id = $1 AND credential_type = $2
         )
         DELETE FROM credentials WHERE user_id = $1 AND credential_type = $2
         RETURNING credential_type, identifier_digest",
        user_id.as_i32(),
        credential_type,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = deleted else { return Ok(false) };
    if let Some(digest) = row.identifier_digest {
        let entry = FormerIdentifier { credential_type: row.credential_type, digest };
        delete_identifier(connection, user_id, &entry).await?;
    }
    Ok(true)
}
