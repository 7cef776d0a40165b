//! What kinds of stored hashes take, so that refusals can take as long as the dearest of them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::{Algorithm, Block, Params, Version};
use secrecy::SecretString;

use super::{
    HashingEngine, HashingError,
    foreign::{Argon2Hash, ForeignHash, HashComponents, Pbkdf2Hash},
    kernel,
};
use crate::domain::{
    credential::CredentialValue,
    stored_credential::{HashParameters, HashScheme},
};

/// A refusal takes that much longer than the dearest kind: so much that whoever waits for the rest
/// of it waits long, and wakes up as late as everybody else.
const MARGIN: f64 = 2.0;

/// What refusals take at least, as a multiple of what a new hash takes: so it follows the load.
#[derive(Debug, Default)]
pub(super) struct RefusalCost(AtomicU64);

impl RefusalCost {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, multiple: f64) {
        self.0.store(multiple.to_bits(), Ordering::Relaxed);
    }
}

impl HashingEngine {
    /// Measures what these kinds take beside a new hash: a moment for each that may cost more. Where
    /// none does nobody waits, for what costs less is made to cost as much.
    ///
    /// # Errors
    /// When the cost of new hashes is none that argon2 has.
    pub(crate) fn measure_refusals(
        &self,
        kinds: &[(HashScheme, HashParameters)],
    ) -> Result<(), HashingError> {
        let is_dearer = |(scheme, cost): &&(HashScheme, HashParameters)| {
            // What is not argon2 has no blocks; only its time tells.
            *scheme != HashScheme::Argon2id || cost.blocks() > self.parameters.blocks()
        };
        // The columns are in the clear, so anybody who writes to the database may have chosen them:
        // what would not be taken as a new hash is not measured either.
        let is_bounded = |kind: &&(HashScheme, HashParameters)| {
            like(**kind).check_cost(self.maximum_memory_kib).is_ok()
        };
        let dearer: Vec<_> = kinds.iter().filter(is_dearer).filter(is_bounded).copied().collect();
        let dearer = dearest_of_each_scheme(&dearer);
        if dearer.is_empty() {
            self.refusal_cost.set(0.0);
            return Ok(());
        }
        let mut memory = kernel::allocate(self.maximum_memory_kib);
        // The first one touches the memory.
        let new = self.pool.measure(&mut memory)?.min(self.pool.measure(&mut memory)?);
        let dearest = dearer.into_iter().map(|kind| time_of(kind, &mut memory)).max();
        let multiple = MARGIN * dearest.unwrap_or_default().div_duration_f64(new);
        self.refusal_cost.set(if multiple > 1.0 { multiple } else { 0.0 });
        Ok(())
    }

    /// Waits until a refusal of this value may be told whose hash began then. The queue before it is
    /// everybody's. A value of two forms was tried twice, and so its refusal takes twice as long,
    /// with a hash as with a decoy.
    pub(crate) async fn wait_as_refused(&self, value: &CredentialValue, began: Instant) {
        let tries = if value.decomposed().is_some() { 2.0 } else { 1.0 };
        let time = self.pool.target_time().mul_f64(tries * self.refusal_cost.get());
        // The timer would round even nothing up to a millisecond.
        if !time.is_zero() {
            tokio::time::sleep_until((began + time).into()).await;
        }
    }
}

/// One for each scheme: however many costs there are, few are measured.
fn dearest_of_each_scheme(
    kinds: &[(HashScheme, HashParameters)],
) -> Vec<(HashScheme, HashParameters)> {
    let dearest = |scheme| {
        let of_scheme = kinds.iter().filter(|(of, _)| *of == scheme);
        of_scheme.max_by_key(|(_, cost)| (cost.blocks(), cost.iterations)).copied()
    };
    HashScheme::ALL.into_iter().filter_map(dearest).collect()
}

fn time_of(kind: (HashScheme, HashParameters), memory: &mut [Block]) -> Duration {
    let hash = like(kind);
    let mut once = || {
        let start = Instant::now();
        hash.matches(b"measured", memory);
        start.elapsed()
    };
    once().min(once())
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
    let HashParameters { memory_kib, iterations, parallelism } = cost;
    // What is stored was made with parameters that argon2 has.
    let params = Params::new(memory_kib, iterations, parallelism, Some(output.len()));
    let params = params.unwrap_or_default();
    let parts = match algorithm {
        Some(algorithm) => {
            let version = Version::V0x13;
            HashComponents::Argon2(Argon2Hash { algorithm, version, params, salt, output })
        }
        None if scheme == HashScheme::Bcrypt => HashComponents::Bcrypt,
        None => HashComponents::Pbkdf2(Pbkdf2Hash { scheme, rounds: iterations, salt, output }),
    };
    let text = SecretString::from(format!("$2b${iterations:02}${}", ".".repeat(53)));
    ForeignHash { scheme, cost, text, parts }
}
