//! The one place that reads the time of day. Use cases call it once and pass the time on.

use time::OffsetDateTime;

/// The time now, in UTC, cut to the microseconds that PostgreSQL keeps.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
