//! The hashing engine: its threads, caches and limits, and the operations on one secret.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
use secrecy::SecretString;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    admission::{Admission, AdmissionControl},
    capacity::{Capacity, count},
    error::HashingError,
    event::{EngineEvent, OnEvent},
    fairness_key::FairnessKey,
    formats::{
        phc::{PhcHash, SALT_LENGTH},
        rejection::HashRejection,
        stored_hash::{AcceptedHash, StoredHash},
        wrapped_hash::WeakHash,
    },
    hash_parameters::{HashParameters, HashScheme},
    hasher::Hasher,
    job::{Computed, Job, JobResult, Task},
    kernel::Kernel,
    metrics::{EngineCounts, EngineMetrics},
    options::HashingOptions,
    pool::Pool,
    random::random_bytes,
    refusal_timing::RefusalTiming,
    secret_forms::SecretForms,
    single_flight::SingleFlight,
    verification_cache::VerificationCache,
    verification_key::{VerificationDigest, VerificationKey},
};

/// The result of a verification job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verified {
    pub(crate) is_right: bool,
    /// When the job left the queue.
    pub(crate) started: Instant,
}

/// The engine. It lives as long as the service; dropping it closes the queue.
///
/// `K` identifies a client in the fair queue.
pub struct HashingEngine<K: FairnessKey> {
    pub(crate) pool: Arc<Pool<K>>,
    pub(crate) maximum_memory_kib: u32,
    /// A hash that no secret matches, for accounts that do not exist.
    pub(crate) decoy: PhcHash,
    pub(crate) verification_key: VerificationKey,
    /// Requests whose secret was right.
    pub(crate) verified: VerificationCache<VerificationDigest>,
    /// Requests whose secret was wrong.
    pub(crate) refused: VerificationCache<VerificationDigest>,
    /// Clients that recently verified a secret of a name.
    pub(crate) returning_clients: VerificationCache<(K, VerificationDigest)>,
    pub(crate) single_flight: SingleFlight<(K, VerificationDigest), Result<Verified, HashingError>>,
    pub(crate) metrics: EngineMetrics,
    pub(crate) on_event: OnEvent,
    parameters: HashParameters,
    deadline: Duration,
    capacity: Capacity,
    admission: AdmissionControl<K>,
    refusal_timing: RefusalTiming,
}

impl<K: FairnessKey> HashingEngine<K> {
    /// Starts the threads, allocates their memory and measures their rate.
    ///
    /// # Errors
    /// When argon2 does not support the parameters, or the operating system returns no threads or
    /// random bytes.
    pub fn start(options: &HashingOptions, on_event: OnEvent) -> Result<Self, HashingError> {
        let memory_kib = options.maximum_memory_kib.max(options.parameters.memory_kib);
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(cores).max(1);
        let salt = random_bytes::<SALT_LENGTH>()?;
        let metrics = EngineMetrics::default();
        let kernel = Kernel::choose(on_event);
        let hasher = Hasher::new(kernel, options.parameters, metrics.clone());
        let (pool, hash_time) =
            Pool::start(hasher, threads, memory_kib, options.deadline, metrics.clone(), on_event)?;
        let places = pool.places().clone();
        let (maximum, lifetime) = (options.maximum_verified, options.verified_lifetime);
        Ok(Self {
            pool,
            maximum_memory_kib: memory_kib,
            decoy: PhcHash::new(options.parameters, salt.to_vec(), random_bytes()?),
            verification_key: VerificationKey::generate()?,
            verified: VerificationCache::new(maximum, lifetime),
            refused: VerificationCache::new(maximum, lifetime),
            returning_clients: VerificationCache::new(maximum, lifetime),
            single_flight: SingleFlight::new(),
            metrics,
            on_event,
            parameters: options.parameters,
            deadline: options.deadline,
            capacity: Capacity {
                kernel: kernel.as_str(),
                threads,
                hashes_per_second: count(threads) / hash_time.as_secs_f64().max(f64::EPSILON),
                queue_length: places.get(),
                memory_kib: u64::from(memory_kib) * u64::try_from(threads).unwrap_or(u64::MAX),
            },
            admission: AdmissionControl::new(places),
            refusal_timing: RefusalTiming::new(options.longest_delay),
        })
    }

