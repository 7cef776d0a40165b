//! The activity of this instance: reads the counters, and keeps the last hour and the last day.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use time::OffsetDateTime;

use super::{
    history::{History, Reading, Slot},
    metrics::ActivityMetrics,
};
use crate::{
    domain::activity::{Figures, MINUTE_SECONDS, Period, QUARTER_SECONDS, RecentActivity},
    security::hashing::HashingEngine,
};

/// The counters of this instance.
pub(crate) struct ActivityCounters {
    pub(crate) metrics: Arc<ActivityMetrics>,
    pub(crate) hashing: Arc<HashingEngine>,
}

impl ActivityCounters {
    /// The counters, after this time since the start.
    fn read(&self, uptime: Duration) -> Figures {
        let counts = self.metrics.counts();
        let engine = self.hashing.counts();
        Figures {
            saves: counts.saves,
            logins: counts.logins,
            failures: counts.failures,
            throttled: counts.throttled,
            hashes: engine.hashed,
            hash_capacity: capacity(self.hashing.capacity().hashes_per_second, uptime),
            shed: engine.shed,
            cache_hits: engine.cache_hits,
            cache_misses: engine.cache_misses,
            waits: engine.waits,
            wait_microseconds: u64::try_from(engine.wait.as_micros()).unwrap_or(u64::MAX),
            queue_maximum: 0,
        }
    }
}

/// The number of hashes that a rate allows in a time.
fn capacity(per_second: f64, time: Duration) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the rate is positive"
    )]
    let hashes = (per_second * time.as_secs_f64()) as u64;
    hashes
}

/// A minute of this instance, for the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordedMinute {
    pub(super) minute: OffsetDateTime,
    pub(super) figures: Figures,
}

/// The activity of this instance since its start.
pub(crate) struct InstanceActivity {
    id: String,
    started_at: OffsetDateTime,
    started: Instant,
    /// The time from a full quarter of an hour to the start: the position of the start.
    start_position: Duration,
    counters: ActivityCounters,
    history: Mutex<History>,
}

impl InstanceActivity {
    /// Starts with an empty history. `id` distinguishes this instance from all others.
    pub(crate) fn new(id: String, counters: ActivityCounters, now: OffsetDateTime) -> Self {
        let start_position = since_full(now, QUARTER_SECONDS);
        let history = History::new(counters.read(Duration::ZERO), start_position);
        Self {
            id,
            started_at: now,
            started: Instant::now(),
            start_position,
            counters,
            history: Mutex::new(history),
        }
    }

    /// The id of this instance.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// When this instance started.
    pub(super) fn started_at(&self) -> OffsetDateTime {
        self.started_at
    }

    /// The counters of saves and attempts.
    pub(super) fn metrics(&self) -> &ActivityMetrics {
        &self.counters.metrics
    }

    /// The number of jobs in the hashing queue now.
    pub(super) fn waiting(&self) -> u64 {
        self.counters.hashing.counts().waiting
    }

    /// Notes the present length of the hashing queue.
    pub(super) fn note_queue(&self) {
        let waiting = self.waiting();
        self.lock().note_queue(waiting);
    }

    /// The time since the last recorded reading.
    pub(super) fn age(&self) -> Duration {
        self.lock().age(self.position())
    }

    /// Records what happened since the last recorded reading.
    pub(super) fn record(&self, now: OffsetDateTime) -> RecordedMinute {
        let counters = self.read();
        let Reading { figures, age } = self.lock().record(counters, self.position());
        RecordedMinute { minute: full(now - age, MINUTE_SECONDS), figures }
    }

    /// The last hour and the last day, up to now.
    pub(super) fn recent(&self, now: OffsetDateTime) -> RecentActivity {
        self.note_queue();
        let (counters, position) = (self.read(), self.position());
        let history = self.lock();
        let periods = |slots: Vec<Slot>, width: u64| {
            let period = |(slot, figures)| Period {
                start: start_of(slot, width, position, now),
                instances: 1,
                figures,
            };
            slots.into_iter().map(period).collect()
        };
        RecentActivity {
            hour: periods(history.minutes(counters, position), MINUTE_SECONDS),
            day: periods(history.quarters(counters, position), QUARTER_SECONDS),
        }
    }

    fn read(&self) -> Figures {
        self.counters.read(self.started.elapsed())
    }

    fn position(&self) -> Duration {
        self.start_position + self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        // A panic of another holder leaves the history consistent.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The start of a slot by the clock, at a position that is now. Rounded to a second, because both
/// clocks have fractions.
fn start_of(slot: u64, width: u64, position: Duration, now: OffsetDateTime) -> OffsetDateTime {
    let start = Duration::from_secs(slot * width);
    let passed = position.saturating_sub(start);
    let early = start.saturating_sub(position);
    full(now + early + Duration::from_millis(500) - passed, 1)
}

/// The time that has passed since the last full multiple of these seconds.
fn since_full(moment: OffsetDateTime, seconds: u64) -> Duration {
    let nanoseconds = moment.unix_timestamp_nanos().rem_euclid(i128::from(seconds) * 1_000_000_000);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

/// The last full multiple of these seconds before a moment.
pub(super) fn full(moment: OffsetDateTime, seconds: u64) -> OffsetDateTime {
    moment - since_full(moment, seconds)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn moments_are_cut_to_full_minutes_and_quarters() {
        let moment = datetime!(2026-11-28 12:59:59.999999 UTC);
        assert_eq!(full(moment, 60), datetime!(2026-11-28 12:59 UTC));
        assert_eq!(full(moment, 900), datetime!(2026-11-28 12:45 UTC));
        assert_eq!(since_full(moment, 900), Duration::from_micros(899_999_999));
        let before_1970 = datetime!(1969-12-31 23:59:30 UTC);
        assert_eq!(full(before_1970, 60), datetime!(1969-12-31 23:59 UTC));
    }

    #[test]
    fn a_slot_starts_at_its_full_minute_also_after_the_clock_was_set() {
        let started = datetime!(2026-11-28 12:50:10.25 UTC);
        let start_position = since_full(started, QUARTER_SECONDS);
        let passed = Duration::from_millis(130_100);
        let position = start_position + passed;
        let now = started + passed;
        let minute = position.as_secs() / 60;
        assert_eq!(start_of(minute, 60, position, now), datetime!(2026-11-28 12:52 UTC));
        assert_eq!(start_of(minute - 2, 60, position, now), datetime!(2026-11-28 12:50 UTC));
        assert_eq!(start_of(minute + 1, 60, position, now), datetime!(2026-11-28 12:53 UTC));
        assert_eq!(start_of(0, 900, position, now), datetime!(2026-11-28 12:45 UTC));
        let set_back = now - Duration::from_hours(1);
        assert_eq!(start_of(minute, 60, position, set_back), datetime!(2026-11-28 11:52 UTC));
    }

    #[test]
    fn capacity_is_rate_times_time() {
        assert_eq!(capacity(2.5, Duration::from_secs(60)), 150);
        assert_eq!(capacity(f64::INFINITY, Duration::from_secs(60)), u64::MAX);
        assert_eq!(capacity(f64::NAN, Duration::from_secs(60)), 0);
    }
}
