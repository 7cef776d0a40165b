//! Reads the state of a user that a save needs before it computes a hash.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StorageError, roles::parse_role, users::UserHead};
use crate::domain::{
    user::{UserId, UserType, is_protected},
    validity::Validity,
};

struct SaveRow {
    session_epoch: i64,
    login_name: String,
    user_type: String,
    is_administrator: bool,
    role: Option<String>,
    audit_sequence: i64,
    audit_mac: Vec<u8>,
    has_credential: bool,
    valid_from: Option<OffsetDateTime>,
    valid_to: Option<OffsetDateTime>,
    must_change: bool,
}

/// What a save needs to know of the credential that it replaces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplacedCredential {
    pub(crate) validity: Validity,
    /// True if its owner must change it.
    pub(crate) must_change: bool,
}

/// The user's head, and what a save needs to know of their credential of one type, if they have one.
#[tracing::instrument(name = "db.users.find_head_and_replaced", skip_all, fields(user.id = %user_id))]
pub(crate) async fn find_head_and_replaced(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: &str,
) -> Result<Option<(UserHead, Option<ReplacedCredential>)>, StorageError> {
    let row = sqlx::query_as!(
        SaveRow,
        r#"SELECT u.session_epoch, u.login_name, u.user_type, u.is_administrator, u.role,
                  u.audit_sequence, u.audit_mac,
                  c.user_id IS NOT NULL AS "has_credential!", c.valid_from AS "valid_from?",
                  c.valid_to AS "valid_to?", c.change_required IS NOT NULL AS "must_change!"
           FROM users u
           LEFT JOIN credentials c ON c.user_id = u.user_id AND c.credential_type = $2
           WHERE u.user_id = $1 AND u.deleted_at IS NULL"#,
        user_id.as_i32(),
        credential_type,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let validity = Validity::parse("", row.valid_from, row.valid_to)
        .map_err(|_| StorageError::Inconsistent { table: "credentials" })?;
    let user_type =
        UserType::parse(&row.user_type).ok_or(StorageError::Inconsistent { table: "users" })?;
    let role = parse_role(row.role.as_deref())?;
    let head = UserHead {
        session_epoch: row.session_epoch,
        login_name: row.login_name,
        user_type,
        is_protected: is_protected(user_type, row.is_administrator, role),
        audit_sequence: row.audit_sequence,
        audit_mac: row.audit_mac,
    };
    let replaced = ReplacedCredential { validity, must_change: row.must_change };
    Ok(Some((head, row.has_credential.then_some(replaced))))
}
