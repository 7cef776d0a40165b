//! A circuit breaker: after several failures in a row, another system is not asked for a while, and
//! then by one request that decides whether the others follow.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The failures in a row that open the breaker.
pub(crate) const FAILURES: u32 = 5;

/// How long an open breaker refuses requests, before one may try again.
pub(crate) const OPEN_TIME: Duration = Duration::from_secs(10);

/// How long a failure counts for [`Breaker::is_failing`].
pub(crate) const FAILURE_TIME: Duration = Duration::from_mins(15);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// All answers so far.
    answers: u64,
    failed_at: Option<Instant>,
    /// `None`: closed.
    open_until: Option<Instant>,
    /// True while a request decides whether the breaker closes.
    is_probed: bool,
}

/// The state of the breaker, which starts closed.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

/// The permission for one request. Dropped without a result, it changes nothing.
#[derive(Debug)]
pub(crate) struct Passage<'breaker> {
    breaker: &'breaker Breaker,
    is_probe: bool,
}

impl Breaker {
    /// The permission for a request; `None` while the breaker is open.
    pub(crate) fn enter(&self, now: Instant) -> Option<Passage<'_>> {
        let mut state = self.lock();
        let is_probe = match state.open_until {
            None => false,
            Some(until) if until <= now && !state.is_probed => true,
            Some(_) => return None,
        };
        state.is_probed = is_probe;
        Some(Passage { breaker: self, is_probe })
    }

    /// The number of answers so far, for [`Passage::time_out`].
    pub(crate) fn answers(&self) -> u64 {
        self.lock().answers
    }

    /// True while the other system is known to fail: the breaker is open, and a request has failed
    /// within [`FAILURE_TIME`]. Without requests, an open breaker stays open, and nobody knows whether
    /// the other system is back.
    pub(crate) fn is_failing(&self, now: Instant) -> bool {
        let state = self.lock();
        let is_recent = |at| now.saturating_duration_since(at) < FAILURE_TIME;
        state.open_until.is_some() && state.failed_at.is_some_and(is_recent)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent after a panic of another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage<'_> {
    /// Records an answer: the breaker closes.
    pub(crate) fn succeed(self) {
        let mut state = self.breaker.lock();
        state.failures = 0;
        state.answers = state.answers.wrapping_add(1);
        state.open_until = None;
    }

    /// Records that a request timed out that began, with the wait for its turn, after this number of
    /// answers. If another request was answered meanwhile, the other system is there, and the wait may
    /// be the reason: nothing changes. Otherwise as [`Self::fail`].
    pub(crate) fn time_out(self, answers: u64, now: Instant) -> bool {
        self.breaker.answers() == answers && self.fail(now)
    }

    /// Records a failure; true if it opened the closed breaker.
    pub(crate) fn fail(self, now: Instant) -> bool {
        let mut state = self.breaker.lock();
        state.failures = state.failures.saturating_add(1);
        state.failed_at = Some(now);
        let was_closed = state.open_until.is_none();
        // Requests that began before the breaker opened do not extend its time.
        if self.is_probe || (was_closed && state.failures >= FAILURES) {
            state.open_until = Some(now + OPEN_TIME);
        }
        was_closed && state.open_until.is_some()
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.lock().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUST_BEFORE: Duration = OPEN_TIME.saturating_sub(Duration::from_millis(1));

    /// Lets requests fail until the breaker opens.
    fn open(breaker: &Breaker, now: Instant) {
        for failure in 1..=FAILURES {
            let opened = breaker.enter(now).unwrap().fail(now);
            assert_eq!(opened, failure == FAILURES);
        }
        assert!(breaker.is_failing(now) && breaker.enter(now).is_none());
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_answer_closes_it() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 1..FAILURES {
            breaker.enter(now).unwrap().fail(now);
        }
        breaker.enter(now).unwrap().succeed();
        open(&breaker, now);
        assert!(breaker.enter(now + JUST_BEFORE).is_none());
        breaker.enter(now + OPEN_TIME).unwrap().succeed();
        assert!(!breaker.is_failing(now));
        open(&breaker, now);
    }

    #[test]
    fn an_open_breaker_fails_until_nothing_has_failed_for_a_while() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        breaker.enter(now).unwrap().fail(now);
        assert!(!breaker.is_failing(now), "one failure does not open it");
        breaker.enter(now).unwrap().succeed();
        open(&breaker, now);
        let before_end = FAILURE_TIME.saturating_sub(Duration::from_millis(1));
        assert!(breaker.is_failing(now + before_end));
        assert!(!breaker.is_failing(now + FAILURE_TIME));
        // The next request fails.
        let later = now + FAILURE_TIME * 2;
        breaker.enter(later).unwrap().fail(later);
        assert!(breaker.is_failing(later + before_end));
        assert!(!breaker.is_failing(later + FAILURE_TIME));
    }

    #[test]
    fn a_timeout_is_a_failure_only_if_no_other_request_was_answered_meanwhile() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let before = breaker.answers();
        breaker.enter(now).unwrap().succeed();
        for _ in 0..2 * FAILURES {
            assert!(!breaker.enter(now).unwrap().time_out(before, now));
        }
        let answers = breaker.answers();
        for failure in 1..=FAILURES {
            let opened = breaker.enter(now).unwrap().time_out(answers, now);
            assert_eq!(opened, failure == FAILURES);
        }
        assert!(breaker.enter(now).is_none());
    }

    #[test]
    fn one_request_at_a_time_tries_whether_the_other_system_is_back() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        open(&breaker, now);
        let later = now + OPEN_TIME;
        let probe = breaker.enter(later).unwrap();
        assert!(breaker.enter(later).is_none());
        assert!(!probe.fail(later), "it was open before");
        assert!(breaker.enter(later + JUST_BEFORE).is_none());
        // A canceled login decides nothing.
        drop(breaker.enter(later + OPEN_TIME).unwrap());
        breaker.enter(later + OPEN_TIME).unwrap().succeed();
        assert!(breaker.enter(later + OPEN_TIME).is_some());
    }

    #[test]
    fn requests_from_before_it_opened_neither_extend_its_time_nor_keep_it_open() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let (slow, answered) = (breaker.enter(now).unwrap(), breaker.enter(now).unwrap());
        open(&breaker, now);
        slow.fail(now + OPEN_TIME);
        drop(breaker.enter(now + OPEN_TIME).unwrap());
        answered.succeed();
        assert!(!breaker.is_failing(now));
    }
}
