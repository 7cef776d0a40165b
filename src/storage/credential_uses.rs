//! Records when credentials were last used. A crash may lose a record.

use sqlx::{PgConnection, postgres::types::PgInterval};
use time::{Duration, OffsetDateTime};

use super::error::StorageError;
use crate::domain::user::UserId;

/// One use of a credential. If the credential now has a different version, it was replaced and the
/// use is not recorded.
#[derive(Debug)]
pub(crate) struct CredentialUse {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    pub(crate) version: i64,
    pub(crate) at: OffsetDateTime,
    pub(crate) scheme: &'static str,
    pub(crate) address: Option<String>,
}

/// Records uses, except for credentials whose last recorded use is less than `interval` earlier.
/// Locked rows are skipped.
#[tracing::instrument(name = "db.credentials.record_uses", skip_all)]
pub(crate) async fn record(
    connection: &mut PgConnection,
    uses: &[CredentialUse],
    interval: Duration,
) -> Result<(), StorageError> {
    let ids: Vec<_> = uses.iter().map(|used| used.user_id.as_i32()).collect();
    let types: Vec<_> = uses.iter().map(|used| used.credential_type.clone()).collect();
    let versions: Vec<_> = uses.iter().map(|used| used.version).collect();
    let times: Vec<_> = uses.iter().map(|used| used.at).collect();
    let schemes: Vec<_> = uses.iter().map(|used| used.scheme.to_owned()).collect();
    let addresses: Vec<_> = uses.iter().map(|used| used.address.clone()).collect();
    sqlx::query!(
        "WITH commit_mode AS (
             SELECT set_config('synchronous_commit', 'local', true)
             WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
         ),
         used AS (
             SELECT DISTINCT ON (user_id, credential_type) *
             FROM UNNEST($1::int[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[],
                         $6::text[])
                  AS u (user_id, credential_type, version, at, scheme, address)
             ORDER BY user_id, credential_type, at DESC
         ),
         free AS (
             SELECT c.user_id, c.credential_type, u.at, u.scheme, u.address
             FROM credentials c JOIN used u USING (user_id, credential_type, version)
             WHERE (c.last_used_at IS NULL OR c.last_used_at < u.at - $7::interval)
               AND (SELECT count(*) FROM commit_mode) >= 0
             FOR NO KEY UPDATE OF c SKIP LOCKED
         )
         UPDATE credentials c
         SET last_used_at = f.at, last_used_scheme = f.scheme, last_used_address = f.address
         FROM free f
         WHERE c.user_id = f.user_id AND c.credential_type = f.credential_type",
        &ids,
        &types,
        &versions,
        &times,
        &schemes,
        &addresses as &[Option<String>],
        pg_interval(interval),
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn pg_interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.whole_microseconds()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
