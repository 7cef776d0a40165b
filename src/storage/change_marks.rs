//! Marks credentials that their owners must change, and lists the owners.

use sqlx::PgConnection;

use super::error::StorageError;
use crate::domain::{
    change_cause::ChangeCause,
    stored_credential::StoredCredential,
    user::{UserId, UserType},
};

/// A credential that is sealed again with another mark. The value is unchanged.
#[derive(Debug)]
pub(crate) struct MarkedCredential<'row> {
    pub(crate) row: &'row StoredCredential,
    pub(crate) sealed_hash: Vec<u8>,
    pub(crate) key_id: String,
    /// The sequence of the audit event of the mark.
    pub(crate) version: i64,
    /// `None`: the mark is removed.
    pub(crate) change_required: Option<ChangeCause>,
}

/// Writes the mark of a credential. The transaction has locked the user and the row, so that the value and
/// the parameters of its hash are those that the seal is bound to.
#[tracing::instrument(name = "db.credentials.write_mark", skip_all, fields(user.id = %marked.row.user_id))]
pub(crate) async fn write(
    connection: &mut PgConnection,
    marked: &MarkedCredential<'_>,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE credentials SET sealed_hash = $3, key_id = $4, version = $5, change_required = $6
         WHERE user_id = $1 AND credential_type = $2",
        marked.row.user_id.as_i32(),
        marked.row.credential_type,
        marked.sealed_hash,
        marked.key_id,
        marked.version,
        marked.change_required.map(ChangeCause::as_str),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The number of credentials of a type without a mark.
pub(crate) async fn count_unmarked(
    connection: &mut PgConnection,
    credential_type: &str,
) -> Result<i64, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM credentials
           WHERE credential_type = $1 AND change_required IS NULL"#,
        credential_type,
    )
    .fetch_one(connection)
    .await?;
    Ok(count)
}

/// The owner of a credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CredentialOwner {
    pub(crate) user_id: UserId,
    /// `None` if the value in the user's row is invalid.
    pub(crate) user_type: Option<UserType>,
    /// True if the credential has a mark.
    pub(crate) is_marked: bool,
}

/// Lists up to `limit` owners of a credential of a type after that user, by id.
pub(crate) async fn list_owners_after(
    connection: &mut PgConnection,
    user_id: Option<UserId>,
    credential_type: &str,
    limit: i64,
) -> Result<Vec<CredentialOwner>, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT c.user_id, u.user_type, c.change_required IS NOT NULL AS "is_marked!"
           FROM credentials c JOIN users u ON u.user_id = c.user_id
           WHERE c.user_id > $1 AND c.credential_type = $2
           ORDER BY c.user_id LIMIT $3"#,
        user_id.map_or(0, UserId::as_i32),
        credential_type,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let owner = |id, user_type: &str, is_marked| {
        let user_id = UserId::try_from(id).ok()?;
        Some(CredentialOwner { user_id, user_type: UserType::parse(user_type), is_marked })
    };
    let inconsistent = || StorageError::Inconsistent { table: "credentials" };
    let owners = rows.iter().map(|row| owner(row.user_id, &row.user_type, row.is_marked));
    owners.map(|owner| owner.ok_or_else(inconsistent)).collect()
}
