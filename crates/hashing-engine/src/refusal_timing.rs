//! Delays refusals to the time of the most expensive kind of stored hash.
//!
//! A job is padded to the cost of a new hash, but a stored hash may cost more. Without a delay, the
//! time of a refusal would reveal which kind of hash an account has, or that it exists.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::Block;

use super::{
    error::HashingError,
    formats::{cost_limits::check_cost, foreign_hash::ForeignHash},
    hash_parameters::{HashParameters, HashScheme},
    hasher::Hasher,
    kernel,
    secret_forms::SecretForms,
};

/// A refusal takes this multiple of the most expensive kind, so that even a slow hash ends well
/// before the delay and every refusal ends with the same timer.
const MARGIN: f64 = 2.0;

/// The minimum time of a refusal, as a multiple of the time of a new hash: it follows the load.
#[derive(Debug, Default)]
pub(crate) struct RefusalTiming {
    /// The bits of an `f64`.
    multiple: AtomicU64,
}

impl RefusalTiming {
    /// Measures the kinds that may cost more than a new hash. When none does, refusals are not
    /// delayed, because cheaper hashes are padded.
    ///
    /// # Errors
    /// When argon2 does not support the parameters of new hashes.
    pub(crate) fn measure(
        &self,
        kinds: &[(HashScheme, HashParameters)],
        hasher: &Hasher,
        maximum_memory_kib: u32,
    ) -> Result<(), HashingError> {
        let target = hasher.target();
        // Other schemes have no blocks, so their cost must be measured.
        let may_cost_more = |(scheme, cost): &&(HashScheme, HashParameters)| {
            *scheme != HashScheme::Argon2id || cost.blocks() > target.blocks()
        };
        // The columns are not sealed, so an attacker with write access to the database can choose
        // them. Parameters outside the limits of imported hashes are not measured.
        let is_within_limits = |(scheme, cost): &&(HashScheme, HashParameters)| {
            check_cost(*scheme, *cost, maximum_memory_kib).is_ok()
        };
        let expensive: Vec<_> =
            kinds.iter().filter(may_cost_more).filter(is_within_limits).copied().collect();
        let expensive = most_expensive_by_scheme(&expensive);
        if expensive.is_empty() {
            self.set_multiple(0.0);
            return Ok(());
        }
        let mut memory = kernel::allocate(maximum_memory_kib);
        // The first measurement includes the page faults of fresh memory.
        let new = hasher.measure(&mut memory)?.min(hasher.measure(&mut memory)?);
        let longest =
            expensive.into_iter().map(|(scheme, cost)| time(scheme, cost, &mut memory)).max();
        let multiple = MARGIN * longest.unwrap_or_default().div_duration_f64(new);
        self.set_multiple(if multiple > 1.0 { multiple } else { 0.0 });
        Ok(())
    }

    /// The minimum time from the start of a hash to the refusal. A secret with two forms is hashed
    /// twice, against a hash and against a decoy, so its refusal takes twice as long.
    pub(crate) fn minimum_time(&self, target_time: Duration, secret: SecretForms<'_>) -> Duration {
        let multiple = f64::from_bits(self.multiple.load(Ordering::Relaxed));
        target_time.mul_f64(f64::from(secret.count()) * multiple)
    }

    fn set_multiple(&self, multiple: f64) {
        self.multiple.store(multiple.to_bits(), Ordering::Relaxed);
    }
}

/// One kind of each scheme, so that the number of measurements is bounded.
fn most_expensive_by_scheme(
    kinds: &[(HashScheme, HashParameters)],
) -> Vec<(HashScheme, HashParameters)> {
    let most_expensive = |scheme| {
        let candidates = kinds.iter().filter(|kind| kind.0 == scheme);
        candidates.max_by_key(|kind| (kind.1.blocks(), kind.1.iterations)).copied()
    };
    HashScheme::ALL.into_iter().filter_map(most_expensive).collect()
}

/// The shorter time of two verifications.
fn time(scheme: HashScheme, cost: HashParameters, memory: &mut [Block]) -> Duration {
    let hash = ForeignHash::sample(scheme, cost);
    let mut measure = || {
        let start = Instant::now();
        hash.matches(b"measured", memory);
        start.elapsed()
    };
    measure().min(measure())
}
