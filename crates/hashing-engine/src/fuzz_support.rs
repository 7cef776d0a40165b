//! The checks behind an import, for fuzz targets.

use super::{
    formats::{rejection::HashRejection, stored_hash::StoredHash},
    hash_parameters::HashScheme,
    kernel,
};

/// The largest memory of a hash that [`matches`] computes, in KiB.
const MAXIMUM_MEMORY_KIB: u32 = 64;

/// The largest work of a hash that [`matches`] computes: blocks of argon2, rounds of PBKDF2, or the
/// cost of bcrypt.
const MAXIMUM_WORK: (u64, u32, u32) = (256, 64, 4);

/// Rejects a hash that costs too little or too much.
///
/// # Errors
/// The limit that the hash exceeds.
pub fn check_cost(hash: &StoredHash, maximum_memory_kib: u32) -> Result<(), HashRejection> {
    hash.check_cost(maximum_memory_kib)
}

/// True when the hash was computed from this secret; `None` when the hash is too expensive to
/// compute it thousands of times each second.
#[must_use]
pub fn matches(hash: &StoredHash, secret: &[u8]) -> Option<bool> {
    let StoredHash::Foreign(foreign) = hash else { return None };
    let (blocks, rounds, cost) = MAXIMUM_WORK;
    let parameters = foreign.parameters();
    let is_cheap = match foreign.scheme() {
        HashScheme::Argon2id | HashScheme::Argon2i | HashScheme::Argon2d => {
            parameters.memory_kib <= MAXIMUM_MEMORY_KIB && parameters.blocks() <= blocks
        }
        HashScheme::Bcrypt => parameters.iterations <= cost,
        HashScheme::Pbkdf2Sha1 | HashScheme::Pbkdf2Sha256 | HashScheme::Pbkdf2Sha512 => {
            parameters.iterations <= rounds
        }
    };
    let mut memory = kernel::allocate(parameters.memory_kib.min(MAXIMUM_MEMORY_KIB));
    is_cheap.then(|| foreign.matches(secret, &mut memory))
}
