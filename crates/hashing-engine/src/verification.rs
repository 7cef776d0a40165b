//! Verifies requests: from the caches, or with a hash.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use zeroize::Zeroizing;

use super::{
    engine::{HashingEngine, Verified},
    error::HashingError,
    event::EngineEvent,
    fairness_key::FairnessKey,
    formats::stored_hash::StoredHash,
    job::{Computed, Task},
    secret_forms::SecretForms,
    single_flight::{Flight, FlightOutcome},
    verification_key::VerificationDigest,
    verification_request::{Verification, VerificationOutcome, VerificationRequest},
};

/// What the result of a request is cached under. It has no secret, and can outlive the request.
#[derive(Debug, Clone, Copy)]
pub struct CacheKeys<K> {
    client: (K, VerificationDigest),
    verified: VerificationDigest,
    refused: VerificationDigest,
    may_succeed: bool,
}

impl<K: FairnessKey> HashingEngine<K> {
    /// The cached result of a request. The application throttles requests, whether cached or not.
    #[must_use]
    pub fn cached_result(&self, request: &VerificationRequest<'_>) -> Option<bool> {
        let verified = self.verification_key.digest(request);
        self.find(verified, || self.verification_key.refusal_digest(request))
    }

    /// As [`Self::cached_result`], after the request.
    #[must_use]
    pub fn recall(&self, keys: &CacheKeys<K>) -> Option<bool> {
        self.find(keys.verified, || keys.refused)
    }

    fn find(
        &self,
        verified: VerificationDigest,
        refused: impl FnOnce() -> VerificationDigest,
    ) -> Option<bool> {
        let now = Instant::now();
        if self.verified.contains(verified, now) {
            self.metrics.cache_hits.inc();
            return Some(true);
        }
        let was_refused = self.refused.contains(refused(), now);
        if was_refused {
            self.metrics.repeated.inc();
        }
        was_refused.then_some(false)
    }

    /// Verifies a request: from the cache, together with an equal one, or with a hash. Caches the
    /// result. A request that fails takes as long as any refusal.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn verify(
        &self,
        key: K,
        request: &VerificationRequest<'_>,
    ) -> Result<VerificationOutcome, HashingError> {
        let Verification { outcome, owed } = self.verify_undelayed(key, request).await?;
        // The timer would round zero up to a millisecond.
        if !owed.is_zero() {
            tokio::time::sleep(owed).await;
        }
        Ok(outcome)
    }

    /// As [`Self::verify`], for a caller who does something else before the refusal, and delays it
    /// by the time that is owed.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn verify_undelayed(
        &self,
        key: K,
        request: &VerificationRequest<'_>,
    ) -> Result<Verification, HashingError> {
        // An equal request may have finished since the application read the cache.
        match self.cached_result(request) {
            Some(true) => return Ok(Verification::right(VerificationOutcome::SharedResult)),
            Some(false) => {
                return Ok(Verification::wrong(self.owed(request.secret, Instant::now())));
            }
            None => {}
        }
        let digest = self.verification_key.digest(request);
        // A locked or retired user is verified against the decoy, which takes as long as their hash.
        let hash = request.hash.filter(|_| request.may_succeed);
        let start = || self.start_verification(key, request.secret, hash);
        let FlightOutcome { value, is_first } =
            self.single_flight.join_or_start((key, digest), start).await;
        let counter = if is_first { &self.metrics.cache_misses } else { &self.metrics.shared };
        counter.inc();
        let Verified { is_right, started } = value?;
        let is_right = is_right && request.may_succeed;
        self.remember(&self.cache_keys(key, request), is_right, Duration::MAX);
        Ok(match (is_right, is_first) {
            (false, _) => Verification::wrong(self.owed(request.secret, started)),
            (true, true) => Verification::right(VerificationOutcome::Verified),
            (true, false) => Verification::right(VerificationOutcome::SharedResult),
        })
    }

    /// Identifies a request among those that are verified now. Equal requests have equal digests,
    /// unless the row has changed in between.
    #[must_use]
    pub fn digest(&self, request: &VerificationRequest<'_>) -> VerificationDigest {
        self.verification_key.digest(request)
    }

    /// What the result of a request is cached under.
    #[must_use]
    pub fn cache_keys(&self, key: K, request: &VerificationRequest<'_>) -> CacheKeys<K> {
        let verification_key = &self.verification_key;
        CacheKeys {
            client: (key, verification_key.name_digest(request.name)),
            verified: verification_key.digest(request),
            refused: verification_key.refusal_digest(request),
            may_succeed: request.may_succeed,
        }
    }

    /// Caches the result of a request, whether a hash or another system decided it. A right secret is
    /// cached for `longest` at most.
    pub fn remember(&self, keys: &CacheKeys<K>, is_right: bool, longest: Duration) {
        let now = Instant::now();
        if is_right && keys.may_succeed {
            self.verified.insert_for(keys.verified, now, longest);
            self.returning_clients.insert(keys.client, now);
        } else {
            self.refused.insert(keys.refused, now);
        }
    }

    /// True when the secret matches the hash. Uses no cache and no delay.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn verify_hash(
        &self,
        key: K,
        secret: SecretForms<'_>,
        stored: Option<&StoredHash>,
    ) -> Result<bool, HashingError> {
        Ok(self.start_verification(key, secret, stored).await?.is_right)
    }

    /// Starts one job for all forms of a secret.
    ///
    /// `None` stands for a missing row: verifying the decoy takes the same work, and the result is
    /// false. A hash outside the limits is treated as missing.
    fn start_verification(
        &self,
        key: K,
        secret: SecretForms<'_>,
        stored: Option<&StoredHash>,
    ) -> Flight<Result<Verified, HashingError>> {
        let problem = stored.and_then(|hash| self.limit_exceeded(hash));
        let verifiable = stored.filter(|_| problem.is_none());
        if let Some(event) = problem {
            (self.on_event)(event);
        }
        let is_decoy = verifiable.is_none();
        let hash = verifiable.cloned().unwrap_or_else(|| StoredHash::Own(self.decoy.clone()));
        let other_form = secret.other_form.map(|form| Zeroizing::new(form.to_vec()));
        let computed = self.compute(key, secret.secret, Task::Match { hash, other_form });
        async move {
            let Computed { output, started, .. } = computed.await?;
            Ok(Verified { is_right: !is_decoy && output.is_true(), started })
        }
        .boxed()
    }

    /// Why a stored hash must not be computed. Import refuses such a hash, but the verifier does
    /// not rely on that.
    fn limit_exceeded(&self, hash: &StoredHash) -> Option<EngineEvent> {
        if hash.parameters().memory_kib > self.maximum_memory_kib {
            return Some(EngineEvent::MemoryLimitExceeded);
        }
        let StoredHash::Wrapped(wrapped) = hash else { return None };
        wrapped.check_function().is_err().then_some(EngineEvent::FunctionLimitExceeded)
    }
}
