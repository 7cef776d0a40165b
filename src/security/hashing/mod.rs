//! Adapts the hashing engine to the types of this service.
//!
//! `crates/hashing-engine` does the work. It knows neither users nor stored credentials, so this
//! module converts them, and logs the engine's events.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use hashing_engine::{EngineEvent, PhcHash, Tag};
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};

use super::verification_request::{OwnedRequest, bytes, forms};
pub(crate) use super::{
    hash_text::{TextKind, text_kind},
    verification_request::VerificationRequest,
};
use crate::{
    domain::{
        Reason,
        client_info::FairnessKey,
        credential::CredentialValue,
        stored_credential::{HashParameters, HashScheme},
    },
    log_events::alarm,
    trace_context,
};

#[cfg(feature = "bench")]
pub use hashing_engine::HashBench;
pub(crate) use hashing_engine::{
    AcceptedHash, Capacity, CostMeter, EngineCounts, HashingError, HashingOptions, MeasuredCost,
    SingleFlight, StoredHash, Verification, VerificationDigest, VerificationOutcome, WeakHash,
};

/// What the result of a verification is cached under.
pub(crate) type CacheKeys = hashing_engine::CacheKeys<FairnessKey>;

/// Admits one request to the engine until it is dropped.
pub(crate) type Admission = hashing_engine::Admission<FairnessKey>;

/// The engine. It lives as long as the service.
pub(crate) struct HashingEngine(hashing_engine::HashingEngine<FairnessKey>);

impl HashingEngine {
    /// Starts the threads, allocates their memory and measures their rate.
    ///
    /// # Errors
    /// When argon2 does not support the parameters, or the operating system returns no threads or
    /// random bytes.
    pub(crate) fn start(options: &HashingOptions) -> Result<Self, HashingError> {
        hashing_engine::HashingEngine::start(options, log_event).map(Self)
    }

    /// The capacity that was measured at start.
    pub(crate) fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    /// Hashes a value with the parameters of new hashes.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`] or [`HashingError::ShuttingDown`].
    pub(crate) async fn hash(
        &self,
        key: FairnessKey,
        value: &CredentialValue,
    ) -> Result<PhcHash, HashingError> {
        self.0.hash(key, bytes(value)).await
    }

    /// Hashes a value when no other job waits. `None` when the deadline passes first.
    ///
    /// # Errors
    /// When no random salt can be generated, or argon2 does not support the parameters.
    pub(crate) async fn hash_when_idle(
        &self,
        value: &CredentialValue,
    ) -> Result<Option<PhcHash>, HashingError> {
        self.0.hash_when_idle(bytes(value)).await
    }

