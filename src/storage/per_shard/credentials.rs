//! Writes credentials and finds them by their identifiers.

use sqlx::PgConnection;
use subtle::ConstantTimeEq;

use crate::{
    domain::{audit::AuditKind, change_cause::ChangeCause, user::UserId},
    storage::{
        audit_events,
        credential_writes::{
            self, CredentialWrite, FormerIdentifier, IdentifierWrite, WriteOutcome,
        },
        credentials::{Candidate, CandidateRow, candidate},
        error::StorageError,
        tickets, users,
    },
};

/// As `credential_writes::upsert`, in the caller's transaction, which has locked the user, the actor and
/// the actor's ticket, and has compared the actor. An outcome other than [`WriteOutcome::Saved`] requires
/// a rollback.
#[tracing::instrument(name = "db.credentials.upsert", skip_all, fields(user.id = %write.event.user_id))]
pub(in crate::storage) async fn upsert(
    connection: &mut PgConnection,
    write: &CredentialWrite,
) -> Result<WriteOutcome, StorageError> {
    let user_id = write.event.user_id;
    if let Some(identifier) = &write.identifier
        && is_taken(connection, write, identifier).await?
    {
        return Ok(WriteOutcome::IdentifierTaken);
    }
    if !is_proof_current(connection, write).await? {
        return Ok(WriteOutcome::ProofOutdated);
    }
    let types = types_of(write);
    let former = list_identifiers(connection, user_id, &types).await?;
    insert_credential(connection, write).await?;
    append_events(connection, write).await?;
    if let Some(identifier) = &write.identifier
        && !insert_identifier(connection, write, identifier).await?
    {
        return Ok(WriteOutcome::IdentifierTaken);
    }
    let digest = write.identifier.as_ref().map(|identifier| &identifier.digest);
    for entry in former {
        let is_same =
            |digest: &Vec<u8>| -> bool { entry.digest.as_slice().ct_eq(digest.as_slice()).into() };
        let is_kept = entry.credential_type == write.credential_type && digest.is_some_and(is_same);
        if !is_kept {
            credential_writes::delete_identifier(connection, user_id, &entry).await?;
        }
    }
    if let Some(digests) = &write.caller_ticket
        && write.event.actor == Some(user_id)
    {
        let session_epoch = write.event.session_epoch;
        tickets::move_to_epoch(connection, user_id, digests, session_epoch).await?;
    }
    delete_replaced(connection, write, &types).await?;
    Ok(WriteOutcome::Saved)
}

/// The types of the saved credential and of those that the save removes.
fn types_of(write: &CredentialWrite) -> Vec<String> {
    let removed = write.removals.iter().map(|removal| removal.credential_type.clone());
    std::iter::once(write.credential_type.clone()).chain(removed).collect()
}

