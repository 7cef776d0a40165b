//! Limits on the cost of imported hashes.

use std::ops::RangeInclusive;

use super::{
    super::hash_parameters::{HashParameters, HashScheme},
    hash_function::{Family, HashFunction},
    rejection::HashRejection,
};

/// The limits of a family, with the texts that name family and limit. The texts are in the notation
/// of the family, so they are the same in every language.
struct Limits {
    work: RangeInclusive<u64>,
    minimum: &'static str,
    maximum: &'static str,
}

/// A lower cost does not slow down a dictionary attack on a stolen hash. With a higher cost, one
/// login would keep a thread busy for seconds.
const BCRYPT: Limits = Limits { work: 8..=15, minimum: "bcrypt cost=8", maximum: "bcrypt cost=15" };

/// Blocks of 1 KiB in all passes.
const ARGON2: Limits = Limits {
    work: 4_096..=4 * 1024 * 1024,
    minimum: "argon2 m·t=4096",
    maximum: "argon2 m·t=4194304",
};

/// Argon2id over a function has the parameters of an installation of this service. An import also
/// needs [`check_outer`].
const WRAPPED: Limits = Limits { work: 8..=4 * 1024 * 1024, ..ARGON2 };

/// KiB in all lanes. A block takes three times as long as with argon2.
const SCRYPT: Limits = Limits {
    work: 4_096..=1024 * 1024,
    minimum: "scrypt 128·N·r·p=4194304",
    maximum: "scrypt 128·N·r·p=1073741824",
};

/// Rounds. With few rounds, a hash is wrapped.
const PBKDF2: Limits = Limits {
    work: 1_000..=2_000_000,
    minimum: "PBKDF2 rounds=1000",
    maximum: "PBKDF2 rounds=2000000",
};

/// Rounds, each of which takes longer with a long secret. With few rounds, a hash is wrapped.
const SHA_CRYPT: Limits = Limits {
    work: 1_000..=1_000_000,
    minimum: "SHA-crypt rounds=1000",
    maximum: "SHA-crypt rounds=1000000",
};

/// Rounds. The hash is always wrapped.
const PHPASS: Limits =
    Limits { work: 1 << 7..=1 << 15, minimum: "phpass rounds=2^7", maximum: "phpass rounds=2^15" };

/// Rejects a stored hash that costs too little or too much. The hash is not computed.
pub(crate) fn check_cost(
    scheme: HashScheme,
    cost: HashParameters,
    maximum_memory_kib: u32,
) -> Result<(), HashRejection> {
    let (work, limits) = match scheme {
        HashScheme::Bcrypt | HashScheme::BcryptSha256 => (u64::from(cost.iterations), &BCRYPT),
        HashScheme::Pbkdf2Sha1 | HashScheme::Pbkdf2Sha256 | HashScheme::Pbkdf2Sha512 => {
            (u64::from(cost.iterations), &PBKDF2)
        }
        HashScheme::Sha256Crypt | HashScheme::Sha512Crypt => {
            (u64::from(cost.iterations), &SHA_CRYPT)
        }
        HashScheme::Argon2id | HashScheme::Argon2i | HashScheme::Argon2d => {
            (cost.blocks(), &ARGON2)
        }
        HashScheme::Scrypt | HashScheme::FirebaseScrypt => (cost.blocks(), &SCRYPT),
        HashScheme::OverDigest
        | HashScheme::OverMd5Crypt
        | HashScheme::OverShaCrypt
        | HashScheme::OverPhpass
        | HashScheme::OverPbkdf2 => (cost.blocks(), &WRAPPED),
    };
    if cost.memory_kib > maximum_memory_kib {
        return Err(HashRejection::TooMuchMemory(memory_family(scheme)));
    }
    limits.check(work)
}

/// Rejects a function that is to be wrapped and costs too little or too much.
pub(super) fn check_function(function: &HashFunction) -> Result<(), HashRejection> {
    let rounds = u64::from(function.rounds());
    match function.family() {
        // Their cost is fixed.
        Family::Digest | Family::Md5Crypt => Ok(()),
        Family::ShaCrypt => SHA_CRYPT.check(rounds),
        Family::Phpass => PHPASS.check(rounds),
        Family::Pbkdf2 => PBKDF2.check(rounds),
    }
}

/// Rejects argon2id over a function when it costs less than the minimum of argon2, or than a new
/// hash where that is even cheaper: an archive returns to the installation that wrote it.
pub(super) fn check_outer(outer: HashParameters, new: HashParameters) -> Result<(), HashRejection> {
    if outer.blocks() < new.blocks() { ARGON2.check(outer.blocks()) } else { Ok(()) }
}

/// The family of a hash that needs memory.
fn memory_family(scheme: HashScheme) -> &'static str {
    let needs_scrypt = matches!(scheme, HashScheme::Scrypt | HashScheme::FirebaseScrypt);
    if needs_scrypt { "scrypt" } else { "argon2" }
}

impl Limits {
    fn check(&self, work: u64) -> Result<(), HashRejection> {
        if work < *self.work.start() {
            Err(HashRejection::TooCheap(self.minimum))
        } else if work > *self.work.end() {
            Err(HashRejection::TooExpensive(self.maximum))
        } else {
            Ok(())
        }
    }
}