    /// The capacity that was measured at start, with the present length of the queue.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity { queue_length: self.pool.places().get(), ..self.capacity }
    }

    /// Hashes a secret with the parameters of new hashes and a random salt.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`] or [`HashingError::ShuttingDown`].
    pub async fn hash(&self, key: K, secret: &[u8]) -> Result<PhcHash, HashingError> {
        let salt = random_bytes::<SALT_LENGTH>()?.to_vec();
        let task = Task::Hash { salt: salt.clone(), parameters: self.parameters };
        let tag = self.compute(key, secret, task).await?.output.into_tag()?;
        Ok(PhcHash::new(self.parameters, salt, *tag))
    }

    /// Hashes a secret when no other job waits. `None` when that does not happen before the
    /// deadline. No request should wait for it.
    ///
    /// # Errors
    /// When no random salt can be generated, or argon2 does not support the parameters.
    pub async fn hash_when_idle(&self, secret: &[u8]) -> Result<Option<PhcHash>, HashingError> {
        let salt = random_bytes::<SALT_LENGTH>()?.to_vec();
        let task = Task::Hash { salt: salt.clone(), parameters: self.parameters };
        let (job, result) = self.job(secret, task);
        self.pool.submit_idle(job);
        match result.await {
            Ok(Ok(computed)) => {
                self.metrics.idle.inc();
                let tag = computed.output.into_tag()?;
                Ok(Some(PhcHash::new(self.parameters, salt, *tag)))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Runs a check of a secret that takes about as long as a hash, in the queue and on the hashing
    /// threads.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn check(
        &self,
        key: K,
        secret: &[u8],
        check: impl FnOnce(&[u8]) -> bool + Send + 'static,
    ) -> Result<bool, HashingError> {
        let task = Task::Check(Box::new(check));
        Ok(self.compute(key, secret, task).await?.output.is_true())
    }

    /// Admits a request that needs a hash, until the admission is dropped. Refuses it before any
    /// other work is done for it.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub fn admit(&self, key: K) -> Result<Admission<K>, HashingError> {
        self.admission.admit(key).ok_or_else(|| self.pool.refuse())
    }

    /// As [`Self::admit`], for a request from `address` that names the user `named`, who is not
    /// authenticated yet.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn admit_unauthenticated(
        &self,
        address: K,
        named: K,
    ) -> Result<Admission<K>, HashingError> {
        self.admission.admit_unauthenticated(address, named).ok_or_else(|| self.pool.refuse())
    }

    /// Moves the admission of a request to the user who was authenticated.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn move_admission(
        &self,
        admission: Admission<K>,
        user: K,
    ) -> Result<Admission<K>, HashingError> {
        admission.move_to(user).ok_or_else(|| self.pool.refuse())
    }

    /// Admits a login. A client that verified this name recently needs no admission, because most
    /// of its logins need no hash. The secret does not matter, so admission does not reveal a right
    /// one.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn admit_login(&self, key: K, name: &str) -> Result<Option<Admission<K>>, HashingError> {
        let name = self.verification_key.name_digest(name);
        if self.returning_clients.contains((key, name), Instant::now()) {
            return Ok(None);
        }
        self.admit(key).map(Some)
    }

    /// Refuses a request that will need a hash while even a client that holds no admission would get
    /// none. The request takes none.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn require_room(&self) -> Result<(), HashingError> {
        if self.admission.has_room() { Ok(()) } else { Err(self.pool.refuse()) }
    }

    /// True when a hash is imported, or costs less than a new one.
    #[must_use]
    pub fn is_below_target(&self, hash: &StoredHash) -> bool {
        match hash {
            StoredHash::Own(own) => self.is_cheaper_than_new(own.parameters()),
            StoredHash::Foreign(_) | StoredHash::Wrapped(_) => true,
        }
    }

    /// True when these parameters cost less than those of a new hash.
    #[must_use]
    pub fn is_cheaper_than_new(&self, parameters: HashParameters) -> bool {
        parameters.blocks() < self.parameters.blocks()
    }

    /// Parses a hash of another system and checks its cost. The hash is not computed.
    ///
    /// # Errors
    /// When the hash cannot be verified, or costs too little or too much.
    pub fn accept(&self, text: &SecretString) -> Result<AcceptedHash, HashRejection> {
        let hash = AcceptedHash::parse(text)?;
        hash.check_cost(self.maximum_memory_kib, self.parameters)?;
        Ok(hash)
    }

    /// Wraps a weak hash: its output is hashed like a new secret.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub async fn wrap(&self, key: K, weak: WeakHash) -> Result<StoredHash, HashingError> {
        let outer = self.hash(key, weak.output()).await?;
        Ok(StoredHash::Wrapped(Arc::new(weak.wrapped_in(outer))))
    }

    /// Measures these kinds of stored hashes, so that every refusal takes as long as the most
    /// expensive. Blocks for a moment.
    ///
    /// # Errors
    /// When argon2 does not support the parameters of new hashes.
    pub fn measure_refusals(
        &self,
        kinds: &[(HashScheme, HashParameters)],
    ) -> Result<(), HashingError> {
        self.refusal_timing.measure(kinds, self.pool.hasher(), self.maximum_memory_kib)
    }

    /// The delay before a refusal of this secret may be sent, from the time when its hash started.
    /// Time in the queue does not count: it is the same for every request.
    #[must_use]
    pub fn owed(&self, secret: SecretForms<'_>, started: Instant) -> Duration {
        let time = self.refusal_timing.minimum_time(self.pool.hasher().target_time(), secret);
        time.saturating_sub(started.elapsed())
    }

    /// Number of hashes computed since start.
    #[must_use]
    pub fn hashed(&self) -> u64 {
        self.pool.hasher().hashed()
    }

    /// What the engine has done since its start.
    #[must_use]
    pub fn counts(&self) -> EngineCounts {
        self.metrics.counts(self.hashed())
    }

    /// Accepts no more jobs. Accepted jobs are finished.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Registers the metrics. Gauges of sizes have their current value.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let Capacity { threads, hashes_per_second, queue_length, .. } = self.capacity();
        for (name, help, number) in [
            ("threads", "Hashing threads", count(threads)),
            ("rate", "Hashes per second, measured at start", hashes_per_second),
            ("queue_length", "Jobs that may wait at present", count(queue_length)),
            ("cached", "Verifications in the cache", count(self.verified.len())),
        ] {
            registry.register(name, help, ConstGauge::new(number));
        }
        self.metrics.register(registry);
    }

    /// Creates a job and the receiver of its result. The deadline starts now.
    pub(crate) fn job(&self, secret: &[u8], task: Task) -> (Job, oneshot::Receiver<JobResult>) {
        let (reply, result) = oneshot::channel();
        let queued = Instant::now();
        let secret = Zeroizing::new(secret.to_vec());
        (Job { secret, task, queued, deadline: queued + self.deadline, reply }, result)
    }

    /// Computes a task. The job is queued when the future is first polled.
    pub(crate) fn compute(
        &self,
        key: K,
        secret: &[u8],
        task: Task,
    ) -> impl Future<Output = Result<Computed, HashingError>> + Send + use<K> {
        let (job, result) = self.job(secret, task);
        let (pool, on_event) = (Arc::clone(&self.pool), self.on_event);
        async move {
            pool.submit(key, job)?;
            // A thread drops the sender without a result only when it ends.
            let computed = result.await.unwrap_or(Err(HashingError::ShuttingDown))?;
            let Computed { waited, worked, .. } = computed;
            on_event(EngineEvent::Computed { waited, worked });
            Ok(computed)
        }
    }
}

impl<K: FairnessKey> Drop for HashingEngine<K> {
    fn drop(&mut self) {
        self.close();
    }
}
