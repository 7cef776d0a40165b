//! The activity of the service: how often things happened in a period.

use time::OffsetDateTime;

/// The largest stored figure of one instance and one minute. The sum of a day fits into 64 bits for
/// more instances than anybody runs.
pub(crate) const MAXIMUM_FIGURE: u64 = 1_000_000_000_000;

/// The activity in a period, or since the start of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Credentials that were saved.
    pub(crate) saves: u64,
    /// Passwords that authenticated their user.
    pub(crate) logins: u64,
    /// Passwords that were refused, for any reason but throttling.
    pub(crate) failures: u64,
    /// Attempts that were refused because there were too many.
    pub(crate) throttled: u64,
    /// Hashes that were computed.
    pub(crate) hashes: u64,
    /// Hashes that could have been computed, at the rate that was measured at start.
    pub(crate) hash_capacity: u64,
    /// Requests and jobs that were refused because of overload.
    pub(crate) shed: u64,
    /// Verifications that the cache answered with yes.
    pub(crate) cache_hits: u64,
    /// Verifications that needed a hash.
    pub(crate) cache_misses: u64,
    /// Jobs that left the hashing queue to be computed.
    pub(crate) waits: u64,
    /// The time that these jobs spent in the queue, in microseconds.
    pub(crate) wait_microseconds: u64,
    /// The longest queue that was seen, in jobs.
    pub(crate) queue_maximum: u64,
}

impl Figures {
    /// The figures of a period and those of another one together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            queue_maximum: self.queue_maximum.max(other.queue_maximum),
            ..self.combined(other, u64::saturating_add)
        }
    }

    /// The figures since an earlier reading of the same counters.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { queue_maximum: self.queue_maximum, ..self.combined(earlier, u64::saturating_sub) }
    }

    fn combined(self, other: Self, operation: fn(u64, u64) -> u64) -> Self {
        Self {
            saves: operation(self.saves, other.saves),
            logins: operation(self.logins, other.logins),
            failures: operation(self.failures, other.failures),
            throttled: operation(self.throttled, other.throttled),
            hashes: operation(self.hashes, other.hashes),
            hash_capacity: operation(self.hash_capacity, other.hash_capacity),
            shed: operation(self.shed, other.shed),
            cache_hits: operation(self.cache_hits, other.cache_hits),
            cache_misses: operation(self.cache_misses, other.cache_misses),
            waits: operation(self.waits, other.waits),
            wait_microseconds: operation(self.wait_microseconds, other.wait_microseconds),
            queue_maximum: operation(self.queue_maximum, other.queue_maximum),
        }
    }

    /// The mean time of a job in the queue, in microseconds; `None` without jobs.
    pub(crate) fn mean_wait_microseconds(&self) -> Option<u64> {
        self.wait_microseconds.checked_div(self.waits)
    }

    /// The verifications that the cache answered with yes, in percent of those and of those that
    /// needed a hash; `None` without verifications.
    pub(crate) fn cache_hit_percent(&self) -> Option<u64> {
        percent(self.cache_hits, self.cache_hits.saturating_add(self.cache_misses))
    }
}

/// A part in percent of a whole, rounded down; `None` if the whole is zero.
pub(crate) fn percent(part: u64, whole: u64) -> Option<u64> {
    let percent = (u128::from(part) * 100).checked_div(u128::from(whole))?;
    u64::try_from(percent).ok()
}

/// The activity in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: OffsetDateTime,
    /// The number of instances that the figures are from.
    pub(crate) instances: u64,
    pub(crate) figures: Figures,
}

/// The activity of the last hour and the last day, oldest first. A period without a reading of any
/// instance is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RecentActivity {
    /// The last [`MINUTES`] minutes.
    pub(crate) hour: Vec<Period>,
    /// The last [`QUARTERS`] quarters of an hour.
    pub(crate) day: Vec<Period>,
}

/// The number of minutes in [`RecentActivity`].
pub(crate) const MINUTES: u64 = 60;

/// The number of quarters of an hour in [`RecentActivity`].
pub(crate) const QUARTERS: u64 = 96;

/// The seconds of a minute.
pub(crate) const MINUTE_SECONDS: u64 = 60;

/// The seconds of a quarter of an hour.
pub(crate) const QUARTER_SECONDS: u64 = 900;

/// Whose activity is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivityScope {
    /// All instances, as the database knows them: up to the last minute that each has stored.
    Installation,
    /// The instance that answers, from its memory: up to now.
    Instance,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up_and_the_longest_queue_is_the_longer_one() {
        let one = Figures { saves: 1, queue_maximum: 7, ..Figures::default() };
        let other = Figures { saves: 2, logins: 3, queue_maximum: 5, ..Figures::default() };
        let sum = Figures { saves: 3, logins: 3, queue_maximum: 7, ..Figures::default() };
        assert_eq!(one.plus(other), sum);
        assert_eq!(other.plus(one), sum);
        let most = Figures { saves: u64::MAX, ..Figures::default() };
        assert_eq!(most.plus(one).saves, u64::MAX);
    }

    #[test]
    fn figures_since_a_reading_are_never_negative() {
        let earlier = Figures { saves: 5, hashes: 9, queue_maximum: 8, ..Figures::default() };
        let later = Figures { saves: 7, hashes: 2, queue_maximum: 3, ..Figures::default() };
        let since = Figures { saves: 2, queue_maximum: 3, ..Figures::default() };
        assert_eq!(later.since(earlier), since);
    }

    #[test]
    fn shares_and_means_of_nothing_do_not_exist() {
        let nothing = Figures::default();
        assert_eq!(nothing.mean_wait_microseconds(), None);
        assert_eq!(nothing.cache_hit_percent(), None);
        let some = Figures {
            waits: 4,
            wait_microseconds: 10,
            cache_hits: 2,
            cache_misses: 1,
            ..Figures::default()
        };
        assert_eq!(some.mean_wait_microseconds(), Some(2));
        assert_eq!(some.cache_hit_percent(), Some(66));
        let huge = Figures { cache_hits: u64::MAX, cache_misses: u64::MAX, ..Figures::default() };
        assert_eq!(huge.cache_hit_percent(), Some(100));
        assert_eq!(percent(0, 5), Some(0));
    }
}
