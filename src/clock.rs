//! Reads the current time, which use cases do once and pass on, and keeps the time of periodic work.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The current time in UTC, truncated to microseconds, the precision of PostgreSQL.
#[expect(clippy::disallowed_methods, reason = "the only caller")]
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}

/// Ticks at once, and then once per period. Ticks that work missed, for example because the database
/// did not answer, are not made up for: they would come at once.
#[expect(clippy::disallowed_methods, reason = "the only caller")]
pub(crate) fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn missed_ticks_are_not_made_up_for() {
        let period = Duration::from_millis(100);
        let mut ticks = ticks(period);
        ticks.tick().await;
        tokio::time::sleep(5 * period).await;
        let start = Instant::now();
        ticks.tick().await;
        ticks.tick().await;
        assert!(start.elapsed() >= period);
    }
}
