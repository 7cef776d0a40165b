//! Reads and writes untrusted credentials. No statement of a login reads this table.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::{
    untrusted_credential::{StoredUntrusted, UntrustedDetails},
    user::UserId,
    validity::Validity,
};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "untrusted_credentials" };

struct UntrustedRow {
    user_id: i32,
    credential_type: String,
    public_value: String,
    sealed_secret: Vec<u8>,
    key_id: String,
    comment: String,
    is_active: bool,
    valid_from: Option<OffsetDateTime>,
    valid_to: Option<OffsetDateTime>,
    version: i64,
}

impl TryFrom<UntrustedRow> for StoredUntrusted {
    type Error = StorageError;

    fn try_from(row: UntrustedRow) -> Result<Self, StorageError> {
        let validity = Validity::parse("", row.valid_from, row.valid_to);
        let details = validity.and_then(|validity| {
            UntrustedDetails::parse("", Some(row.comment), row.is_active, validity)
        });
        Ok(Self {
            user_id: UserId::try_from(row.user_id).map_err(|_| INCONSISTENT)?,
            credential_type: row.credential_type,
            public_value: row.public_value,
            details: details.map_err(|_| INCONSISTENT)?,
            sealed_secret: row.sealed_secret,
            key_id: row.key_id,
            version: row.version,
        })
    }
}

fn all(rows: Vec<UntrustedRow>) -> Result<Vec<StoredUntrusted>, StorageError> {
    rows.into_iter().map(StoredUntrusted::try_from).collect()
}

/// Lists the user's credentials of a type, by public value; none of a deleted user.
#[tracing::instrument(name = "db.untrusted_credentials.list_by_type", skip_all, fields(user.id = %user_id))]
pub(crate) async fn list_by_type(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
) -> Result<Vec<StoredUntrusted>, StorageError> {
    let rows = sqlx::query_as!(
        UntrustedRow,
        "SELECT c.user_id, c.credential_type, c.public_value, c.sealed_secret, c.key_id, c.comment,
                c.is_active, c.valid_from, c.valid_to, c.version
         FROM untrusted_credentials c JOIN users u ON u.user_id = c.user_id
         WHERE c.user_id = $1 AND c.credential_type = $2 AND u.deleted_at IS NULL
         ORDER BY c.public_value",
        user_id.as_i32(),
        credential_type,
    )
    .fetch_all(connection)
    .await?;
    all(rows)
}

/// Lists the credentials of several users, by user, type and public value; none of a deleted user.
pub(crate) async fn list_by_users(
    connection: &mut PgConnection,
    user_ids: &[UserId],
) -> Result<Vec<StoredUntrusted>, StorageError> {
    let user_ids: Vec<_> = user_ids.iter().map(|id| id.as_i32()).collect();
    let rows = sqlx::query_as!(
        UntrustedRow,
        "SELECT c.user_id, c.credential_type, c.public_value, c.sealed_secret, c.key_id, c.comment,
                c.is_active, c.valid_from, c.valid_to, c.version
         FROM untrusted_credentials c JOIN users u ON u.user_id = c.user_id
         WHERE c.user_id = ANY($1) AND u.deleted_at IS NULL
         ORDER BY c.user_id, c.credential_type, c.public_value",
        &user_ids,
    )
    .fetch_all(connection)
    .await?;
    all(rows)
}

/// Finds one credential. The transaction has locked the user, who is not deleted.
pub(crate) async fn find(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
    public_value: &str,
) -> Result<Option<StoredUntrusted>, StorageError> {
    sqlx::query_as!(
        UntrustedRow,
        "SELECT user_id, credential_type, public_value, sealed_secret, key_id, comment, is_active,
                valid_from, valid_to, version
         FROM untrusted_credentials
         WHERE user_id = $1 AND credential_type = $2 AND public_value = $3",
        user_id.as_i32(),
        credential_type,
        public_value,
    )
    .fetch_optional(connection)
    .await?
    .map(StoredUntrusted::try_from)
    .transpose()
}

/// Counts the user's credentials of all types. The transaction has locked the user, who is not
/// deleted.
pub(crate) async fn count(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<usize, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM untrusted_credentials WHERE user_id = $1"#,
        user_id.as_i32(),
    )
    .fetch_one(connection)
    .await?;
    usize::try_from(count).map_err(|_| INCONSISTENT)
}

