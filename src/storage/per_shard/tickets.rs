//! Inserts and prolongs tickets and sessions.

use sqlx::PgConnection;

use super::commit_without_standby;
use crate::{
    domain::{device::Device, user::UserId},
    storage::{
        error::StorageError,
        tickets::{NewTicketRow, Ticket, TicketRenewal},
    },
};

/// As `tickets::insert`.
pub(in crate::storage) async fn insert(
    connection: &mut PgConnection,
    row: &NewTicketRow<'_>,
    maximum: i64,
) -> Result<i64, StorageError> {
    commit_without_standby(connection).await?;
    let ended = sqlx::query_scalar!(
        r#"DELETE FROM tickets WHERE user_id = $1 AND digest IN (
               SELECT digest FROM tickets WHERE user_id = $1 AND kind = $4
               ORDER BY expires_at > $2 DESC, created_at DESC, digest OFFSET $3
           )
           RETURNING expires_at > $2 AND session_epoch = $5 AS "is_valid!""#,
        row.user_id.as_i32(),
        row.created_at,
        (maximum - 1).max(0),
        row.kind.as_str(),
        row.ticket.session_epoch,
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO tickets (
             user_id, digest, session_epoch, auth_time, created_at, expires_at, kind, address, device
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        row.user_id.as_i32(),
        row.ticket.digest,
        row.ticket.session_epoch,
        row.ticket.auth_time,
        row.created_at,
        row.ticket.expires_at,
        row.kind.as_str(),
        row.client.address,
        row.client.device.as_ref().map(Device::as_str),
    )
    .execute(connection)
    .await?;
    let valid = ended.into_iter().filter(|is_valid| *is_valid).count();
    Ok(i64::try_from(valid).unwrap_or(i64::MAX))
}

/// As `tickets::renew`.
pub(in crate::storage) async fn renew(
    connection: &mut PgConnection,
    user_id: UserId,
    before: &Ticket,
    renewal: &TicketRenewal<'_>,
) -> Result<(), StorageError> {
    commit_without_standby(connection).await?;
    sqlx::query!(
        "UPDATE tickets SET digest = $4, expires_at = $5, last_used_at = $6, last_used_address = $7
         WHERE user_id = $1 AND digest = $2 AND expires_at = $3
           AND coalesce(last_used_at, created_at) = $8",
        user_id.as_i32(),
        before.digest,
        before.expires_at,
        renewal.digest,
        renewal.expires_at,
        renewal.used_at,
        renewal.address,
        before.last_used_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
