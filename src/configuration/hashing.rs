//! Settings of password hashing: section `hashing`.

use std::time::Duration;

use super::{problem::Problem, reader::Reader};
use crate::domain::stored_credential::HashParameters;

/// The most memory of one hash, in KiB: 4 GiB. A mistake in the unit would ask for more than any
/// machine has, which ends the process.
const MAXIMUM_MEMORY_KIB: u32 = 4 * 1024 * 1024;

/// The upper bound of `hashing.threads`, as of `calibrate --threads`.
const MAXIMUM_THREADS: usize = 1024;

/// The upper bound of `hashing.maximum_verified`. That many entries take about 100 MB.
const MAXIMUM_VERIFIED: usize = 1_000_000;

/// The maximum memory that one hash may fill, in KiB over all iterations. This takes about 15
/// seconds.
const MAXIMUM_BLOCKS: u64 = 16 * 1024 * 1024;

/// The equivalent argon2id parameters of OWASP's Password Storage Cheat Sheet, as (KiB,
/// iterations).
const OWASP_PARAMETERS: [(u32, u32); 5] =
    [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// True if an argon2id hash meets at least one of OWASP's equivalents.
pub(crate) fn is_strong_hash(cost: HashParameters) -> bool {
    OWASP_PARAMETERS.into_iter().any(|(memory_kib, iterations)| {
        cost.memory_kib >= memory_kib && cost.iterations >= iterations
    })
}

/// Section `hashing`.
#[derive(Debug, Clone)]
pub(crate) struct HashingSettings {
    pub(crate) memory_kib: u32,
    pub(crate) iterations: u32,
    pub(crate) parallelism: u32,
    /// Zero: the memory of a new hash.
    pub(crate) maximum_memory_kib: u32,
    /// Zero: one for each core.
    pub(crate) threads: usize,
    pub(crate) deadline: Duration,
    /// The maximum number of verified secrets in the cache. Zero: no cache.
    pub(crate) maximum_verified: usize,
    pub(crate) verified_lifetime: Duration,
}

impl HashingSettings {
    pub(super) fn take(reader: &mut Reader) -> Self {
        Self {
            memory_kib: reader.get("hashing.memory_kib"),
            iterations: reader.get("hashing.iterations"),
            parallelism: reader.get("hashing.parallelism"),
            maximum_memory_kib: reader.get("hashing.maximum_memory_kib"),
            threads: reader.get("hashing.threads"),
            deadline: reader.seconds("hashing.deadline_seconds"),
            maximum_verified: reader.get("hashing.maximum_verified"),
            verified_lifetime: reader.seconds("hashing.verified_lifetime_seconds"),
        }
    }

    /// The cost of every new hash.
    pub(super) fn parameters(&self) -> HashParameters {
        HashParameters {
            memory_kib: self.memory_kib,
            iterations: self.iterations,
            parallelism: self.parallelism,
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut reject = |setting: &str, reason: &str| problems.push(Problem::new(setting, reason));
        let HashParameters { memory_kib, iterations, parallelism } = self.parameters();
        let is_valid = iterations >= 1
            && (1..=255).contains(&parallelism)
            && memory_kib >= 8 * parallelism
            && memory_kib <= MAXIMUM_MEMORY_KIB
            && u64::from(memory_kib) * u64::from(iterations) <= MAXIMUM_BLOCKS;
        if !is_valid {
            reject(
                "hashing",
                "argon2id requires iterations from 1, parallelism from 1 to 255, memory_kib from 8 \
                 * parallelism to 4194304, and memory_kib * iterations up to 16777216",
            );
        }
        if self.maximum_memory_kib > MAXIMUM_MEMORY_KIB {
            reject("hashing.maximum_memory_kib", "must be at most 4194304 (4 GiB)");
        }
        if self.threads > MAXIMUM_THREADS {
            reject("hashing.threads", "must be at most 1024");
        }
        if self.maximum_verified > MAXIMUM_VERIFIED {
            reject("hashing.maximum_verified", "must be at most 1000000");
        }
        problems
    }
}
