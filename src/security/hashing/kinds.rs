//! What kinds of stored hashes take, so that refusals can take as long as the dearest of them.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Version};
use secrecy::SecretString;

use super::{
    HashingEngine,
    foreign::{ForeignHash, Parts},
    kernel,
};
use crate::domain::stored_credential::{HashParameters, HashScheme};

/// A refusal takes that much longer than the dearest kind did when it was measured: so much that
/// whoever waits for the rest of it waits long, and wakes up as late as everybody else.
const MARGIN: f64 = 2.0;

impl HashingEngine {
    /// What a refused login has to take at least: nothing more where no kind costs more than a new
    /// hash does, for what costs less is made to cost as much. Takes a moment for each kind.
    pub(crate) fn refusal_time(&self, kinds: &[(HashScheme, HashParameters)]) -> Duration {
        let is_dearer = |(scheme, cost): &&(HashScheme, HashParameters)| {
            // What is not argon2 has no blocks; only its time tells.
            *scheme != HashScheme::Argon2id || cost.blocks() > self.parameters.blocks()
        };
        let memory_kib = self.maximum_memory_kib;
        let allowed = |(_, cost): &&(HashScheme, HashParameters)| cost.memory_kib <= memory_kib;
        let dearer: Vec<_> = kinds.iter().filter(is_dearer).filter(allowed).copied().collect();
        if dearer.is_empty() {
            return Duration::ZERO;
        }
        let mut memory = kernel::allocate(memory_kib);
        let mut measured = |kind| {
            let hash = like(kind);
            let mut once = || {
                let start = Instant::now();
                hash.matches(b"measured", &mut memory);
                start.elapsed()
            };
            // The first one touches the memory.
            once().min(once())
        };
        let dearest = dearer.into_iter().map(&mut measured).max().unwrap_or_default();
        let target = Duration::from_secs_f64(self.hash_seconds());
        let time = dearest.mul_f64(MARGIN);
        if time > target { time } else { Duration::ZERO }
    }

    /// How long a new hash takes, measured at start.
    fn hash_seconds(&self) -> f64 {
        super::count(self.capacity.threads) / self.capacity.hashes_per_second.max(f64::EPSILON)
    }
}

/// A hash that costs what those of that kind do, and that no secret made.
fn like((scheme, cost): (HashScheme, HashParameters)) -> ForeignHash {
    let algorithm = match scheme {
        HashScheme::Argon2i => Some(Algorithm::Argon2i),
        HashScheme::Argon2d => Some(Algorithm::Argon2d),
        HashScheme::Argon2id => Some(Algorithm::Argon2id),
        HashScheme::Bcrypt
        | HashScheme::Pbkdf2Sha1
        | HashScheme::Pbkdf2Sha256
        | HashScheme::Pbkdf2Sha512 => None,
    };
    let (salt, output) = (vec![0; 16], vec![0; 20]);
    let parts = match algorithm {
        Some(algorithm) => Parts::Argon2 { algorithm, version: Version::V0x13, salt, output },
        None if scheme == HashScheme::Bcrypt => Parts::Bcrypt,
        None => Parts::Pbkdf2 { salt, output },
    };
    let text = SecretString::from(format!("$2b${:02}${}", cost.iterations, ".".repeat(53)));
    ForeignHash { scheme, cost, text, parts }
}
