//! Reads users, with the directory of their login names.

use std::collections::HashSet;

use sqlx::PgConnection;

use super::{error::StorageError, roles::parse_role};
use crate::domain::{
    audit::AuditEvent,
    role::Role,
    user::{User, UserId, UserType},
    vendor_ids::{VendorId, VendorIds},
};

pub(crate) use super::user_heads::{UserHead, find_head, find_subject, lock, lock_subject};

/// The columns of [`User`].
pub(super) struct UserRow {
    pub(super) user_id: i32,
    pub(super) login_name: String,
    pub(super) display_name: String,
    pub(super) user_type: String,
    pub(super) is_administrator: bool,
    pub(super) role: Option<String>,
    pub(super) is_retired: bool,
    pub(super) session_epoch: i64,
    pub(super) person_id: i32,
    pub(super) role_id: i32,
    pub(super) ej_user_id: i32,
    pub(super) nick_name: String,
}

impl TryFrom<UserRow> for User {
    type Error = StorageError;

    fn try_from(row: UserRow) -> Result<Self, StorageError> {
        let inconsistent = StorageError::Inconsistent { table: "users" };
        let vendor_id = |id| VendorId::parse("users", id);
        let (Ok(user_id), Some(user_type), Ok(own_role), Ok(person), Ok(role), Ok(ej_user)) = (
            UserId::try_from(row.user_id),
            UserType::parse(&row.user_type),
            parse_role(row.role.as_deref()),
            vendor_id(row.person_id),
            vendor_id(row.role_id),
            vendor_id(row.ej_user_id),
        ) else {
            return Err(inconsistent);
        };
        Ok(Self {
            user_id,
            login_name: row.login_name,
            display_name: row.display_name,
            user_type,
            is_administrator: row.is_administrator,
            role: own_role,
            is_retired: row.is_retired,
            session_epoch: row.session_epoch,
            vendor_ids: VendorIds { person, role, ej_user },
            nick_name: row.nick_name,
        })
    }
}

/// The state of an actor at the time of authentication.
#[derive(Debug)]
pub(crate) struct ActorSnapshot {
    /// The epoch of a password or token; a ticket or session has its own.
    pub(crate) session_epoch: i64,
    pub(crate) is_administrator: bool,
    pub(crate) user_type: UserType,
    pub(crate) role: Option<Role>,
}

/// Why a login name, a nickname or a user id was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserTakenError {
    #[error("the login name is taken")]
    LoginNameTaken,
    #[error("the nickname is taken")]
    NickNameTaken,
    #[error("the user id is taken")]
    UserIdTaken,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Finds the user with that id.
pub(crate) async fn find_by_id(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, role, is_retired,
                session_epoch, person_id, role_id, ej_user_id, nick_name
         FROM users WHERE user_id = $1 AND deleted_at IS NULL",
        user_id.as_i32(),
    )
    .fetch_optional(connection)
    .await?
    .map(User::try_from)
    .transpose()
}

/// Finds the user with that canonical login name.
pub(crate) async fn find_by_login_name(
    connection: &mut PgConnection,
    canonical_name: &str,
) -> Result<Option<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT u.user_id, u.login_name, u.display_name, u.user_type, u.is_administrator,
                u.role, u.is_retired, u.session_epoch, u.person_id, u.role_id, u.ej_user_id, u.nick_name
         FROM login_names n JOIN users u ON u.user_id = n.user_id
         WHERE n.canonical_name = $1",
        canonical_name,
    )
    .fetch_optional(connection)
    .await?
    .map(User::try_from)
    .transpose()
}

