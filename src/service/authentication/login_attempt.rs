//! A login with a password whose attempt is verified, and its outcomes.

use std::time::Duration;

use super::{error::Refusal, password_target::PresentedPassword};
use crate::{
    domain::stored_credential::StoredCredential,
    service::{credentials::list_check::PendingLookup, throttling::throttle::AttemptCounters},
    storage::{attempts::Attempt, logins::Login},
};

/// The outcome of a verification.
pub(super) enum Verified<'login> {
    /// The password matches this stored credential.
    Row(&'login StoredCredential, Option<PendingLookup>),
    Refused(Refusal),
    /// The old system accepted the password. A stored one decides now.
    AcceptedByOldSystem,
}

/// The outcome of all hashes of a login.
pub(super) enum Hashed<'login> {
    /// The password matches this stored credential.
    Row(&'login StoredCredential, Option<PendingLookup>),
    Wrong {
        refusal: Refusal,
        /// The delay before the refusal may be answered.
        owed: Duration,
    },
}

/// A login whose password must be hashed or asked about.
#[derive(Clone, Copy)]
pub(super) struct LoginAttempt<'login, 'attempt> {
    pub(super) login: &'login Login,
    pub(super) presented: PresentedPassword<'attempt>,
    pub(super) counters: &'attempt AttemptCounters<'login>,
    pub(super) attempt: &'attempt Attempt,
    /// The attempt under which it is counted until another system has decided.
    pub(super) pending: Option<&'attempt Attempt>,
    /// The number of passwords here that are known to be wrong, and are not hashed again.
    pub(super) repeated: u32,
}

/// Waits before a refusal is answered.
pub(super) async fn delay(owed: Duration) {
    // The timer would round zero up to a millisecond.
    if !owed.is_zero() {
        tokio::time::sleep(owed).await;
    }
}
