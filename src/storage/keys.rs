//! The keys that the database was written with, and the rows that are sealed under each key:
//! credentials and untrusted credentials.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::user::UserId;

/// A key that the database was written with.
#[derive(Debug)]
pub(crate) struct KnownKey {
    pub(crate) key_id: String,
    pub(crate) check_mac: Vec<u8>,
    /// When a process first wrote with the key.
    pub(crate) first_used_at: OffsetDateTime,
    pub(crate) is_retired: bool,
    /// When an operator last proved that a copy of the key exists.
    pub(crate) backup_confirmed_at: Option<OffsetDateTime>,
}

/// Lists all keys, by id.
pub(crate) async fn list(connection: &mut PgConnection) -> Result<Vec<KnownKey>, StorageError> {
    let keys = sqlx::query_as!(
        KnownKey,
        r#"SELECT key_id, check_mac, first_used_at, retired_at IS NOT NULL AS "is_retired!",
                  backup_confirmed_at
           FROM keys ORDER BY key_id"#,
    )
    .fetch_all(connection)
    .await?;
    Ok(keys)
}

/// Inserts a key, unless it is known.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    key_id: &str,
    check_mac: &[u8],
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO keys (key_id, check_mac, first_used_at) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        key_id,
        check_mac,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks a key as retired: from now on the keyring may omit it.
pub(crate) async fn retire(
    connection: &mut PgConnection,
    key_id: &str,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE keys SET retired_at = $2 WHERE key_id = $1 AND retired_at IS NULL",
        key_id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Records that copies of these keys exist.
pub(crate) async fn confirm_backups(
    connection: &mut PgConnection,
    key_ids: &[String],
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!("UPDATE keys SET backup_confirmed_at = $2 WHERE key_id = ANY($1)", key_ids, now,)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts the rows that are sealed under this key.
pub(crate) async fn count_sealed_under(
    connection: &mut PgConnection,
    key_id: &str,
) -> Result<u64, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM credentials WHERE key_id = $1)
                + (SELECT count(*) FROM untrusted_credentials WHERE key_id = $1) AS "count!""#,
        key_id,
    )
    .fetch_one(connection)
    .await?;
    u64::try_from(count).map_err(|_| INCONSISTENT)
}

/// Counts the rows that are sealed under any other key.
pub(crate) async fn count_not_sealed_under(
    connection: &mut PgConnection,
    key_id: &str,
) -> Result<u64, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM credentials WHERE key_id <> $1)
                + (SELECT count(*) FROM untrusted_credentials WHERE key_id <> $1) AS "count!""#,
        key_id,
    )
    .fetch_one(connection)
    .await?;
    u64::try_from(count).map_err(|_| INCONSISTENT)
}

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "credentials" };

/// A credential that was sealed again under the writing key.
#[derive(Debug)]
pub(crate) struct Resealed {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    /// The sealed hash to replace. A row with a different one is left unchanged.
    pub(crate) former: Vec<u8>,
    pub(crate) sealed_hash: Vec<u8>,
    /// The digest under the new key, for identifier types.
    pub(crate) identifier: Option<Vec<u8>>,
}

/// Replaces the credentials that are unchanged since they were read, with their identifiers;
/// returns their number. A concurrent save wins.
#[tracing::instrument(name = "db.keys.reseal", skip_all)]
pub(crate) async fn reseal(
    connection: &mut PgConnection,
    key_id: &str,
    resealed: &[Resealed],
) -> Result<u64, StorageError> {
    let user_ids: Vec<_> = resealed.iter().map(|row| row.user_id.as_i32()).collect();
    let types: Vec<_> = resealed.iter().map(|row| row.credential_type.clone()).collect();
    let former: Vec<_> = resealed.iter().map(|row| row.former.clone()).collect();
    let sealed: Vec<_> = resealed.iter().map(|row| row.sealed_hash.clone()).collect();
    let digests: Vec<_> = resealed.iter().map(|row| row.identifier.clone()).collect();
    let count = sqlx::query_scalar!(
        r#"WITH resealed AS (
               SELECT * FROM unnest($2::int[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[])
                   AS n(user_id, credential_type, former, sealed_hash, digest)
           ),
           -- Keeps out saves and deletions, which lock the user's row before they read identifiers.
           locked AS (
               SELECT 1 FROM users
               WHERE user_id IN (SELECT user_id FROM resealed WHERE digest IS NOT NULL)
               ORDER BY user_id FOR SHARE
           ),
           former AS (
               SELECT c.user_id, c.credential_type, c.identifier_digest
               FROM credentials c JOIN resealed n USING (user_id, credential_type)
               WHERE c.sealed_hash = n.former
           ),
           replaced AS (
               UPDATE credentials c
               SET sealed_hash = n.sealed_hash, key_id = $1,
                   identifier_digest = coalesce(n.digest, c.identifier_digest)
               FROM resealed n
               WHERE (SELECT count(*) FROM locked) >= 0
                 AND c.user_id = n.user_id AND c.credential_type = n.credential_type
                 AND c.sealed_hash = n.former
               RETURNING n.user_id, n.credential_type, n.digest
           ),
           -- The digest is the key of the directory: another digest is another row.
           changed AS (
               SELECT r.user_id, r.credential_type, r.digest, f.identifier_digest AS former_digest
               FROM replaced r JOIN former f USING (user_id, credential_type)
               WHERE r.digest IS DISTINCT FROM f.identifier_digest AND r.digest IS NOT NULL
           ),
           removed AS (
               DELETE FROM credential_identifiers i USING changed d
               WHERE i.credential_type = d.credential_type AND i.digest = d.former_digest
                 AND i.user_id = d.user_id
           ),
           added AS (
               INSERT INTO credential_identifiers (credential_type, digest, user_id)
               SELECT credential_type, digest, user_id FROM changed
           )
           SELECT count(*) AS "count!" FROM replaced"#,
        key_id,
        &user_ids,
        &types,
        &former,
        &sealed,
        digests.as_slice() as &[Option<Vec<u8>>],
    )
    .fetch_one(connection)
    .await?;
    u64::try_from(count).map_err(|_| INCONSISTENT)
}
