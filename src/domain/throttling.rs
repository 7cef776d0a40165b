//! Rules of throttling and lockout (docs/reference/wire-contract.md#d26-throttling-and-lockout): a
//! lock after too many wrong secrets in a row from any address; growing delays and a stop for
//! unknown addresses; and the exemption of known addresses.

use std::time::Duration;

use time::OffsetDateTime;

use super::user::UserId;

/// Known addresses of one user; a new one replaces the least recently used.
pub(crate) const MAXIMUM_KNOWN_ADDRESSES: u32 = 16;

/// Wrong secrets that a known address may try within [`ADDRESS_WINDOW`] while other addresses are
/// delayed.
pub(crate) const KNOWN_ADDRESS_FAILURES: u32 = 3;

/// Wrong secrets in a row for one subject and type, from all addresses together, after which the
/// credential is locked (NIST SP 800-63B-4, 3.2.2). Also the maximum of
/// `attempts.maximum_failures`.
pub(crate) const MAXIMUM_CONSECUTIVE: u32 = 100;

/// The time after which one failure from an unknown address no longer counts.
pub(crate) const THROTTLE_DECAY: Duration = Duration::from_secs(6 * 60 * 60);

/// The time for which the failures of an address count.
pub(crate) const ADDRESS_WINDOW: Duration = Duration::from_secs(60 * 60);

/// The number of pseudo users: too many to lock all within a day, and few enough to store.
const PSEUDO_USERS: u32 = 1 << 20;

/// The subject of an attempt: a user, or the pseudo user of an unknown name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject(i32);

impl Subject {
    /// The pseudo user of a digest.
    pub(crate) fn pseudo(digest: u32) -> Self {
        let number = i32::try_from(digest % PSEUDO_USERS).unwrap_or_default();
        Self(-1 - number)
    }

    /// The user; `None` for a pseudo user.
    pub(crate) fn user_id(self) -> Option<UserId> {
        UserId::try_from(self.0).ok()
    }

    /// The id as stored; negative for pseudo users.
    pub(crate) fn as_i32(self) -> i32 {
        self.0
    }
}

impl From<UserId> for Subject {
    fn from(user_id: UserId) -> Self {
        Self(user_id.as_i32())
    }
}

/// The limits of an installation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptLimits {
    /// Failures before the first delay.
    pub(crate) before_delay: u32,
    /// The maximum of the delay, which starts at one second and doubles with each failure.
    pub(crate) maximum_delay: Duration,
    /// Failures from unknown addresses after which attempts from such addresses are refused.
    pub(crate) maximum_failures: u32,
    /// Failures of one address within [`ADDRESS_WINDOW`], for any subject; zero: without limit.
    pub(crate) maximum_per_address: u32,
}

/// The failed attempts on one subject and type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailureCount {
    /// Wrong secrets since the last right one, from all addresses together.
    pub(crate) failures: u32,
    /// Failures from unknown addresses, at the time of the last one. A success does not change
    /// them; otherwise a login of the user would reveal that the name exists.
    pub(crate) throttle_failures: u32,
    /// `None`: the next attempt need not wait.
    pub(crate) next_allowed_at: Option<OffsetDateTime>,
}

impl FailureCount {
    /// True when the credential is locked: even the right secret is refused, from any address.
    pub(crate) fn is_locked(&self) -> bool {
        self.failures >= MAXIMUM_CONSECUTIVE
    }
}

/// The failed attempts on a user's credential of one type.
#[derive(Debug)]
pub(crate) struct AttemptSummary {
    pub(crate) credential_type: String,
    pub(crate) count: FailureCount,
}

/// The failures from one address: for one subject, and in total.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AddressFailureCount {
    /// The last successful login of the subject from the address.
    pub(crate) last_succeeded_at: Option<OffsetDateTime>,
    /// Wrong secrets for this subject from the address.
    pub(crate) subject_failures: u32,
    /// Wrong secrets from the address within [`ADDRESS_WINDOW`], for any subject.
    pub(crate) total_failures: u32,
}

