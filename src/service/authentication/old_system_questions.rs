//! Asks the old system about the passwords of logins: equal ones at the same time once, and recent ones
//! not again.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{FutureExt, TryFutureExt};

use super::password_target::{PresentedPassword, Target};
use crate::{
    migration_hook::{HookAnswer, HookError, MigrationHook},
    security::hashing::{HashingEngine, SingleFlight, VerificationDigest},
};

/// What the old system says about a password, for each login that waits for it.
pub(super) type SharedAnswer = Result<HookAnswer, Arc<HookError>>;

/// Asks the old system about passwords.
pub(crate) struct OldSystemQuestions {
    hook: Arc<MigrationHook>,
    hashing: Arc<HashingEngine>,
    /// From any address: a password that many send at once is counted once, so the old system must be
    /// asked about it once.
    flights: Arc<SingleFlight<VerificationDigest, SharedAnswer>>,
}

impl OldSystemQuestions {
    /// Asks through `hook`.
    pub(crate) fn new(hook: Arc<MigrationHook>, hashing: Arc<HashingEngine>) -> Self {
        Self { hook, hashing, flights: Arc::default() }
    }

    /// Asks whether the password of a login is right for a name, and caches that it is wrong.
    ///
    /// # Errors
    /// When the old system has not answered.
    pub(super) fn ask(
        &self,
        name: &str,
        presented: PresentedPassword<'_>,
        target: &Target<'_>,
    ) -> impl Future<Output = SharedAnswer> + Send + use<> {
        let request = target.request(presented);
        let digest = self.hashing.digest(&request);
        let asking = {
            let (hook, hashing) = (Arc::clone(&self.hook), Arc::clone(&self.hashing));
            let caller = presented.client_info.fairness_key();
            let keys = hashing.cache_keys(caller, &request);
            let (name, typed, now) = (name.to_owned(), presented.typed.clone(), presented.now);
            async move {
                // An equal login may have been refused since the application read the cache.
                if hashing.recall(&keys) == Some(false) {
                    return Ok(HookAnswer::Rejected);
                }
                let answer = hook.take_turn(caller).await?.ask(&name, &typed, now).await?;
                if matches!(answer, HookAnswer::Rejected | HookAnswer::Unknown) {
                    hashing.remember(&keys, false, Duration::ZERO);
                }
                Ok::<_, HookError>(answer)
            }
        };
        let flights = Arc::clone(&self.flights);
        async move {
            let start = || asking.map_err(Arc::new).boxed();
            flights.join_or_start(digest, start).await.value
        }
    }
}