    /// Runs a check of a value that takes about as long as a hash, on the hashing threads.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn check(
        &self,
        key: FairnessKey,
        value: &CredentialValue,
        check: impl FnOnce(&[u8]) -> bool + Send + 'static,
    ) -> Result<bool, HashingError> {
        self.0.check(key, bytes(value), check).await
    }

    /// Admits a request that needs a hash, or refuses it before any other work is done for it.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(crate) fn admit(&self, key: FairnessKey) -> Result<Admission, HashingError> {
        self.0.admit(key)
    }

    /// As [`Self::admit`], for a request that names a user who is not authenticated yet.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn admit_unauthenticated(
        &self,
        address: FairnessKey,
        named: FairnessKey,
    ) -> Result<Admission, HashingError> {
        self.0.admit_unauthenticated(address, named)
    }

    /// Moves the admission of a request to the user who was authenticated.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn move_admission(
        &self,
        admission: Admission,
        user: FairnessKey,
    ) -> Result<Admission, HashingError> {
        self.0.move_admission(admission, user)
    }

    /// Admits a login. A client that logged in with this name recently needs no admission.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn admit_login(
        &self,
        key: FairnessKey,
        canonical_name: &str,
    ) -> Result<Option<Admission>, HashingError> {
        self.0.admit_login(key, canonical_name)
    }

    /// Refuses a request that will need a hash if even a client without an admission would get none.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn require_room(&self) -> Result<(), HashingError> {
        self.0.require_room()
    }

    /// The cached result of a request, if there is one.
    pub(crate) fn cached_result(&self, request: &VerificationRequest<'_>) -> Option<bool> {
        self.0.cached_result(&OwnedRequest::new(request).as_request())
    }

    /// Verifies a request and caches the result. A refusal takes as long as any other.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn verify(
        &self,
        key: FairnessKey,
        request: &VerificationRequest<'_>,
    ) -> Result<VerificationOutcome, HashingError> {
        self.0.verify(key, &OwnedRequest::new(request).as_request()).await
    }

    /// As [`Self::verify`]. The caller delays a refusal by the time that is
    /// owed.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn verify_undelayed(
        &self,
        key: FairnessKey,
        request: &VerificationRequest<'_>,
    ) -> Result<Verification, HashingError> {
        self.0.verify_undelayed(key, &OwnedRequest::new(request).as_request()).await
    }

    /// Identifies a request among those that are verified now.
    pub(crate) fn digest(&self, request: &VerificationRequest<'_>) -> VerificationDigest {
        self.0.digest(&OwnedRequest::new(request).as_request())
    }

    /// What the result of a request is cached under. It has no secret, and can outlive the request.
    pub(crate) fn cache_keys(
        &self,
        key: FairnessKey,
        request: &VerificationRequest<'_>,
    ) -> CacheKeys {
        self.0.cache_keys(key, &OwnedRequest::new(request).as_request())
    }

    /// As [`Self::cached_result`], after the request.
    pub(crate) fn recall(&self, keys: &CacheKeys) -> Option<bool> {
        self.0.recall(keys)
    }

    /// Caches what another system decided about a request: a right secret for `longest` at most.
    pub(crate) fn remember(&self, keys: &CacheKeys, is_right: bool, longest: Duration) {
        self.0.remember(keys, is_right, longest);
    }

    /// True when the value matches the hash. Uses no cache.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn verify_hash(
        &self,
        key: FairnessKey,
        value: &CredentialValue,
        stored: Option<&StoredHash>,
    ) -> Result<bool, HashingError> {
        let other_form = value.decomposed();
        self.0.verify_hash(key, forms(value, other_form.as_ref()), stored).await
    }

    /// The delay before a refusal of this value may be sent, from the time when its hash started.
    pub(crate) fn owed(&self, value: &CredentialValue, started: Instant) -> Duration {
        let other_form = value.decomposed();
        self.0.owed(forms(value, other_form.as_ref()), started)
    }

    /// Measures these kinds of stored hashes, so that every refusal takes as long as the most
    /// expensive. Blocks for a moment.
    ///
    /// # Errors
    /// When argon2 does not support the parameters of new hashes.
    pub(crate) fn measure_refusals(
        &self,
        kinds: &[(HashScheme, HashParameters)],
    ) -> Result<(), HashingError> {
        self.0.measure_refusals(kinds)
    }

    /// Parses a hash of another system and checks its cost.
    ///
    /// # Errors
    /// When the hash cannot be verified, or costs too little or too much.
    pub(crate) fn accept(&self, text: &SecretString) -> Result<AcceptedHash, Reason> {
        self.0.accept(text).map_err(Reason::from)
    }

    /// Wraps a hash that is fast or weak in argon2id.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn wrap(
        &self,
        key: FairnessKey,
        weak: WeakHash,
    ) -> Result<StoredHash, HashingError> {
        self.0.wrap(key, weak).await
    }

    /// True when a hash costs less than a new one or is imported, and `value`, which matches it, is
    /// the whole secret.
    pub(crate) fn should_rehash(&self, hash: &StoredHash, value: &CredentialValue) -> bool {
        self.0.is_below_target(hash) && !may_truncate(hash, value)
    }

    /// True when these parameters cost less than those of a new hash.
    pub(crate) fn is_cheaper_than_new(&self, cost: HashParameters) -> bool {
        self.0.is_cheaper_than_new(cost)
    }

    /// Number of hashes computed since start.
    pub(crate) fn hashed(&self) -> u64 {
        self.0.hashed()
    }

    /// What the engine has done since its start.
    pub(crate) fn counts(&self) -> EngineCounts {
        self.0.counts()
    }

    /// Accepts no more jobs. Accepted jobs are finished.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// Registers the metrics.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        self.0.register_metrics(registry);
    }
}

/// Derives a key from a passphrase, on the calling thread.
///
/// # Errors
/// [`HashingError::InvalidParameters`].
pub(crate) fn derive_key(
    passphrase: &SecretString,
    salt: &[u8],
    cost: HashParameters,
) -> Result<Tag, HashingError> {
    hashing_engine::derive_key(passphrase.expose_secret().as_bytes(), salt, cost, log_event)
}

/// Measures hashes on this many threads; `None`: one for each core.
pub(crate) fn cost_meter(threads: Option<usize>) -> CostMeter {
    CostMeter::new(threads, log_event)
}

fn log_event(event: EngineEvent) {
    match event {
        EngineEvent::KernelMismatch | EngineEvent::ThreadPanicked => alarm!("{event}"),
        EngineEvent::FunctionLimitExceeded => tracing::error!("{event}"),
        EngineEvent::MemoryLimitExceeded => tracing::error!(
            "a stored hash needs more memory than hashing.maximum_memory_kib; it is not verified"
        ),
        EngineEvent::Computed { waited, worked } => {
            trace_context::report("hashing.wait", waited, worked);
            trace_context::report("hashing.work", worked, Duration::ZERO);
        }
    }
}

fn may_truncate(hash: &StoredHash, value: &CredentialValue) -> bool {
    let other_form = value.decomposed();
    hash.may_truncate(forms(value, other_form.as_ref()))
}
