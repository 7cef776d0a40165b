//! Reads and replaces sealed hashes.

use sqlx::PgConnection;
use subtle::ConstantTimeEq;

use super::commit_without_standby;
use crate::storage::{
    credential_writes::{FormerIdentifier, HashReplacement, delete_identifier},
    credentials::KindRow,
    error::StorageError,
    keys::Resealed,
};

/// The distinct schemes and costs of all hashes. It reads one index completely.
pub(in crate::storage) async fn list_kinds(
    connection: &mut PgConnection,
) -> Result<Vec<KindRow>, StorageError> {
    let rows = sqlx::query_as!(
        KindRow,
        "SELECT DISTINCT hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism
         FROM credentials
         ORDER BY hash_scheme, hash_memory_kib, hash_iterations, hash_parallelism",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// As `keys::reseal`, in the caller's transaction.
#[tracing::instrument(name = "db.keys.reseal", skip_all)]
pub(in crate::storage) async fn reseal(
    connection: &mut PgConnection,
    key_id: &str,
    resealed: &[Resealed],
) -> Result<u64, StorageError> {
    let mut ordered: Vec<_> = resealed.iter().collect();
    ordered.sort_unstable_by_key(|row| row.user_id.as_i32());
    let mut count = 0;
    for row in ordered {
        count += u64::from(reseal_one(connection, key_id, row).await?);
    }
    Ok(count)
}

/// Replaces one credential if it is unchanged; returns whether it was.
async fn reseal_one(
    connection: &mut PgConnection,
    key_id: &str,
    row: &Resealed,
) -> Result<bool, StorageError> {
    let user_id = row.user_id.as_i32();
    if row.identifier.is_some() {
        // Keeps out saves and deletions, which lock the user's row before they read identifiers.
        sqlx::query!("SELECT 1 AS one FROM users WHERE user_id = $1 FOR SHARE", user_id)
            .fetch_optional(&mut *connection)
            .await?;
    }
    let former = sqlx::query_scalar!(
        "SELECT identifier_digest FROM credentials WHERE user_id = $1 AND credential_type = $2",
        user_id,
        row.credential_type,
    )
    .fetch_optional(&mut *connection)
    .await?
    .flatten();
    let done = sqlx::query!(
        "UPDATE credentials
         SET sealed_hash = $4, key_id = $5, identifier_digest = coalesce($6, identifier_digest)
         WHERE user_id = $1 AND credential_type = $2 AND sealed_hash = $3",
        user_id,
        row.credential_type,
        row.former,
        row.sealed_hash,
        key_id,
        row.identifier,
    )
    .execute(&mut *connection)
    .await?;
    let Some(digest) = row.identifier.as_ref().filter(|_| done.rows_affected() == 1) else {
        return Ok(done.rows_affected() == 1);
    };
    let is_same = |former: &Vec<u8>| -> bool { former.as_slice().ct_eq(digest.as_slice()).into() };
    if !former.as_ref().is_some_and(is_same) {
        if let Some(former) = former {
            let credential_type = row.credential_type.clone();
            let entry = FormerIdentifier { credential_type, digest: former };
            delete_identifier(connection, row.user_id, &entry).await?;
        }
        sqlx::query!(
            "INSERT INTO credential_identifiers (credential_type, digest, user_id)
             VALUES ($1, $2, $3)",
            row.credential_type,
            digest,
            user_id,
        )
        .execute(connection)
        .await?;
    }
    Ok(true)
}

/// As `credential_writes::replace_hash`.
#[tracing::instrument(name = "db.credentials.replace_hash", skip_all, fields(user.id = %new.row.user_id))]
pub(in crate::storage) async fn replace_hash(
    connection: &mut PgConnection,
    new: &HashReplacement,
) -> Result<bool, StorageError> {
    let parameter = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    commit_without_standby(connection).await?;
    let done = sqlx::query!(
        "UPDATE credentials
         SET hash_scheme = 'argon2id', sealed_hash = $6, key_id = $7, hash_memory_kib = $8,
             hash_iterations = $9, hash_parallelism = $10
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
