//! Login tickets and sessions, stored by a keyed digest under one key and looked up under every
//! readable key.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{error::StorageError, users::UserRow};
use crate::domain::{
    device::Device,
    user::{User, UserId},
};

/// The kind of a row. The service never accepts one kind in place of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TicketKind {
    /// A login ticket.
    Ticket,
    /// A browser's session.
    Session,
}

impl TicketKind {
    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Session => "session",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Ticket, Self::Session].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The public properties of a ticket or session, without its secret.
#[derive(Debug)]
pub(crate) struct TicketSummary {
    pub(crate) kind: TicketKind,
    /// Identifies the ticket. Cannot be used to log in.
    pub(crate) digest: Vec<u8>,
    pub(crate) auth_time: OffsetDateTime,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) issued_to: TicketClient,
    /// `None`: not used since it was issued, apart from the last few minutes.
    pub(crate) last_used_at: Option<OffsetDateTime>,
    /// The address of that use.
    pub(crate) last_used_address: Option<String>,
}

/// The client that a ticket or session was issued to. Commands have neither an address nor a device.
#[derive(Debug, Default)]
pub(crate) struct TicketClient {
    pub(crate) address: Option<String>,
    pub(crate) device: Option<Device>,
}

impl TryFrom<TicketSummaryRow> for TicketSummary {
    type Error = StorageError;

    fn try_from(row: TicketSummaryRow) -> Result<Self, StorageError> {
        let inconsistent = StorageError::Inconsistent { table: "tickets" };
        Ok(Self {
            kind: TicketKind::parse(&row.kind).ok_or(inconsistent)?,
            digest: row.digest,
            auth_time: row.auth_time,
            created_at: row.created_at,
            expires_at: row.expires_at,
            issued_to: TicketClient {
                address: row.address,
                device: row.device.as_deref().and_then(Device::parse),
            },
            last_used_at: row.last_used_at,
            last_used_address: row.last_used_address,
        })
    }
}

/// A stored ticket or session.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) digest: Vec<u8>,
    pub(crate) session_epoch: i64,
    pub(crate) auth_time: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
    /// When it was issued, or last written because of its use.
    pub(crate) last_used_at: OffsetDateTime,
}

/// A ticket or session to insert.
#[derive(Debug)]
pub(crate) struct NewTicketRow<'ticket> {
    pub(crate) kind: TicketKind,
    pub(crate) user_id: UserId,
    pub(crate) ticket: &'ticket Ticket,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) client: TicketClient,
}

/// What a use of a ticket or session changes.
#[derive(Debug)]
pub(crate) struct TicketRenewal<'digest> {
    pub(crate) digest: &'digest [u8],
    pub(crate) expires_at: OffsetDateTime,
    pub(crate) used_at: OffsetDateTime,
    pub(crate) address: Option<String>,
}

struct TicketRow {
    user_id: i32,
    login_name: String,
    display_name: String,
    user_type: String,
    is_administrator: bool,
    role: Option<String>,
    is_retired: bool,
    session_epoch: i64,
    person_id: i32,
    role_id: i32,
    ej_user_id: i32,
    nick_name: String,
    digest: Vec<u8>,
    ticket_epoch: i64,
    auth_time: OffsetDateTime,
    expires_at: OffsetDateTime,
    last_used_at: OffsetDateTime,
}

/// Finds a ticket with its user, including expired tickets and retired users.
#[tracing::instrument(name = "db.tickets.find", skip_all, fields(user.id = %user_id))]
pub(crate) async fn find_with_user(
    connection: &mut PgConnection,
    kind: TicketKind,
    user_id: UserId,
    digests: &[Vec<u8>],
) -> Result<Option<(User, Ticket)>, StorageError> {
    let row = sqlx::query_as!(
        TicketRow,
        r#"SELECT u.user_id, u.login_name, u.display_name, u.user_type, u.is_administrator,
                u.role, u.is_retired, u.session_epoch, u.person_id, u.role_id, u.ej_user_id, u.nick_name,
                t.digest, t.session_epoch AS ticket_epoch,
                t.auth_time, t.expires_at,
                coalesce(t.last_used_at, t.created_at) AS "last_used_at!"
         FROM tickets t JOIN users u ON u.user_id = t.user_id
         WHERE t.user_id = $1 AND t.digest = ANY($2) AND t.kind = $3"#,
        user_id.as_i32(),
        digests,
        kind.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let ticket = Ticket {
        digest: row.digest,
        session_epoch: row.ticket_epoch,
        auth_time: row.auth_time,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
    };
    let user = User::try_from(UserRow {
        user_id: row.user_id,
        login_name: row.login_name,
        display_name: row.display_name,
        user_type: row.user_type,
        is_administrator: row.is_administrator,
        role: row.role,
        is_retired: row.is_retired,
        session_epoch: row.session_epoch,
        person_id: row.person_id,
        role_id: row.role_id,
        ej_user_id: row.ej_user_id,
        nick_name: row.nick_name,
    })?;
    Ok(Some((user, ticket)))
}

/// Inserts a ticket and deletes the user's oldest of its kind beyond `maximum`, expired ones first;
/// returns how many valid ones it deleted. The caller has locked the user against other logins.
#[tracing::instrument(name = "db.tickets.insert", skip_all, fields(user.id = %row.user_id))]
pub(crate) async fn insert(
    connection: &mut PgConnection,
    row: &NewTicketRow<'_>,
    maximum: i64,
) -> Result<i64, StorageError> {
    let ended = sqlx::query_scalar!(
        r#"WITH commit_mode AS (
               SELECT set_config('synchronous_commit', 'local', true)
               WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
           ), surplus AS (
               DELETE FROM tickets WHERE user_id = $1 AND digest IN (
                   SELECT digest FROM tickets WHERE user_id = $1 AND kind = $8
                   ORDER BY expires_at > $5 DESC, created_at DESC, digest OFFSET $7
               )
               RETURNING expires_at > $5 AND session_epoch = $3 AS is_valid
           ), inserted AS (
               INSERT INTO tickets (
                   user_id, digest, session_epoch, auth_time, created_at, expires_at, kind,
                   address, device
               )
               SELECT $1, $2, $3, $4, $5, $6, $8, $9, $10
               WHERE (SELECT count(*) FROM commit_mode) >= 0
           )
           SELECT count(*) FILTER (WHERE is_valid) AS "ended!" FROM surplus"#,
        row.user_id.as_i32(),
        row.ticket.digest,
        row.ticket.session_epoch,
        row.ticket.auth_time,
        row.created_at,
        row.ticket.expires_at,
        (maximum - 1).max(0),
        row.kind.as_str(),
        row.client.address,
        row.client.device.as_ref().map(Device::as_str),
    )
    .fetch_one(connection)
    .await?;
    Ok(ended)
}

