//! The links in mails with which a user sets a new password, stored by a keyed digest.

use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::user::UserId;

/// A link.
#[derive(Debug)]
pub(crate) struct PasswordLink {
    pub(crate) user_id: UserId,
    pub(crate) digest: Vec<u8>,
    /// A keyed digest of the address that the link goes to.
    pub(crate) address_digest: Vec<u8>,
    pub(crate) session_epoch: i64,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: OffsetDateTime,
}

/// A link as it is stored, without its user.
struct LinkRow {
    digest: Vec<u8>,
    address_digest: Vec<u8>,
    session_epoch: i64,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl LinkRow {
    fn of_user(self, user_id: UserId) -> PasswordLink {
        let Self { digest, address_digest, session_epoch, created_at, expires_at } = self;
        PasswordLink { user_id, digest, address_digest, session_epoch, created_at, expires_at }
    }
}

/// Inserts a link.
#[tracing::instrument(name = "db.password_links.insert", skip_all, fields(user.id = %link.user_id))]
pub(crate) async fn insert(
    connection: &mut PgConnection,
    link: &PasswordLink,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO password_links
             (user_id, digest, address_digest, session_epoch, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        link.user_id.as_i32(),
        link.digest,
        link.address_digest,
        link.session_epoch,
        link.created_at,
        link.expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Finds the user's link under one of these digests, if it has not expired, is of the user's current
/// epoch, and the user is neither retired nor deleted. Returns the digest of the address that it went
/// to; the link is valid if the user still has this address.
#[tracing::instrument(name = "db.password_links.find_address", skip_all, fields(user.id = %user_id))]
pub(crate) async fn find_address(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
    now: OffsetDateTime,
) -> Result<Option<Vec<u8>>, StorageError> {
    let address_digest = sqlx::query_scalar!(
        "SELECT l.address_digest FROM password_links l JOIN users u ON u.user_id = l.user_id
         WHERE l.user_id = $1 AND l.digest = ANY($2) AND l.expires_at > $3
           AND l.session_epoch = u.session_epoch AND NOT u.is_retired AND u.deleted_at IS NULL",
        user_id.as_i32(),
        digests,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(address_digest)
}

/// Takes the user's used link under one of these digests, which expired after `since`. A link of another
/// epoch than the user's was used, also on an instance whose clock is behind.
#[tracing::instrument(name = "db.password_links.take_used", skip_all, fields(user.id = %user_id))]
pub(crate) async fn take_used(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
    since: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<PasswordLink>, StorageError> {
    let taken = sqlx::query_as!(
        LinkRow,
        "DELETE FROM password_links l USING users u
         WHERE l.user_id = $1 AND u.user_id = l.user_id AND l.digest = ANY($2)
           AND l.expires_at > $3 AND (l.expires_at <= $4 OR l.session_epoch <> u.session_epoch)
         RETURNING l.digest, l.address_digest, l.session_epoch, l.created_at, l.expires_at",
        user_id.as_i32(),
        digests,
        since,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(taken.map(|link| link.of_user(user_id)))
}

/// Deletes every link of a user, and returns that under one of these digests.
pub(crate) async fn delete_of_user(
    connection: &mut PgConnection,
    user_id: UserId,
    digests: &[Vec<u8>],
) -> Result<Option<PasswordLink>, StorageError> {
    let deleted = sqlx::query_as!(
        LinkRow,
        "DELETE FROM password_links WHERE user_id = $1
         RETURNING digest, address_digest, session_epoch, created_at, expires_at",
        user_id.as_i32(),
    )
    .fetch_all(connection)
    .await?;
    let is_one_of = |link: &[u8]| digests.iter().any(|digest| digest.ct_eq(link).into());
    let found = deleted.into_iter().find(|link| is_one_of(&link.digest));
    Ok(found.map(|link| link.of_user(user_id)))
}

/// Deletes up to `limit` links that expired before a moment; returns how many.
pub(crate) async fn delete_expired(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM password_links WHERE (user_id, digest) IN (
             SELECT user_id, digest FROM password_links
             WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
         )",
        before,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