/// True when another user has the identifier.
async fn is_taken(
    connection: &mut PgConnection,
    write: &CredentialWrite,
    identifier: &IdentifierWrite,
) -> Result<bool, StorageError> {
    for digest in &identifier.all_digests {
        let owner = find_owner(connection, &write.credential_type, digest).await?;
        if owner.is_some_and(|owner| owner != write.event.user_id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The user whom the directory names for a digest.
async fn find_owner(
    connection: &mut PgConnection,
    credential_type: &str,
    digest: &[u8],
) -> Result<Option<UserId>, StorageError> {
    let owner = sqlx::query_scalar!(
        "SELECT user_id FROM credential_identifiers WHERE credential_type = $1 AND digest = $2",
        credential_type,
        digest,
    )
    .fetch_optional(connection)
    .await?;
    let inconsistent = |_| StorageError::Inconsistent { table: "credential_identifiers" };
    owner.map(UserId::try_from).transpose().map_err(inconsistent)
}

/// False when the credential that authenticated the actor was replaced.
async fn is_proof_current(
    connection: &mut PgConnection,
    write: &CredentialWrite,
) -> Result<bool, StorageError> {
    let Some((proven_type, proven_version)) = &write.proven else { return Ok(true) };
    let is_current = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM credentials
               WHERE user_id = $1 AND credential_type = $2 AND version = $3
           ) AS "is_current!""#,
        write.event.user_id.as_i32(),
        proven_type,
        proven_version,
    )
    .fetch_one(connection)
    .await?;
    Ok(is_current)
}

/// The identifiers of the user's credentials of these types. The lock of the user's row keeps out
/// reseals, which change them.
async fn list_identifiers(
    connection: &mut PgConnection,
    user_id: UserId,
    types: &[String],
) -> Result<Vec<FormerIdentifier>, StorageError> {
    let listed = sqlx::query_as!(
        FormerIdentifier,
        r#"SELECT credential_type, identifier_digest AS "digest!" FROM credentials
           WHERE user_id = $1 AND credential_type = ANY($2) AND identifier_digest IS NOT NULL"#,
        user_id.as_i32(),
        types,
    )
    .fetch_all(connection)
    .await?;
    Ok(listed)
}

async fn insert_credential(
    connection: &mut PgConnection,
    write: &CredentialWrite,
) -> Result<(), StorageError> {
    let event = &write.event;
    let parameter = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    sqlx::query!(
        "INSERT INTO credentials (
             user_id, credential_type, sealed_hash, key_id, identifier_digest, hash_scheme,
             hash_memory_kib, hash_iterations, hash_parallelism, display_value, version,
             registered_at, registered_by, updated_at, updated_by, valid_from, valid_to,
             change_required
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $12, $13, $14, $15, $16)
         ON CONFLICT (user_id, credential_type) DO UPDATE SET
             sealed_hash = excluded.sealed_hash,
             key_id = excluded.key_id,
             identifier_digest = excluded.identifier_digest,
             hash_scheme = excluded.hash_scheme,
             hash_memory_kib = excluded.hash_memory_kib,
             hash_iterations = excluded.hash_iterations,
             hash_parallelism = excluded.hash_parallelism,
             display_value = excluded.display_value,
             version = excluded.version,
             updated_at = excluded.updated_at,
             updated_by = excluded.updated_by,
             valid_from = excluded.valid_from,
             valid_to = excluded.valid_to,
             change_required = excluded.change_required",
        event.user_id.as_i32(),
        write.credential_type,
        write.sealed_hash,
        write.key_id,
        write.identifier.as_ref().map(|identifier| identifier.digest.as_slice()),
        write.hash_scheme.as_str(),
        parameter(write.hash_parameters.memory_kib),
        parameter(write.hash_parameters.iterations),
        parameter(write.hash_parameters.parallelism),
        write.display_value,
        event.sequence,
        event.occurred_at,
        event.actor.map(UserId::as_i32),
        write.validity.from(),
        write.validity.to(),
        write.change_required.map(ChangeCause::as_str),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Appends the event of the save, then one for each credential that it removes, and advances the user's
/// head.
async fn append_events(
    connection: &mut PgConnection,
    write: &CredentialWrite,
) -> Result<(), StorageError> {
    let mut event = write.event.clone();
    let mut mac = &write.audit_mac;
    audit_events::insert(connection, &event, &write.audit_key_id, mac).await?;
    for removal in &write.removals {
        event.kind = AuditKind::CredentialDeleted;
        event.sequence += 1;
        event.credential_type = Some(removal.credential_type.clone());
        mac = &removal.audit_mac;
        audit_events::insert(connection, &event, &write.audit_key_id, mac).await?;
    }
    users::advance(connection, &event, mac).await
}

/// Inserts the entry of the directory; false when another user saved the same identifier a moment
/// earlier.
async fn insert_identifier(
    connection: &mut PgConnection,
    write: &CredentialWrite,
    identifier: &IdentifierWrite,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "INSERT INTO credential_identifiers AS existing (credential_type, digest, user_id)
         VALUES ($1, $2, $3)
         ON CONFLICT (credential_type, digest) DO UPDATE SET user_id = excluded.user_id
             WHERE existing.user_id = excluded.user_id",
        write.credential_type,
        identifier.digest,
        write.event.user_id.as_i32(),
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes the failed attempts at the replaced secrets, and the credentials that the save removes.
async fn delete_replaced(
    connection: &mut PgConnection,
    write: &CredentialWrite,
    types: &[String],
) -> Result<(), StorageError> {
    let user_id = write.event.user_id.as_i32();
    sqlx::query!(
        "DELETE FROM authentication_attempts WHERE user_id = $1 AND credential_type = ANY($2)",
        user_id,
        types,
    )
    .execute(&mut *connection)
    .await?;
    if !write.removals.is_empty() {
        sqlx::query!(
            "DELETE FROM credentials
             WHERE user_id = $1 AND credential_type = ANY($2) AND credential_type <> $3",
            user_id,
            types,
            write.credential_type,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// As `credentials::find_by_identifier`. The caller compares the identifier inside the sealed hash, so an
/// entry that was replaced between the reads admits nobody.
#[tracing::instrument(name = "db.credentials.find_by_identifier", skip_all)]
pub(in crate::storage) async fn find_by_identifier(
    connection: &mut PgConnection,
    credential_type: &str,
    digests: &[Vec<u8>],
) -> Result<Option<Candidate>, StorageError> {
    let mut found = None;
    for digest in digests {
        found = find_owner(connection, credential_type, digest).await?;
        if found.is_some() {
            break;
        }
    }
    let Some(user_id) = found else { return Ok(None) };
    let rows = sqlx::query_as!(
        CandidateRow,
        r#"SELECT u.user_id, u.login_name, u.display_name, u.user_type, u.is_administrator,
                  u.role, u.is_retired, u.session_epoch, u.person_id, u.role_id, u.ej_user_id,
                  u.nick_name, c.credential_type AS "credential_type?",
                  c.sealed_hash AS "sealed_hash?", c.key_id AS "key_id?",
                  c.hash_scheme AS "hash_scheme?",
                  c.hash_memory_kib AS "hash_memory_kib?", c.hash_iterations AS "hash_iterations?",
                  c.hash_parallelism AS "hash_parallelism?", c.version AS "version?",
                  c.valid_from AS "valid_from?", c.valid_to AS "valid_to?",
                  c.change_required AS "change_required?"
           FROM users u
           JOIN credentials c ON c.user_id = u.user_id
           WHERE u.user_id = $1 AND c.credential_type = $2"#,
        user_id.as_i32(),
        credential_type,
    )
    .fetch_all(connection)
    .await?;
    candidate(rows)
}
