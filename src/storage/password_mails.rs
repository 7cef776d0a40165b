//! The queue of mails that let a user choose a new password.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::{audit::AuditEvent, throttling::Subject, user::UserId};

/// A request for a mail.
#[derive(Debug)]
pub(crate) struct NewPasswordMail<'request> {
    /// The user, or the pseudo user of an unknown name.
    pub(crate) subject: Subject,
    /// The digest of the network of a client who did not authenticate.
    pub(crate) network: Option<&'request [u8]>,
    /// The audit event of the request, if the user exists.
    pub(crate) event: &'request AuditEvent,
    pub(crate) key_id: &'request str,
    pub(crate) mac: &'request [u8],
    /// The tag of the language of the mail.
    pub(crate) language: &'request str,
    /// Mails that were requested after this moment count.
    pub(crate) since: OffsetDateTime,
    /// The maximum number of these mails.
    pub(crate) limit: i64,
}

/// A mail that waits for its delivery.
#[derive(Debug)]
pub(crate) struct WaitingMail {
    pub(crate) user_id: UserId,
    pub(crate) mail_id: i64,
    pub(crate) session_epoch: i64,
    pub(crate) language: String,
    pub(crate) request_id: String,
    /// True if somebody asked for it who did not sign in.
    pub(crate) is_anonymous: bool,
    pub(crate) requested_at: OffsetDateTime,
    /// The number of deliveries, including the one that begins.
    pub(crate) attempts: i32,
}

pub(super) struct WaitingRow {
    pub(super) user_id: i32,
    pub(super) mail_id: i64,
    pub(super) session_epoch: i64,
    pub(super) language: String,
    pub(super) request_id: String,
    pub(super) is_anonymous: bool,
    pub(super) requested_at: OffsetDateTime,
    pub(super) attempts: i32,
}

impl TryFrom<WaitingRow> for WaitingMail {
    type Error = StorageError;

    fn try_from(row: WaitingRow) -> Result<Self, StorageError> {
        let inconsistent = |_| StorageError::Inconsistent { table: "password_mails" };
        Ok(Self {
            user_id: UserId::try_from(row.user_id).map_err(inconsistent)?,
            mail_id: row.mail_id,
            session_epoch: row.session_epoch,
            language: row.language,
            request_id: row.request_id,
            is_anonymous: row.is_anonymous,
            requested_at: row.requested_at,
            attempts: row.attempts,
        })
    }
}

/// How the delivery of a mail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailOutcome {
    /// The server accepted it.
    Sent,
    /// The server refused it, or too many deliveries failed.
    Failed,
    /// There is nobody to send it to.
    Dropped,
    /// The address has had enough mails. Stored as [`Self::Dropped`].
    Throttled,
}

impl MailOutcome {
    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Dropped | Self::Throttled => "dropped",
        }
    }
}

/// Queues a mail with the audit event of its request; returns false when the user has had enough
/// mails. An unknown user gets a row without an event.
#[tracing::instrument(name = "db.password_mails.queue", skip_all)]
pub(crate) async fn queue(
    connection: &mut PgConnection,
    mail: &NewPasswordMail<'_>,
) -> Result<bool, StorageError> {
    let event = mail.event;
    let is_queued = sqlx::query_file_scalar!(
        "src/storage/queue_password_mail.sql",
        mail.subject.as_i32(),
        event.sequence,
        event.occurred_at,
        event.kind.as_str(),
        event.actor.map(UserId::as_i32),
        event.scheme,
        event.address,
        event.request_id,
        event.session_epoch,
        mail.key_id,
        mail.mac,
        mail.language,
        mail.since,
        mail.limit,
        mail.network,
    )
    .fetch_one(connection)
    .await?;
    Ok(is_queued)
}

/// A request of somebody who did not sign in for a user who has had enough mails.
#[derive(Debug)]
pub(crate) struct RefusedMail<'request> {
    /// The user, or the pseudo user of an unknown name.
    pub(crate) subject: Subject,
    /// The digest of the network of the client.
    pub(crate) network: &'request [u8],
    pub(crate) language: &'request str,
    pub(crate) request_id: &'request str,
    pub(crate) requested_at: OffsetDateTime,
}

/// Stores a request that leads to no mail, and counts for its network.
#[tracing::instrument(name = "db.password_mails.refuse", skip_all)]
pub(crate) async fn refuse(
    connection: &mut PgConnection,
    mail: &RefusedMail<'_>,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO password_mails (
             user_id, session_epoch, language, request_id, requested_at, next_attempt_at,
             network_digest, is_refused, outcome, finished_at
         ) VALUES ($1, 0, $2, $3, $4, $4, $5, true, 'dropped', $4)",
        mail.subject.as_i32(),
        mail.language,
        mail.request_id,
        mail.requested_at,
        mail.network,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks a user, or the pseudo user of an unknown name, against other requests of clients who did not
/// sign in, until the transaction ends. The lock of the row of a user would make only requests for
/// users who exist wait for each other.
#[tracing::instrument(name = "db.password_mails.lock_subject", skip_all)]
pub(crate) async fn lock_subject(
    connection: &mut PgConnection,
    subject: Subject,
) -> Result<(), StorageError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('password_mails', $1::integer::bigint))",
        subject.as_i32(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The number of mails to a user that clients asked for without authentication.
#[tracing::instrument(name = "db.password_mails.count_of_subject", skip_all)]
pub(crate) async fn count_of_subject(
    connection: &mut PgConnection,
    subject: Subject,
    since: OffsetDateTime,
) -> Result<i64, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM password_mails
           WHERE user_id = $1 AND requested_at > $2 AND NOT is_refused
             AND network_digest IS NOT NULL"#,
        subject.as_i32(),
        since,
    )
    .fetch_one(connection)
    .await?;
    Ok(count)
}