/// Inserts a credential, or replaces the one with the same user, type and public value. The
/// transaction has locked the user's row.
#[tracing::instrument(name = "db.untrusted_credentials.upsert", skip_all, fields(user.id = %row.user_id))]
pub(crate) async fn upsert(
    connection: &mut PgConnection,
    row: &StoredUntrusted,
) -> Result<(), StorageError> {
    let StoredUntrusted { details, .. } = row;
    sqlx::query!(
        "INSERT INTO untrusted_credentials (user_id, credential_type, public_value, sealed_secret,
             key_id, comment, is_active, valid_from, valid_to, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (user_id, credential_type, public_value) DO UPDATE
         SET sealed_secret = excluded.sealed_secret, key_id = excluded.key_id,
             comment = excluded.comment, is_active = excluded.is_active,
             valid_from = excluded.valid_from, valid_to = excluded.valid_to,
             version = excluded.version",
        row.user_id.as_i32(),
        row.credential_type,
        row.public_value,
        row.sealed_secret,
        row.key_id,
        details.comment(),
        details.is_active,
        details.validity.from(),
        details.validity.to(),
        row.version,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a credential; false when there is none.
#[tracing::instrument(name = "db.untrusted_credentials.delete", skip_all, fields(user.id = %user_id))]
pub(crate) async fn delete(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
    public_value: &str,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM untrusted_credentials
         WHERE user_id = $1 AND credential_type = $2 AND public_value = $3",
        user_id.as_i32(),
        credential_type,
        public_value,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The key of a row: user, type and public value.
pub(crate) type UntrustedKey = (i32, String, String);

/// An untrusted credential, as it is stored.
pub(crate) struct StoredUntrustedRow {
    pub(crate) key: UntrustedKey,
    /// The key of the keyring that it is sealed under.
    pub(crate) key_id: String,
    /// `None` if a value in its row is invalid.
    pub(crate) credential: Option<StoredUntrusted>,
}

/// Lists up to `limit` credentials after a key, by key, also those whose rows have invalid values.
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    after: &UntrustedKey,
    limit: i64,
) -> Result<Vec<StoredUntrustedRow>, StorageError> {
    let (user_id, credential_type, public_value) = after;
    // A time that the type of times cannot have, such as infinity, is left out.
    let rows = sqlx::query!(
        r#"SELECT user_id, credential_type, public_value, sealed_secret, key_id, comment, is_active,
                  valid_from IS NOT NULL AS "has_start!",
                  CASE WHEN valid_from BETWEEN '0001-01-01 00:00:00+00'
                                           AND '9999-12-31 23:59:59.999999+00'
                       THEN valid_from END AS "valid_from?",
                  valid_to IS NOT NULL AS "has_end!",
                  CASE WHEN valid_to BETWEEN '0001-01-01 00:00:00+00'
                                         AND '9999-12-31 23:59:59.999999+00'
                       THEN valid_to END AS "valid_to?",
                  version
           FROM untrusted_credentials
           WHERE (user_id, credential_type, public_value) > ($1, $2, $3)
           ORDER BY user_id, credential_type, public_value LIMIT $4"#,
        user_id,
        credential_type,
        public_value,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let stored = rows.into_iter().map(|row| {
        let has_valid_times =
            row.valid_from.is_some() == row.has_start && row.valid_to.is_some() == row.has_end;
        let key = (row.user_id, row.credential_type.clone(), row.public_value.clone());
        let key_id = row.key_id.clone();
        let row = UntrustedRow {
            user_id: row.user_id,
            credential_type: row.credential_type,
            public_value: row.public_value,
            sealed_secret: row.sealed_secret,
            key_id: row.key_id,
            comment: row.comment,
            is_active: row.is_active,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            version: row.version,
        };
        let credential = StoredUntrusted::try_from(row).ok().filter(|_| has_valid_times);
        StoredUntrustedRow { key, key_id, credential }
    });
    Ok(stored.collect())
}

/// Replaces the secret of a credential by one that was sealed under another key; false when the row
/// was saved or removed since it was read.
#[tracing::instrument(name = "db.untrusted_credentials.reseal", skip_all)]
pub(crate) async fn reseal(
    connection: &mut PgConnection,
    former: &StoredUntrusted,
    key_id: &str,
    sealed_secret: &[u8],
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE untrusted_credentials SET sealed_secret = $5, key_id = $6
         WHERE user_id = $1 AND credential_type = $2 AND public_value = $3 AND sealed_secret = $4",
        former.user_id.as_i32(),
        former.credential_type,
        former.public_value,
        former.sealed_secret,
        sealed_secret,
        key_id,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
