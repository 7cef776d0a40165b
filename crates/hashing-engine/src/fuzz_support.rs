//! The checks behind an import, for fuzz targets.

use super::{
    formats::{
        rejection::HashRejection,
        stored_hash::{AcceptedHash, StoredHash},
        wrapped_hash::{WeakHash, WrappedHash},
    },
    hash_parameters::{HashParameters, HashScheme},
    kernel,
};
use secrecy::SecretString;

/// The largest memory of a hash that [`matches`] computes, in KiB.
const MAXIMUM_MEMORY_KIB: u32 = 64;

/// The largest work of a hash that [`matches`] computes: blocks of argon2 and scrypt, rounds of
/// PBKDF2 and of the functions of crypt(3), or the cost of bcrypt.
const MAXIMUM_WORK: (u64, u32, u32) = (256, 1_000, 4);

/// Parses a hash of another system.
///
/// # Errors
/// When the hash cannot be verified.
pub fn parse(text: &SecretString) -> Result<AcceptedHash, HashRejection> {
    AcceptedHash::parse(text)
}

/// Rejects a hash that costs too little or too much.
///
/// # Errors
/// The limit that the hash exceeds.
pub fn check_cost(hash: &AcceptedHash, maximum_memory_kib: u32) -> Result<(), HashRejection> {
    let new = HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };
    hash.check_cost(maximum_memory_kib, new)
}

/// A weak hash as it is stored, over an output of argon2id that no secret matches.
#[must_use]
pub fn wrap(weak: WeakHash) -> StoredHash {
    let parameters = HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    let outer = super::formats::phc::PhcHash::new(parameters, vec![7; 16], [7; 32]);
    let wrapped: WrappedHash = weak.wrapped_in(outer);
    StoredHash::Wrapped(std::sync::Arc::new(wrapped))
}

/// True when the hash was computed from this secret; `None` when the hash is too expensive to
/// compute it thousands of times each second.
#[must_use]
pub fn matches(hash: &AcceptedHash, secret: &[u8]) -> Option<bool> {
    let (blocks, rounds, cost) = MAXIMUM_WORK;
    let foreign = match hash {
        AcceptedHash::Stored(StoredHash::Foreign(foreign)) => foreign,
        AcceptedHash::Weak(weak) => {
            let output =
                (weak.function().rounds() <= rounds).then(|| weak.function().compute(secret));
            return output.map(|output| output.is_some_and(|output| *output == weak.output()));
        }
        AcceptedHash::Stored(StoredHash::Own(_) | StoredHash::Wrapped(_)) => return None,
    };
    let parameters = foreign.parameters();
    let is_cheap = match foreign.scheme() {
        HashScheme::Argon2id
        | HashScheme::Argon2i
        | HashScheme::Argon2d
        | HashScheme::Scrypt
        | HashScheme::FirebaseScrypt => {
            parameters.memory_kib <= MAXIMUM_MEMORY_KIB && parameters.blocks() <= blocks
        }
        HashScheme::Bcrypt | HashScheme::BcryptSha256 => parameters.iterations <= cost,
        HashScheme::Pbkdf2Sha1
        | HashScheme::Pbkdf2Sha256
        | HashScheme::Pbkdf2Sha512
        | HashScheme::Sha256Crypt
        | HashScheme::Sha512Crypt => parameters.iterations <= rounds,
        HashScheme::OverDigest
        | HashScheme::OverMd5Crypt
        | HashScheme::OverShaCrypt
        | HashScheme::OverPhpass
        | HashScheme::OverPbkdf2 => false,
    };
    let mut memory = kernel::allocate(parameters.memory_kib.min(MAXIMUM_MEMORY_KIB));
    is_cheap.then(|| foreign.matches(secret, &mut memory))
}