impl AddressFailureCount {
    /// True for a known address with failures left, which is exempt from throttling.
    pub(crate) fn is_privileged(&self) -> bool {
        self.last_succeeded_at.is_some() && self.subject_failures < KNOWN_ADDRESS_FAILURES
    }
}

/// Why an attempt is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// Delayed for this long.
    Delayed(Duration),
    /// Stopped until an administrator unlocks it.
    Stopped,
}

impl Refused {
    /// How long to wait; `None`: waiting does not help.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Delayed(wait) => Some(wait),
            Self::Stopped => None,
        }
    }
}

impl AttemptLimits {
    /// Why an attempt from an unknown address is refused, apart from the history of the address. A
    /// lock does not count: the refusal would reveal that the name exists.
    pub(crate) fn refuses(&self, count: FailureCount, now: OffsetDateTime) -> Option<Refused> {
        if count.throttle_failures >= self.maximum_failures {
            return Some(Refused::Stopped);
        }
        let wait = Duration::try_from(count.next_allowed_at? - now).unwrap_or_default();
        (!wait.is_zero()).then_some(Refused::Delayed(wait))
    }

    /// True when attempts from unknown addresses fail until an administrator unlocks the
    /// credential.
    pub(crate) fn stops(&self, count: FailureCount) -> bool {
        count.throttle_failures >= self.maximum_failures || count.is_locked()
    }

    /// Why an address is refused for all subjects.
    pub(crate) fn refuses_address(&self, address: &AddressFailureCount) -> Option<Refused> {
        let maximum = self.maximum_per_address;
        let is_exceeded = maximum > 0 && address.total_failures >= maximum;
        is_exceeded.then_some(Refused::Delayed(ADDRESS_WINDOW))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AttemptLimits = AttemptLimits {
        before_delay: 5,
        maximum_delay: Duration::from_secs(1800),
        maximum_failures: 50,
        maximum_per_address: 300,
    };

    #[test]
    fn an_early_attempt_is_delayed_and_too_many_failures_stop() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let at = |seconds| now + time::Duration::seconds(seconds);
        let refused = |throttle_failures, next_allowed_at| {
            LIMITS.refuses(FailureCount { failures: 100, throttle_failures, next_allowed_at }, now)
        };
        assert_eq!(refused(49, None), None);
        assert_eq!(refused(49, Some(now)), None);
        assert_eq!(refused(49, Some(at(-1))), None);
        assert_eq!(refused(5, Some(at(7))), Some(Refused::Delayed(Duration::from_secs(7))));
        assert_eq!(refused(50, Some(at(7))), Some(Refused::Stopped));
    }

    #[test]
    fn a_hundred_consecutive_failures_lock_and_the_maximum_from_unknown_addresses_stops() {
        let count = |failures, throttle_failures| FailureCount {
            failures,
            throttle_failures,
            next_allowed_at: None,
        };
        assert!(!count(99, 50).is_locked());
        assert!(count(100, 0).is_locked());
        assert!(!LIMITS.stops(count(99, 49)));
        assert!(LIMITS.stops(count(100, 0)));
        assert!(LIMITS.stops(count(0, 50)));
    }

    #[test]
    fn a_known_address_is_privileged_until_its_third_failure() {
        let known = |subject_failures| AddressFailureCount {
            last_succeeded_at: Some(OffsetDateTime::UNIX_EPOCH),
            subject_failures,
            total_failures: 0,
        };
        assert!(known(KNOWN_ADDRESS_FAILURES - 1).is_privileged());
        assert!(!known(KNOWN_ADDRESS_FAILURES).is_privileged());
        assert!(!AddressFailureCount::default().is_privileged());
    }

    #[test]
    fn ids_of_pseudo_users_are_negative() {
        for digest in [0, 1, PSEUDO_USERS - 1, PSEUDO_USERS, u32::MAX] {
            let id = Subject::pseudo(digest).as_i32();
            assert!((-1_048_576..=-1).contains(&id), "{id}");
        }
    }
}