/// Records the use of a ticket that is unchanged since it was read: postpones its expiry, and stores
/// it under the digest of the writing key. Of several concurrent calls, one succeeds.
#[tracing::instrument(name = "db.tickets.renew", skip_all, fields(user.id = %user_id))]
pub(crate) async fn renew(
    connection: &mut PgConnection,
    user_id: UserId,
    before: &Ticket,
    renewal: &TicketRenewal<'_>,
) -> Result<(), StorageError> {
    sqlx::query!(
        "WITH commit_mode AS (
             SELECT set_config('synchronous_commit', 'local', true)
             WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
         )
         UPDATE tickets SET digest = $4, expires_at = $5, last_used_at = $6, last_used_address = $7
         WHERE user_id = $1 AND digest = $2 AND expires_at = $3
           AND coalesce(last_used_at, created_at) = $8
           AND (SELECT count(*) FROM commit_mode) >= 0",
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

/// Moves a ticket to its user's new epoch, so that it stays valid.
pub(crate) async fn move_to_epoch(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
    session_epoch: i64,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE tickets SET session_epoch = $3 WHERE user_id = $1 AND digest = ANY($2)",
        user_id.as_i32(),
        digests,
        session_epoch,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets the time of the authentication that a live ticket or session is based on; false when there is
/// none.
pub(crate) async fn set_auth_time(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
    session_epoch: i64,
    auth_time: OffsetDateTime,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE tickets SET auth_time = $4
         WHERE user_id = $1 AND digest = ANY($2) AND session_epoch = $3 AND expires_at > $4",
        user_id.as_i32(),
        digests,
        session_epoch,
        auth_time,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Locks a ticket against changes for this transaction; returns its epoch, `None` when it does not exist.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
) -> Result<Option<i64>, StorageError> {
    let session_epoch = sqlx::query_scalar!(
        "SELECT session_epoch FROM tickets WHERE user_id = $1 AND digest = ANY($2) FOR SHARE",
        user_id.as_i32(),
        digests,
    )
    .fetch_optional(connection)
    .await?;
    Ok(session_epoch)
}

/// Deletes a valid ticket and returns its kind; `None` when there is none.
pub(crate) async fn delete_live(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
    session_epoch: i64,
    now: OffsetDateTime,
) -> Result<Option<TicketKind>, StorageError> {
    let ended = sqlx::query_scalar!(
        "DELETE FROM tickets
         WHERE user_id = $1 AND digest = ANY($2) AND session_epoch = $3 AND expires_at > $4
         RETURNING kind",
        user_id.as_i32(),
        digests,
        session_epoch,
        now,
    )
    .fetch_optional(connection)
    .await?;
    let inconsistent = StorageError::Inconsistent { table: "tickets" };
    ended.map(|kind| TicketKind::parse(&kind).ok_or(inconsistent)).transpose()
}

/// Deletes all tickets of a user from earlier epochs; returns their number.
pub(crate) async fn delete_earlier(
    connection: &mut PgConnection,
    user_id: UserId,
    session_epoch: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM tickets WHERE user_id = $1 AND session_epoch < $2",
        user_id.as_i32(),
        session_epoch,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

struct TicketSummaryRow {
    kind: String,
    digest: Vec<u8>,
    auth_time: OffsetDateTime,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    address: Option<String>,
    device: Option<String>,
    last_used_at: Option<OffsetDateTime>,
    last_used_address: Option<String>,
}

/// Lists the user's valid tickets and sessions, newest first.
pub(crate) async fn list_live(
    connection: &mut PgConnection,
    user_id: UserId,
    now: OffsetDateTime,
) -> Result<Vec<TicketSummary>, StorageError> {
    let rows = sqlx::query_as!(
        TicketSummaryRow,
        "SELECT t.kind, t.digest, t.auth_time, t.created_at, t.expires_at, t.address, t.device,
                t.last_used_at, t.last_used_address
         FROM tickets t JOIN users u USING (user_id)
         WHERE t.user_id = $1 AND t.expires_at > $2 AND t.session_epoch = u.session_epoch
           AND NOT u.is_retired
         ORDER BY t.created_at DESC, t.digest",
        user_id.as_i32(),
        now,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(TicketSummary::try_from).collect()
}

/// Deletes up to `limit` expired tickets, skipping locked rows; returns their number.
#[tracing::instrument(name = "db.tickets.sweep", skip_all)]
pub(crate) async fn delete_expired(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM tickets WHERE (user_id, digest) IN (
             SELECT user_id, digest FROM tickets WHERE expires_at <= $1
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        now,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
