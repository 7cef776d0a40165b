//! The hashing engine: argon2id on its own threads, in memory that is known at start.
//!
//! The hash is the cost of this service, so it is bounded in every direction: a fixed number of
//! threads, each with memory allocated once and reused; a queue of bounded length with a deadline
//! for each job; round robin between callers. What cannot be hashed in time is refused at once.
//! No async thread ever computes a hash, and a job whose caller went away is not hashed. A request
//! that was verified lately costs nothing; equal claims at the same time cost one hash.

mod admission;
#[cfg(feature = "bench")]
mod bench_support;
mod capacity;
mod derived_key;
mod fair_queue;
mod foreign;
mod job;
mod kernel;
mod metrics;
mod phc;
mod refusal_timing;
mod single_flight;
mod stored;
mod verification;
mod verification_cache;
mod verification_request;
mod weight;
mod worker;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

#[cfg(feature = "bench")]
pub use self::bench_support::HashPart;
pub(crate) use self::{
    admission::Admission, capacity::Capacity, derived_key::derive_key, phc::PhcHash,
    stored::StoredHash, verification::VerificationOutcome,
    verification_request::VerificationRequest,
};
use self::{
    admission::Admissions,
    capacity::{count, queue_length},
    job::{Computed, Done, Job, Task},
    kernel::{Kernel, Tag},
    metrics::EngineMetrics,
    refusal_timing::RefusalCost,
    single_flight::{SingleFlight, Verification, Verified},
    verification_cache::VerificationCache,
    verification_request::VerificationKey,
    worker::Pool,
};
use super::random::random_bytes;
use crate::domain::{
    Reason, client_info::FairnessKey, credential::CredentialValue,
    stored_credential::HashParameters,
};

/// How the engine is built.
#[derive(Debug, Clone)]
pub(crate) struct HashingOptions {
    /// The cost of every new hash.
    pub(crate) parameters: HashParameters,
    /// The most memory a stored hash may ask for, and so the memory of each thread.
    pub(crate) maximum_memory_kib: u32,
    /// `None`: one for each core.
    pub(crate) threads: Option<usize>,
    /// How long a job may wait.
    pub(crate) deadline: Duration,
    /// How many verified claims are remembered, and for how long.
    pub(crate) maximum_verified: usize,
    pub(crate) verified_lifetime: Duration,
}

