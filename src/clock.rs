//! Reads the current time. Use cases call it once and pass the time on.

use time::OffsetDateTime;

/// The current time in UTC, truncated to microseconds, the precision of PostgreSQL.
#[expect(clippy::disallowed_methods, reason = "the only caller")]
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
