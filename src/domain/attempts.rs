//! What stands against guessing (protocol.md 10.26): a lock after too many wrong secrets in a row,
//! wherever they come from; delays that grow and a stop for addresses that are not known; and who is
//! let in all the same.

use std::time::Duration;

use time::OffsetDateTime;

use super::user::UserId;

/// Addresses that are known of one user; the one not used for longest is forgotten.
pub(crate) const MAXIMUM_KNOWN_CALLERS: u32 = 16;

/// Wrong secrets that a known address may try within [`ADDRESS_WINDOW`] while everybody else has to
/// wait.
pub(crate) const KNOWN_CALLER_FAILURES: u32 = 3;

/// Wrong secrets in a row for one subject and type, from all addresses together, after which the
/// credential is locked (NIST SP 800-63B-4, 3.2.2). Also the most that `attempts.maximum_failures` may
/// be.
pub(crate) const MAXIMUM_CONSECUTIVE: u32 = 100;

/// How long it takes until one failure from an unknown address delays nobody any longer.
pub(crate) const THROTTLE_DECAY: Duration = Duration::from_secs(6 * 60 * 60);

/// How long the failures of an address count.
pub(crate) const ADDRESS_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Pseudo users: enough that filling them takes most of a day, few enough to keep for ever.
const PSEUDO_USERS: u32 = 1 << 20;

/// Whose secret is guessed at: a user, or the pseudo user that a name stands for which nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject(i32);

impl Subject {
    /// The pseudo user of a digest.
    pub(crate) fn pseudo(digest: u32) -> Self {
        let number = i32::try_from(digest % PSEUDO_USERS).unwrap_or_default();
        Self(-1 - number)
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

/// What an installation allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptLimits {
    /// Failures before the first delay.
    pub(crate) before_delay: u32,
    /// What the delay grows to, twice as long each time, from a second.
    pub(crate) maximum_delay: Duration,
    /// Failures from unknown addresses at which nothing more is tried from these.
    pub(crate) maximum_failures: u32,
    /// Failures of one address within [`ADDRESS_WINDOW`], whoever was meant; zero: any number.
    pub(crate) maximum_per_address: u32,
}

/// What was tried in vain for one subject and type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailureCount {
    /// Wrong secrets since the last right one, from all addresses together.
    pub(crate) failures: u32,
    /// Those from unknown addresses, as they were when the last one was counted. No success changes
    /// them, or else somebody's login would show that a name is theirs.
    pub(crate) throttle_failures: u32,
    /// `None`: there is nothing to wait for.
    pub(crate) next_allowed_at: Option<OffsetDateTime>,
}

impl FailureCount {
    /// True when nothing right lets in either, wherever it comes from.
    pub(crate) fn is_locked(&self) -> bool {
        self.failures >= MAXIMUM_CONSECUTIVE
    }
}

/// The same, as operators see it.
#[derive(Debug)]
pub(crate) struct AttemptSummary {
    pub(crate) credential_type: String,
    pub(crate) count: FailureCount,
}

/// Where a caller stands with one subject.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AddressFailureCount {
    /// When the subject last logged in from there, if they ever did.
    pub(crate) last_succeeded_at: Option<OffsetDateTime>,
    /// Wrong secrets for this subject from there.
    pub(crate) failures: u32,
    /// Wrong secrets from there within [`ADDRESS_WINDOW`], whoever was meant.
    pub(crate) of_address: u32,
}

impl AddressFailureCount {
    /// True for an address that is let in while others wait.
    pub(crate) fn is_privileged(&self) -> bool {
        self.last_succeeded_at.is_some() && self.failures < KNOWN_CALLER_FAILURES
    }
}

/// What a caller is told who has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// Until then.
    Delayed(Duration),
    /// Until somebody lifts it.
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
    /// Whether another try may be made from an unknown address, whatever the address did before. A
    /// lock is not refused there: it would show that somebody has the name.
    pub(crate) fn refuses(&self, tries: FailureCount, now: OffsetDateTime) -> Option<Refused> {
        if tries.throttle_failures >= self.maximum_failures {
            return Some(Refused::Stopped);
        }
        let wait = Duration::try_from(tries.next_allowed_at? - now).unwrap_or_default();
        (!wait.is_zero()).then_some(Refused::Delayed(wait))
    }

    /// Whether somebody has to lift it before the secret can be right from an unknown address.
    pub(crate) fn stops(&self, tries: FailureCount) -> bool {
        tries.throttle_failures >= self.maximum_failures || tries.is_locked()
    }

    /// Whether an address has failed too often lately.
    pub(crate) fn refuses_address(&self, caller: &AddressFailureCount) -> Option<Refused> {
        let is_over = self.maximum_per_address > 0 && caller.of_address >= self.maximum_per_address;
        is_over.then_some(Refused::Delayed(ADDRESS_WINDOW))
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
    fn who_failed_too_often_is_stopped_and_who_is_early_waits() {
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
    fn a_hundred_in_a_row_lock_and_so_many_from_unknown_addresses_stop() {
        let tries = |failures, throttle_failures| FailureCount {
            failures,
            throttle_failures,
            next_allowed_at: None,
        };
        assert!(!tries(99, 50).is_locked());
        assert!(tries(100, 0).is_locked());
        assert!(!LIMITS.stops(tries(99, 49)));
        assert!(LIMITS.stops(tries(100, 0)));
        assert!(LIMITS.stops(tries(0, 50)));
    }

    #[test]
    fn a_known_address_is_privileged_until_it_has_tried_enough() {
        let known = |failures| AddressFailureCount {
            last_succeeded_at: Some(OffsetDateTime::UNIX_EPOCH),
            failures,
            of_address: 0,
        };
        assert!(known(KNOWN_CALLER_FAILURES - 1).is_privileged());
        assert!(!known(KNOWN_CALLER_FAILURES).is_privileged());
        assert!(!AddressFailureCount::default().is_privileged());
    }

    #[test]
    fn pseudo_users_are_nobody() {
        for digest in [0, 1, PSEUDO_USERS - 1, PSEUDO_USERS, u32::MAX] {
            let id = Subject::pseudo(digest).as_i32();
            assert!((-1_048_576..=-1).contains(&id), "{id}");
        }
    }
}
