//! Lists credentials for checks of the whole table. A row with an invalid value is listed, too: it must
//! not hide the others.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{credentials::CredentialRow, error::StorageError};
use crate::domain::{stored_credential::StoredCredential, user::UserId};

/// A credential, as it is stored.
pub(crate) struct StoredRow {
    /// The id of its owner.
    pub(crate) user_id: i32,
    pub(crate) credential_type: String,
    /// The key of the keyring that it is sealed under.
    pub(crate) key_id: String,
    pub(crate) version: i64,
    /// `None` if a value in its row is invalid.
    pub(crate) credential: Option<StoredCredential>,
}

struct ListedRow {
    user_id: i32,
    credential_type: String,
    sealed_hash: Vec<u8>,
    key_id: String,
    hash_scheme: String,
    hash_memory_kib: i32,
    hash_iterations: i32,
    hash_parallelism: i32,
    version: i64,
    has_start: bool,
    /// `None` if there is none, or if the type of times cannot have it, such as infinity.
    valid_from: Option<OffsetDateTime>,
    has_end: bool,
    /// As `valid_from`.
    valid_to: Option<OffsetDateTime>,
    change_required: Option<String>,
}

impl From<ListedRow> for StoredRow {
    fn from(row: ListedRow) -> Self {
        let has_valid_times =
            row.valid_from.is_some() == row.has_start && row.valid_to.is_some() == row.has_end;
        let (user_id, version) = (row.user_id, row.version);
        let (credential_type, key_id) = (row.credential_type.clone(), row.key_id.clone());
        let row = CredentialRow {
            user_id,
            credential_type: row.credential_type,
            sealed_hash: row.sealed_hash,
            key_id: row.key_id,
            hash_scheme: row.hash_scheme,
            hash_memory_kib: row.hash_memory_kib,
            hash_iterations: row.hash_iterations,
            hash_parallelism: row.hash_parallelism,
            version,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            change_required: row.change_required,
        };
        let credential = StoredCredential::try_from(row).ok().filter(|_| has_valid_times);
        Self { user_id, credential_type, key_id, version, credential }
    }
}

/// Lists up to `limit` credentials after that user and type, by user and type.
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    user_id: i32,
    credential_type: &str,
    limit: i64,
) -> Result<Vec<StoredRow>, StorageError> {
    let rows = sqlx::query_as!(
        ListedRow,
        r#"SELECT user_id, credential_type, sealed_hash, key_id, hash_scheme, hash_memory_kib,
                  hash_iterations, hash_parallelism, version,
                  valid_from IS NOT NULL AS "has_start!",
                  CASE WHEN valid_from BETWEEN '0001-01-01 00:00:00+00'
                                           AND '9999-12-31 23:59:59.999999+00'
                       THEN valid_from END AS "valid_from?",
                  valid_to IS NOT NULL AS "has_end!",
                  CASE WHEN valid_to BETWEEN '0001-01-01 00:00:00+00'
                                         AND '9999-12-31 23:59:59.999999+00'
                       THEN valid_to END AS "valid_to?",
                  change_required
           FROM credentials
           WHERE (user_id, credential_type) > ($1, $2)
           ORDER BY user_id, credential_type LIMIT $3"#,
        user_id,
        credential_type,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(StoredRow::from).collect())
}

/// Lists all credentials of these users, by user and type.
pub(crate) async fn list_of_users(
    connection: &mut PgConnection,
    user_ids: &[UserId],
) -> Result<Vec<StoredRow>, StorageError> {
    let user_ids: Vec<_> = user_ids.iter().map(|id| id.as_i32()).collect();
    let rows = sqlx::query_as!(
        ListedRow,
        r#"SELECT user_id, credential_type, sealed_hash, key_id, hash_scheme, hash_memory_kib,
                  hash_iterations, hash_parallelism, version,
                  valid_from IS NOT NULL AS "has_start!",
                  CASE WHEN valid_from BETWEEN '0001-01-01 00:00:00+00'
                                           AND '9999-12-31 23:59:59.999999+00'
                       THEN valid_from END AS "valid_from?",
                  valid_to IS NOT NULL AS "has_end!",
                  CASE WHEN valid_to BETWEEN '0001-01-01 00:00:00+00'
                                         AND '9999-12-31 23:59:59.999999+00'
                       THEN valid_to END AS "valid_to?",
                  change_required
           FROM credentials WHERE user_id = ANY($1) ORDER BY user_id, credential_type"#,
        &user_ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(StoredRow::from).collect())
}
