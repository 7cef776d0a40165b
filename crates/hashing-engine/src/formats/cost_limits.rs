//! Limits on the cost of imported hashes.

use std::ops::RangeInclusive;

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    rejection::HashRejection,
};

/// A lower cost does not slow down a dictionary attack on a stolen hash. With a higher cost, one
/// login would keep a thread busy for seconds.
const BCRYPT_COST: RangeInclusive<u64> = 8..=15;
const PBKDF2_ROUNDS: RangeInclusive<u64> = 10_000..=2_000_000;
const ARGON2_BLOCKS: RangeInclusive<u64> = 4_096..=4 * 1024 * 1024;

/// Rejects a hash that costs too little or too much. The hash is not computed.
pub(crate) fn check_cost(
    scheme: HashScheme,
    cost: HashParameters,
    maximum_memory_kib: u32,
) -> Result<(), HashRejection> {
    let iterations = u64::from(cost.iterations);
    match scheme {
        HashScheme::Bcrypt => require_within(iterations, &BCRYPT_COST),
        HashScheme::Pbkdf2Sha1 | HashScheme::Pbkdf2Sha256 | HashScheme::Pbkdf2Sha512 => {
            require_within(iterations, &PBKDF2_ROUNDS)
        }
        HashScheme::Argon2id | HashScheme::Argon2i | HashScheme::Argon2d => {
            if cost.memory_kib > maximum_memory_kib {
                return Err(HashRejection::TooMuchMemory);
            }
            require_within(cost.blocks(), &ARGON2_BLOCKS)
        }
    }
}

fn require_within(cost: u64, range: &RangeInclusive<u64>) -> Result<(), HashRejection> {
    if cost < *range.start() {
        Err(HashRejection::TooCheap)
    } else if cost > *range.end() {
        Err(HashRejection::TooExpensive)
    } else {
        Ok(())
    }
}