/// Finds the existing users among these ids.
pub(crate) async fn find_by_ids(
    connection: &mut PgConnection,
    user_ids: &[UserId],
) -> Result<Vec<User>, StorageError> {
    let user_ids: Vec<_> = user_ids.iter().map(|id| id.as_i32()).collect();
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, role, is_retired,
                session_epoch, person_id, role_id, ej_user_id, nick_name
         FROM users WHERE user_id = ANY($1) AND deleted_at IS NULL",
        &user_ids,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Lists up to `limit` users with that person id of the vendor, by id.
pub(crate) async fn list_by_person_id(
    connection: &mut PgConnection,
    person_id: VendorId,
    limit: i64,
) -> Result<Vec<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, role, is_retired,
                session_epoch, person_id, role_id, ej_user_id, nick_name
         FROM users WHERE person_id = $1 AND person_id > 0 ORDER BY user_id LIMIT $2",
        person_id.as_i32(),
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Lists up to `limit` users with that EJ user id of the vendor, by id.
pub(crate) async fn list_by_ej_user_id(
    connection: &mut PgConnection,
    ej_user_id: VendorId,
    limit: i64,
) -> Result<Vec<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, role, is_retired,
                session_epoch, person_id, role_id, ej_user_id, nick_name
         FROM users WHERE ej_user_id = $1 AND ej_user_id > 0 ORDER BY user_id LIMIT $2",
        ej_user_id.as_i32(),
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Lists the canonical names among these that belong to a user other than `except`.
pub(crate) async fn taken_names(
    connection: &mut PgConnection,
    canonical_names: &[String],
    except: Option<UserId>,
) -> Result<Vec<String>, StorageError> {
    let taken = sqlx::query_scalar!(
        "SELECT canonical_name FROM login_names
         WHERE canonical_name = ANY($1) AND user_id IS DISTINCT FROM $2",
        canonical_names,
        except.map(UserId::as_i32),
    )
    .fetch_all(connection)
    .await?;
    Ok(taken)
}

/// The largest number of ids to reserve in one statement.
const MAXIMUM_STRIDE: usize = 10_000;

/// Reserves `count` ids from 1000 on that were never assigned. Ids below 1000 are reserved for
/// operators who choose the id.
pub(crate) async fn next_ids(
    connection: &mut PgConnection,
    count: usize,
) -> Result<Vec<UserId>, StorageError> {
    let mut found = Vec::with_capacity(count);
    let mut step = count;
    while found.len() < count {
        let missing = i32::try_from(step.max(count - found.len())).unwrap_or(i32::MAX);
        // Skips a long range of assigned ids in growing strides.
        step = (step * 10).min(MAXIMUM_STRIDE);
        // The name of the sequence is looked up once, not for each id.
        let next = sqlx::query_scalar!(
            r#"SELECT nextval((SELECT pg_get_serial_sequence('users', 'user_id')::regclass))::int
                   AS "id!" FROM generate_series(1, $1)"#,
            missing,
        );
        let next = next.fetch_all(&mut *connection).await?;
        let assigned = assigned_between(connection, &next).await?;
        let inconsistent = |_| StorageError::Inconsistent { table: "users" };
        for id in next.into_iter().filter(|id| !assigned.contains(id)) {
            found.push(UserId::try_from(id).map_err(inconsistent)?);
        }
    }
    found.truncate(count);
    Ok(found)
}

/// The assigned ids between the lowest and the highest of these. The sequence returns a range in
/// which few ids are assigned, so this is one step in the index. A list of ids would make
/// PostgreSQL read the whole table while it has no statistics of a table that grows.
async fn assigned_between(
    connection: &mut PgConnection,
    user_ids: &[i32],
) -> Result<HashSet<i32>, StorageError> {
    let assigned = sqlx::query_scalar!(
        "SELECT user_id FROM users WHERE user_id BETWEEN $1 AND $2",
        user_ids.iter().copied().min(),
        user_ids.iter().copied().max(),
    );
    // Planned for these ids each time: a plan that was made for an empty table would be kept.
    Ok(assigned.persistent(false).fetch_all(connection).await?.into_iter().collect())
}

/// Lists the ids among these that are assigned, or were before their user was deleted.
pub(crate) async fn assigned_ids(
    connection: &mut PgConnection,
    user_ids: &[i32],
) -> Result<Vec<i32>, StorageError> {
    let assigned =
        sqlx::query_scalar!("SELECT user_id FROM users WHERE user_id = ANY($1)", user_ids)
            .fetch_all(connection)
            .await?;
    Ok(assigned)
}

/// True when the id is assigned, or was before its user was deleted.
pub(crate) async fn is_assigned(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<bool, StorageError> {
    let is_assigned = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM users WHERE user_id = $1) AS "given!""#,
        user_id.as_i32(),
    )
    .fetch_one(connection)
    .await?;
    Ok(is_assigned)
}

/// Lists up to `limit` users with an id above `after`, by id.
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    after: i32,
    limit: i64,
) -> Result<Vec<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, role, is_retired,
                session_epoch, person_id, role_id, ej_user_id, nick_name
         FROM users WHERE user_id > $1 AND deleted_at IS NULL ORDER BY user_id LIMIT $2",
        after,
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// Locks the actor's row against changes for this transaction, and returns its epoch; `None` when its
/// rights differ from those of the snapshot.
#[tracing::instrument(name = "db.users.lock_actor_snapshot", skip_all, fields(user.id = %user_id))]
pub(crate) async fn lock_actor_snapshot(
    connection: &mut PgConnection,
    user_id: UserId,
    actor_snapshot: &ActorSnapshot,
) -> Result<Option<i64>, StorageError> {
    let locked = sqlx::query!(
        r#"SELECT session_epoch,
                  is_administrator = $2 AND user_type = $3 AND role IS NOT DISTINCT FROM $4
                  AND NOT is_retired AS "has_same_rights!"
           FROM users WHERE user_id = $1 FOR SHARE"#,
        user_id.as_i32(),
        actor_snapshot.is_administrator,
        actor_snapshot.user_type.as_str(),
        actor_snapshot.role.map(Role::as_str),
    )
    .fetch_optional(connection)
    .await?;
    Ok(locked.filter(|row| row.has_same_rights).map(|row| row.session_epoch))
}

/// Advances the audit head and the epoch of a user whose row this transaction has locked.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    event: &AuditEvent,
    audit_mac: &[u8],
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE users SET audit_sequence = $2, audit_mac = $3, session_epoch = $4
         WHERE user_id = $1",
        event.user_id.as_i32(),
        event.sequence,
        audit_mac,
        event.session_epoch,
    )
    .execute(connection)
    .await?;
    Ok(())
}