/// Why there is no hash.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum HashingError {
    /// It could not be done in time; trying again after the wait is sensible.
    #[error("more hashing is waiting than can be done in time")]
    Overloaded { retry_after: Duration },
    /// The engine finishes what it accepted and takes no more.
    #[error("the hashing engine is shutting down")]
    ShuttingDown,
    /// The cost is none that argon2 has.
    #[error("argon2 has no such cost")]
    ImpossibleCost,
    #[error(transparent)]
    Random(#[from] super::random::RandomError),
    /// The operating system gave no thread.
    #[error("a hashing thread could not be started")]
    NoThread(#[source] Arc<std::io::Error>),
}

/// The engine; it lives as long as the service.
pub(crate) struct HashingEngine {
    pool: Arc<Pool>,
    parameters: HashParameters,
    maximum_memory_kib: u32,
    deadline: Duration,
    decoy: PhcHash,
    capacity: Capacity,
    admissions: Admissions,
    verification_key: VerificationKey,
    verified: VerificationCache,
    /// What was wrong.
    refused: VerificationCache,
    /// Who logged in lately, by name and address.
    returning: VerificationCache,
    single_flight: SingleFlight,
    refusal_cost: RefusalCost,
    metrics: EngineMetrics,
}

type Answer = oneshot::Receiver<Result<Computed, HashingError>>;

impl HashingEngine {
    /// Starts the threads, allocates their memory and measures their rate.
    ///
    /// # Errors
    /// When the parameters are not argon2's, or the system gives no threads or randomness.
    pub(crate) fn start(options: &HashingOptions) -> Result<Self, HashingError> {
        let memory_kib = options.maximum_memory_kib.max(options.parameters.memory_kib);
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(cores).max(1);
        let salt = random_bytes::<{ phc::SALT_LENGTH }>()?;
        let metrics = EngineMetrics::default();
        let kernel = Kernel::choose();
        let (pool, hash_time) =
            Pool::start(kernel, (threads, memory_kib), options.parameters, metrics.clone())?;
        let hashes_per_second = count(threads) / hash_time.as_secs_f64().max(f64::EPSILON);
        let queue_length = queue_length(hashes_per_second, options.deadline);
        pool.set_capacity(queue_length, hashes_per_second);
        let verification_cache =
            || VerificationCache::new(options.maximum_verified, options.verified_lifetime);
        Ok(Self {
            pool,
            parameters: options.parameters,
            maximum_memory_kib: memory_kib,
            deadline: options.deadline,
            decoy: PhcHash::new(options.parameters, salt.to_vec(), random_bytes()?),
            capacity: Capacity {
                kernel: kernel.as_str(),
                threads,
                hashes_per_second,
                queue_length,
                memory_kib: u64::from(memory_kib) * u64::try_from(threads).unwrap_or(u64::MAX),
            },
            admissions: Admissions::new(queue_length),
            verification_key: VerificationKey::generate()?,
            verified: verification_cache(),
            refused: verification_cache(),
            returning: verification_cache(),
            single_flight: SingleFlight::default(),
            refusal_cost: RefusalCost::default(),
            metrics,
        })
    }

    /// What was measured at start.
    pub(crate) fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Hashes a value at today's cost with a fresh salt.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`] or [`HashingError::ShuttingDown`].
    pub(crate) async fn hash(
        &self,
        caller: FairnessKey,
        value: &CredentialValue,
    ) -> Result<PhcHash, HashingError> {
        let salt = random_bytes::<{ phc::SALT_LENGTH }>()?.to_vec();
        let task = Task::Tag { salt: salt.clone(), parameters: self.parameters };
        let tag = tag_of(self.compute(caller, value.secret(), task).await?.done)?;
        Ok(PhcHash::new(self.parameters, salt, *tag))
    }

    /// Lets a request in that will be hashed for, until the admission is dropped, or refuses it
    /// before anything else is done for it in vain.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`].
    pub(crate) fn admit(&self, caller: FairnessKey) -> Result<Admission, HashingError> {
        self.admissions.admit(caller).ok_or_else(|| self.pool.refuse())
    }

    /// Lets a login in. Whoever logged in lately from there needs no admission: most of them cost
    /// no hash. Nothing here depends on the secret, so nothing shows whether it was ever right.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn admit_login(
        &self,
        caller: FairnessKey,
        canonical_name: &str,
    ) -> Result<Option<Admission>, HashingError> {
        let visitor = self.verification_key.visitor(caller, canonical_name);
        if self.returning.contains(visitor, Instant::now()) {
            return Ok(None);
        }
        self.admit(caller).map(Some)
    }

    /// Hashes a value at today's cost when there is nothing else to hash; `None` when that is not
    /// soon. Nobody should wait for it.
    ///
    /// # Errors
    /// When there is no randomness for a salt, or the cost is impossible.
    pub(crate) async fn hash_when_idle(
        &self,
        value: &CredentialValue,
    ) -> Result<Option<PhcHash>, HashingError> {
        let salt = random_bytes::<{ phc::SALT_LENGTH }>()?.to_vec();
        let task = Task::Tag { salt: salt.clone(), parameters: self.parameters };
        let (job, answer) = self.job(value.secret(), task);
        self.pool.submit_idle(job);
        match answer.await {
            Ok(Ok(computed)) => {
                self.metrics.idle.inc();
                Ok(Some(PhcHash::new(self.parameters, salt, *tag_of(computed.done)?)))
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// True when a hash costs less than one made today, or was made elsewhere.
    pub(crate) fn is_below_target(&self, hash: &StoredHash) -> bool {
        match hash {
            StoredHash::Own(own) => self.is_cheaper_than_new(own.parameters()),
            StoredHash::Foreign(_) => true,
        }
    }

    /// True for a cost below that of a hash made today.
    pub(crate) fn is_cheaper_than_new(&self, cost: HashParameters) -> bool {
        cost.blocks() < self.parameters.blocks()
    }

    /// Reads a hash that another system made.
    ///
    /// # Errors
    /// When it is none that can be verified, or costs too little or too much; it is not tried.
    pub(crate) fn accept(&self, text: &SecretString) -> Result<StoredHash, Reason> {
        let hash = StoredHash::parse(text)?;
        hash.check_cost(self.maximum_memory_kib)?;
        Ok(hash)
    }

    /// True when `value` is what `stored` was made from.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn verify_hash(
        &self,
        caller: FairnessKey,
        value: &CredentialValue,
        stored: Option<&StoredHash>,
    ) -> Result<bool, HashingError> {
        Ok(self.verification(caller, value, stored).await?.is_right)
    }

    /// One job. A value whose NFD is another text is tried in both forms: other systems hashed what was
    /// typed, and some keyboards type decomposed.
    ///
    /// `None` stands for a row that does not exist: the same work is done, and the answer is no.
    /// So it is for a hash that asks for more memory than is allowed, which is not tried.
    fn verification(
        &self,
        caller: FairnessKey,
        value: &CredentialValue,
        stored: Option<&StoredHash>,
    ) -> Verification {
        let is_allowed =
            |hash: &&StoredHash| hash.parameters().memory_kib <= self.maximum_memory_kib;
        let allowed = stored.filter(is_allowed);
        if stored.is_some() && allowed.is_none() {
            tracing::error!("a stored hash asks for more than hashing.maximum_memory_kib");
        }
        let is_real = allowed.is_some();
        let hash = allowed.cloned().unwrap_or_else(|| StoredHash::Own(self.decoy.clone()));
        let other_form = value.decomposed().map(|other| bytes_of(other.secret()));
        let computed = self.compute(caller, value.secret(), Task::Match { hash, other_form });
        async move {
            let Computed { done, began } = computed.await?;
            Ok(Verified { is_right: is_real && matches!(done, Done::Match(true)), began })
        }
        .boxed()
    }

    /// Finds something out about a secret that takes about as long as a hash, in the order of the
    /// hashes and on their threads.
    ///
    /// # Errors
    /// As [`Self::hash`].
    pub(crate) async fn check(
        &self,
        caller: FairnessKey,
        value: &CredentialValue,
        check: impl FnOnce(&[u8]) -> bool + Send + 'static,
    ) -> Result<bool, HashingError> {
        let task = Task::Check(Box::new(check));
        let computed = self.compute(caller, value.secret(), task).await?;
        Ok(matches!(computed.done, Done::Check(true)))
    }

    /// How many hashes were computed since the start.
    pub(crate) fn hashed(&self) -> u64 {
        self.pool.hashed()
    }

    /// Takes no more jobs; those accepted are finished.
    pub(crate) fn close(&self) {
        self.pool.close();
    }

    /// Lists what operators watch.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        let Capacity { threads, hashes_per_second, queue_length, .. } = self.capacity;
        for (name, help, number) in [
            ("threads", "Hashing threads", count(threads)),
            ("rate", "Hashes per second, measured at start", hashes_per_second),
            ("queue_length", "Jobs that may wait", count(queue_length)),
            ("cached", "Verified claims that are remembered", count(self.verified.len())),
        ] {
            registry.register(name, help, ConstGauge::new(number));
        }
        self.metrics.register(registry);
    }

    /// A job of now, and where it comes out.
    fn job(&self, secret: &SecretString, task: Task) -> (Job, Answer) {
        let (reply, answer) = oneshot::channel();
        let queued = Instant::now();
        let secret = bytes_of(secret);
        (Job { secret, task, queued, deadline: queued + self.deadline, reply }, answer)
    }

    /// Queued when it is first polled.
    fn compute(
        &self,
        caller: FairnessKey,
        secret: &SecretString,
        task: Task,
    ) -> impl Future<Output = Result<Computed, HashingError>> + Send + use<> {
        let (job, answer) = self.job(secret, task);
        let pool = Arc::clone(&self.pool);
        async move {
            pool.submit(caller, job)?;
            // The sender is dropped unanswered only when its thread ends.
            answer.await.unwrap_or(Err(HashingError::ShuttingDown))
        }
    }
}

fn bytes_of(secret: &SecretString) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(secret.expose_secret().as_bytes().to_vec())
}

/// The hash that was asked for; a task for one gives nothing else.
fn tag_of(done: Done) -> Result<Tag, HashingError> {
    match done {
        Done::Tag(tag) => Ok(tag),
        Done::Match(_) | Done::Check(_) => Err(HashingError::ImpossibleCost),
    }
}

impl Drop for HashingEngine {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
