//! Options of the engine.

use std::time::Duration;

use super::hash_parameters::HashParameters;

/// Options of a [`HashingEngine`](crate::HashingEngine).
#[derive(Debug, Clone)]
pub struct HashingOptions {
    /// The cost of new hashes.
    pub parameters: HashParameters,
    /// The most memory that a stored hash may need, in KiB. Each thread allocates this much, or the
    /// memory of a new hash if that is more.
    pub maximum_memory_kib: u32,
    /// Number of hashing threads. `None`: one for each core.
    pub threads: Option<usize>,
    /// How long a job may wait in the queue.
    pub deadline: Duration,
    /// How long a refusal may be delayed, from the start of its hash. A longer delay would be worse
    /// than what it hides: nobody would get an answer.
    pub longest_delay: Duration,
    /// Capacity of each verification cache. Zero disables caching.
    pub maximum_verified: usize,
    /// How long a cached verification is valid.
    pub verified_lifetime: Duration,
}
