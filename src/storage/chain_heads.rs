//! Reads the heads and links of the audit chains, for their verification.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{error::StorageError, roles::parse_role};
use crate::domain::{
    audit::{AuditEvent, AuditKind, AuditedState, ChainHead, ChainLink},
    principal::AuthenticationScheme,
    user::{UserId, UserType, may_administer_users},
};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "audit_events" };

struct HeadRow {
    user_id: i32,
    audit_sequence: i64,
    audit_mac: Vec<u8>,
    session_epoch: i64,
    user_type: String,
    is_administrator: bool,
    role: Option<String>,
    is_retired: bool,
    is_deleted: bool,
}

impl HeadRow {
    /// `None` if a value is invalid.
    fn state(&self) -> Option<AuditedState> {
        let user_type = UserType::parse(&self.user_type)?;
        Some(AuditedState {
            session_epoch: self.session_epoch,
            may_administer_users: !self.is_deleted
                && may_administer_users(user_type, self.is_administrator),
            role: parse_role(self.role.as_deref().filter(|_| !self.is_deleted)).ok()?,
            is_retired: self.is_retired,
        })
    }
}

/// The head of a chain with the state of its user, as they are stored.
pub(crate) struct StoredHead {
    pub(crate) head: ChainHead,
    /// `None` if a value in the user's row is invalid.
    pub(crate) state: Option<AuditedState>,
}

impl TryFrom<HeadRow> for StoredHead {
    type Error = StorageError;

    fn try_from(row: HeadRow) -> Result<Self, StorageError> {
        let user_id = UserId::try_from(row.user_id);
        let user_id = user_id.map_err(|_| StorageError::Inconsistent { table: "users" })?;
        let state = row.state();
        let head = ChainHead { user_id, sequence: row.audit_sequence, mac: row.audit_mac };
        Ok(Self { head, state })
    }
}

/// Lists up to `limit` heads of users with an id above `after`, by id, including deleted users.
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    after: i32,
    limit: i64,
) -> Result<Vec<StoredHead>, StorageError> {
    sqlx::query_as!(
        HeadRow,
        r#"SELECT user_id, audit_sequence, audit_mac, session_epoch, user_type, is_administrator,
                  role, is_retired, deleted_at IS NOT NULL AS "is_deleted!"
           FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2"#,
        after,
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(StoredHead::try_from)
    .collect()
}

/// Finds the heads of these users, including deleted users.
pub(crate) async fn find(
    connection: &mut PgConnection,
    user_ids: &[i32],
) -> Result<Vec<StoredHead>, StorageError> {
    sqlx::query_as!(
        HeadRow,
        r#"SELECT user_id, audit_sequence, audit_mac, session_epoch, user_type, is_administrator,
                  role, is_retired, deleted_at IS NOT NULL AS "is_deleted!"
           FROM users WHERE user_id = ANY($1) ORDER BY user_id"#,
        user_ids,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(StoredHead::try_from)
    .collect()
}

/// Counts the users, including deleted ones.
pub(crate) async fn count(connection: &mut PgConnection) -> Result<u64, StorageError> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM users"#)
        .fetch_one(connection)
        .await?;
    u64::try_from(count).map_err(|_| INCONSISTENT)
}

struct LinkRow {
    user_id: i32,
    sequence: i64,
    /// `None` if the type of times cannot have it, such as infinity.
    occurred_at: Option<OffsetDateTime>,
    kind: String,
    actor_user_id: Option<i32>,
    scheme: String,
    address: Option<String>,
    request_id: String,
    credential_type: Option<String>,
    session_epoch: i64,
    reason: Option<String>,
    key_id: String,
    mac: Vec<u8>,
}

impl TryFrom<LinkRow> for ChainLink {
    type Error = StorageError;

    fn try_from(row: LinkRow) -> Result<Self, StorageError> {
        let user_id = |id| UserId::try_from(id).map_err(|_| INCONSISTENT);
        Ok(Self {
            event: AuditEvent {
                user_id: user_id(row.user_id)?,
                sequence: row.sequence,
                occurred_at: row.occurred_at.ok_or(INCONSISTENT)?,
                kind: AuditKind::parse(&row.kind).ok_or(INCONSISTENT)?,
                actor: row.actor_user_id.map(user_id).transpose()?,
                scheme: AuthenticationScheme::parse(&row.scheme).ok_or(INCONSISTENT)?.as_str(),
                address: row.address,
                request_id: row.request_id,
                credential_type: row.credential_type,
                session_epoch: row.session_epoch,
                reason: row.reason,
            },
            key_id: row.key_id,
            mac: row.mac,
        })
    }
}

/// A link of a chain, as it is stored.
pub(crate) struct StoredLink {
    /// The user whose chain it is.
    pub(crate) user_id: UserId,
    /// Its place in the chain.
    pub(crate) sequence: i64,
    /// `None` if a value in its row is invalid.
    pub(crate) link: Option<ChainLink>,
}

impl TryFrom<LinkRow> for StoredLink {
    type Error = StorageError;

    fn try_from(row: LinkRow) -> Result<Self, StorageError> {
        let user_id = UserId::try_from(row.user_id).map_err(|_| INCONSISTENT)?;
        Ok(Self { user_id, sequence: row.sequence, link: ChainLink::try_from(row).ok() })
    }
}

/// Lists up to `limit` links after the position `after`, a user and a sequence, of the users up to
/// `last`, by user and sequence.
pub(crate) async fn list_links_after(
    connection: &mut PgConnection,
    after: (i32, i64),
    last: UserId,
    limit: i64,
) -> Result<Vec<StoredLink>, StorageError> {
    let (user_id, sequence) = after;
    sqlx::query_as!(
        LinkRow,
        r#"SELECT user_id, sequence,
                  CASE WHEN occurred_at BETWEEN '0001-01-01 00:00:00+00'
                                            AND '9999-12-31 23:59:59.999999+00'
                       THEN occurred_at END AS "occurred_at?",
                  kind, actor_user_id, scheme, address, request_id, credential_type, session_epoch,
                  reason, key_id, mac
           FROM audit_events WHERE (user_id, sequence) > ($1, $2) AND user_id <= $3
           ORDER BY user_id, sequence LIMIT $4"#,
        user_id,
        sequence,
        last.as_i32(),
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(StoredLink::try_from)
    .collect()
}

/// Finds the MAC of one link.
pub(crate) async fn find_mac(
    connection: &mut PgConnection,
    user_id: UserId,
    sequence: i64,
) -> Result<Option<Vec<u8>>, StorageError> {
    let mac = sqlx::query_scalar!(
        "SELECT mac FROM audit_events WHERE user_id = $1 AND sequence = $2",
        user_id.as_i32(),
        sequence,
    )
    .fetch_optional(connection)
    .await?;
    Ok(mac)
}