/// The number of mails that clients of a network asked for without authentication.
#[tracing::instrument(name = "db.password_mails.count_of_network", skip_all)]
pub(crate) async fn count_of_network(
    connection: &mut PgConnection,
    network: &[u8],
    since: OffsetDateTime,
) -> Result<i64, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM password_mails
           WHERE network_digest = $1 AND requested_at > $2"#,
        network,
        since,
    )
    .fetch_one(connection)
    .await?;
    Ok(count)
}

/// Takes the next mail whose delivery is due, and postpones its next delivery, so that another
/// instance takes over only if this one does not finish. Instances never wait for each other.
#[tracing::instrument(name = "db.password_mails.claim", skip_all)]
pub(crate) async fn claim(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<WaitingMail>, StorageError> {
    sqlx::query_as!(
        WaitingRow,
        r#"WITH due AS (
             SELECT user_id, mail_id FROM password_mails
             WHERE outcome IS NULL AND next_attempt_at <= $1
             ORDER BY next_attempt_at LIMIT 1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE password_mails m SET attempts = m.attempts + 1, next_attempt_at = $2
         FROM due WHERE m.user_id = due.user_id AND m.mail_id = due.mail_id
         RETURNING m.user_id, m.mail_id, m.session_epoch, m.language, m.request_id,
                   m.network_digest IS NOT NULL AS "is_anonymous!", m.requested_at, m.attempts"#,
        now,
        until,
    )
    .fetch_optional(connection)
    .await?
    .map(WaitingMail::try_from)
    .transpose()
}

/// Locks an address or a network until the transaction ends, so that two instances do not count its
/// mails at the same time. The digests of an address are those under every readable key; they are
/// locked in the order of their locks, so that instances never wait for each other in a circle.
#[tracing::instrument(name = "db.password_mails.lock_digests", skip_all)]
pub(crate) async fn lock_digests(
    connection: &mut PgConnection,
    digests: &[Vec<u8>],
) -> Result<(), StorageError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(lock) FROM (
             SELECT DISTINCT hashtextextended(encode(digest, 'hex'), 0) AS lock
             FROM unnest($1::bytea[]) AS digest ORDER BY lock
         ) AS locks",
        digests,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes the recipient of a mail, unless this address has had enough mails of other requests of this
/// kind, anonymous or not; returns whether it was noted. `digests` are those of the address under every
/// readable key, the one to store first. The transaction has locked the address.
#[tracing::instrument(name = "db.password_mails.set_address", skip_all, fields(user.id = %mail.user_id))]
pub(crate) async fn set_address(
    connection: &mut PgConnection,
    mail: &WaitingMail,
    digests: &[Vec<u8>],
    since: OffsetDateTime,
    limit: i64,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE password_mails SET address_digest = $3
         WHERE user_id = $1 AND mail_id = $2 AND outcome IS NULL
           AND (SELECT count(*) FROM password_mails
                WHERE address_digest = ANY($4::bytea[]) AND requested_at > $5
                  AND (network_digest IS NOT NULL) = $7::boolean
                  AND NOT (user_id = $1 AND mail_id = $2)) < $6::bigint",
        mail.user_id.as_i32(),
        mail.mail_id,
        digests.first(),
        digests,
        since,
        limit,
        mail.is_anonymous,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets the time of the next delivery after a failed one.
pub(crate) async fn postpone(
    connection: &mut PgConnection,
    mail: &WaitingMail,
    until: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE password_mails SET next_attempt_at = $3
         WHERE user_id = $1 AND mail_id = $2 AND outcome IS NULL",
        mail.user_id.as_i32(),
        mail.mail_id,
        until,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the delivery of a mail; returns false when it had ended.
#[tracing::instrument(name = "db.password_mails.finish", skip_all, fields(user.id = %mail.user_id))]
pub(crate) async fn finish(
    connection: &mut PgConnection,
    mail: &WaitingMail,
    outcome: MailOutcome,
    now: OffsetDateTime,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE password_mails SET outcome = $3, finished_at = $4
         WHERE user_id = $1 AND mail_id = $2 AND outcome IS NULL",
        mail.user_id.as_i32(),
        mail.mail_id,
        outcome.as_str(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends up to `limit` waiting mails that were requested before a moment; returns how many. No event
/// is written.
pub(crate) async fn end_overdue(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    now: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "UPDATE password_mails SET outcome = 'failed', finished_at = $2
         WHERE (user_id, mail_id) IN (
             SELECT user_id, mail_id FROM password_mails
             WHERE outcome IS NULL AND requested_at < $1 LIMIT $3
             FOR UPDATE SKIP LOCKED
         )",
        before,
        now,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// The number of mails that wait, and when the oldest one was requested.
pub(crate) async fn waiting(
    connection: &mut PgConnection,
) -> Result<(i64, Option<OffsetDateTime>), StorageError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "mails!", min(requested_at) AS oldest
           FROM password_mails WHERE outcome IS NULL"#
    )
    .fetch_one(connection)
    .await?;
    Ok((row.mails, row.oldest))
}

/// Deletes up to `limit` mails whose delivery ended before a moment; returns how many.
pub(crate) async fn delete_finished(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM password_mails WHERE (user_id, mail_id) IN (
             SELECT user_id, mail_id FROM password_mails
             WHERE finished_at < $1 ORDER BY finished_at LIMIT $2
             FOR UPDATE SKIP LOCKED
         )",
        before,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
