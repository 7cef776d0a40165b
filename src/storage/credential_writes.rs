//! The write of a save: credential, identifier, evidence, chain head and epoch in one statement.

use sqlx::PgConnection;

use super::{error::StorageError, users::ActorSnapshot};
use crate::domain::{
    audit::{AuditEvent, AuditKind},
    stored_credential::{HashParameters, HashScheme, StoredCredential},
    user::UserId,
    validity::Validity,
};

/// A credential on its way into the table, computed from its user's head.
#[derive(Debug)]
pub(crate) struct CredentialWrite {
    /// Its sequence is the version of the row that it writes.
    pub(crate) event: AuditEvent,
    pub(crate) audit_key_id: String,
    pub(crate) audit_mac: Vec<u8>,
    /// The user's credentials of other types that go, each with the event that follows.
    pub(crate) removals: Vec<Removal>,
    pub(crate) credential_type: String,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) hash_scheme: HashScheme,
    pub(crate) hash_parameters: HashParameters,
    pub(crate) validity: Validity,
    pub(crate) display_value: String,
    /// For identifier types.
    pub(crate) identifier: Option<IdentifierWrite>,
    /// What the actor must still be. `None`: an operator's command.
    pub(crate) actor: Option<ActorSnapshot>,
    /// The secret this write rests on: it must still be there in this version.
    pub(crate) proven: Option<(String, i64)>,
    /// The digests of the ticket or session that the actor came with: it must still be there. When
    /// it is the user's own, it moves to the new epoch.
    pub(crate) caller_ticket: Option<Vec<Vec<u8>>>,
}

/// A credential that a save removes.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) credential_type: String,
    /// Of its event, which is the save's in all but kind, type and place.
    pub(crate) audit_mac: Vec<u8>,
}

/// The digests of an identifier: under the writing key, and under every readable one.
#[derive(Debug)]
pub(crate) struct IdentifierWrite {
    pub(crate) digest: Vec<u8>,
    pub(crate) all_digests: Vec<Vec<u8>>,
}

/// What became of a write. Unless it was saved, nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteOutcome {
    /// Everything was written.
    Saved,
    /// Another write holds the row of the user, of the actor or of the actor's ticket, or has moved the
    /// head this one was computed from.
    HeadMoved,
    /// Another user has this identifier. If they got it this very moment, the rest was written
    /// and must be rolled back: a write with an identifier belongs in a transaction.
    IdentifierTaken,
    /// The proven secret has been replaced, or the actor is not what they were.
    ProofOutdated,
}

impl WriteOutcome {
    /// As `upsert_credential.sql` spells it.
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

/// Adds or replaces the credential, with its evidence.
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
    )
    .fetch_one(connection)
    .await?;
    WriteOutcome::parse(&outcome).ok_or(StorageError::Inconsistent { table: "credentials" })
}

/// Kind, credential type and MAC of each event of a write, in their order.
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

/// Another hash of the same secret, on its way into the row that it was read from.
#[derive(Debug)]
pub(crate) struct HashReplacement {
    pub(crate) row: StoredCredential,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) hash_parameters: HashParameters,
}

/// Replaces the hash if the row is still exactly the one that was read; says whether it was. A
/// save that came meanwhile wins.
#[tracing::instrument(name = "db.credentials.replace_hash", skip_all, fields(user.id = %new.row.user_id))]
pub(crate) async fn replace_hash(
    connection: &mut PgConnection,
    new: &HashReplacement,
) -> Result<bool, StorageError> {
    let parameter = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let done = sqlx::query!(
        "UPDATE credentials
         SET hash_scheme = 'argon2id', sealed_hash = $6, key_id = $7, hash_memory_kib = $8, hash_iterations = $9,
             hash_parallelism = $10
         WHERE user_id = $1 AND credential_type = $2 AND version = $3 AND key_id = $4
           AND sealed_hash = $5",
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

/// Deletes a credential, with its identifier and its failed attempts; returns whether there was one.
/// The caller's transaction has locked the user's row, so no reseal changes the identifier meanwhile.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
) -> Result<bool, StorageError> {
    let was_deleted = sqlx::query_scalar!(
        r#"WITH attempts AS (
               DELETE FROM authentication_attempts WHERE user_id = $1 AND credential_type = $2
           ),
           deleted AS (
               DELETE FROM credentials WHERE user_id = $1 AND credential_type = $2
               RETURNING credential_type, identifier_digest
           ),
           identifier AS (
               DELETE FROM credential_identifiers i USING deleted d
               WHERE i.credential_type = d.credential_type AND i.digest = d.identifier_digest
                 AND i.user_id = $1
           )
           SELECT EXISTS (SELECT 1 FROM deleted) AS "was_deleted!""#,
        user_id.as_i32(),
        credential_type,
    )
    .fetch_one(connection)
    .await?;
    Ok(was_deleted)
}
