//! Whether a request is right: what was found out lately, or a hash.

use std::time::Instant;

use super::{
    HashingEngine, HashingError, VerificationRequest,
    single_flight::{FlightOutcome, Verified},
};
use crate::domain::client_info::FairnessKey;

/// How a request was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VerificationOutcome {
    /// It is wrong.
    No,
    /// It was hashed for an equal request, at the same time or a moment before.
    Together,
    /// It was hashed now.
    Now,
}

impl HashingEngine {
    /// What was found out about a request lately, if anything was. It saves the hash; who may try at all
    /// is decided before.
    pub(crate) fn cached_result(&self, request: &VerificationRequest<'_>) -> Option<bool> {
        let (digest, now) = (self.verification_key.digest(request), Instant::now());
        if self.verified.contains(digest, now) {
            self.metrics.verification_cache.inc();
            return Some(true);
        }
        let was_refused = self.refused.contains(self.verification_key.refusal_digest(request), now);
        if was_refused {
            self.metrics.repeated.inc();
        }
        was_refused.then_some(false)
    }

    /// Whether a request is right: found out together with an equal one, or hashed; and remembers it.
    /// What does not let in takes as long as any refusal.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn verify(
        &self,
        caller: FairnessKey,
        request: &VerificationRequest<'_>,
    ) -> Result<VerificationOutcome, HashingError> {
        // Whoever had to wait for a statement may find that an equal request was faster.
        match self.cached_result(request) {
            Some(true) => return Ok(VerificationOutcome::Together),
            Some(false) => {
                self.wait_as_refused(request.value, Instant::now()).await;
                return Ok(VerificationOutcome::No);
            }
            None => {}
        }
        let digest = self.verification_key.digest(request);
        // A locked or retired user is verified against the decoy: no timing shows a right secret.
        let start =
            || self.verification(caller, request.value, request.hash.filter(|_| request.lets_in));
        let FlightOutcome { outcome, is_first } =
            self.single_flight.join((caller, digest), start).await;
        let count = if is_first { &self.metrics.not_remembered } else { &self.metrics.shared };
        count.inc();
        let Verified { is_right, began } = outcome?;
        if is_right && request.lets_in {
            self.verified.insert(digest, Instant::now());
            let visitor = self.verification_key.visitor(caller, request.canonical_name);
            self.returning.insert(visitor, Instant::now());
        } else {
            self.refused.insert(self.verification_key.refusal_digest(request), Instant::now());
            self.wait_as_refused(request.value, began).await;
        }
        Ok(match (is_right, is_first) {
            (false, _) => VerificationOutcome::No,
            (true, true) => VerificationOutcome::Now,
            (true, false) => VerificationOutcome::Together,
        })
    }
}
