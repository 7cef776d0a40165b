//! Delays refusals to the time of the most expensive kind of stored hash.
//!
//! A job is padded to the cost of a new hash, but a stored hash may cost more. Without a delay, the
//! time of a refusal would reveal which kind of hash an account has, or that it exists.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use argon2::Block;

use super::{
    error::HashingError,
    formats::{
        cost_limits::check_cost,
        foreign_hash::ForeignHash,
        hash_function::{HashFunction, growth},
        stored_hash::StoredHash,
        wrapped_hash::WrappedHash,
    },
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
    /// With a short secret. The bits of an `f64`.
    multiple: AtomicU64,
    /// The part of it that grows with the length of the secret. The bits of an `f64`.
    growing: AtomicU64,
}

/// The time of one kind of hash.
#[derive(Debug, Clone, Copy, Default)]
struct KindTime {
    whole: Duration,
    /// The part that grows with the length of the secret.
    growing: Duration,
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
        // Other schemes take other steps, so their cost must be measured.
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
            self.set_multiples(0.0, 0.0);
            return Ok(());
        }
        let mut memory = kernel::allocate(maximum_memory_kib);
        // The first measurement includes the page faults of fresh memory.
        let new = hasher.measure(&mut memory)?.min(hasher.measure(&mut memory)?);
        let mut longest = KindTime::default();
        for (scheme, cost) in expensive {
            let kind = time(scheme, cost, hasher, &mut memory)?;
            longest.whole = longest.whole.max(kind.whole);
            longest.growing = longest.growing.max(kind.growing);
        }
        let multiple = |time: Duration| MARGIN * time.div_duration_f64(new);
        self.set_multiples(multiple(longest.whole), multiple(longest.growing));
        Ok(())
    }

    /// The minimum time from the start of a hash to the refusal. A secret with two forms is hashed
    /// twice, against a hash and against a decoy, so its refusal takes twice as long. Some
    /// functions take longer for a long secret.
    pub(crate) fn minimum_time(&self, target_time: Duration, secret: SecretForms<'_>) -> Duration {
        let [multiple, growing] = [&self.multiple, &self.growing]
            .map(|bits| f64::from_bits(bits.load(Ordering::Relaxed)));
        let multiple = multiple + growing * growth(secret.longest());
        // A job takes the time of a new hash in any case.
        let multiple = if multiple > 1.0 { multiple } else { 0.0 };
        target_time.mul_f64(f64::from(secret.count()) * multiple)
    }

    fn set_multiples(&self, multiple: f64, growing: f64) {
        self.multiple.store(multiple.to_bits(), Ordering::Relaxed);
        self.growing.store(growing.to_bits(), Ordering::Relaxed);
    }
}

/// One kind of each scheme, so that the number of measurements is bounded.
fn most_expensive_by_scheme(
    kinds: &[(HashScheme, HashParameters)],
) -> Vec<(HashScheme, HashParameters)> {
    let most_expensive = |scheme: &HashScheme| {
        let candidates = kinds.iter().filter(|kind| kind.0 == *scheme);
        candidates.max_by_key(|kind| (kind.1.blocks(), kind.1.iterations)).copied()
    };
    HashScheme::ALL.iter().filter_map(most_expensive).collect()
}

/// The shorter time of two verifications.
fn time(
    scheme: HashScheme,
    cost: HashParameters,
    hasher: &Hasher,
    memory: &mut [Block],
) -> Result<KindTime, HashingError> {
    let Some(hash) = sample(scheme, cost) else { return Ok(KindTime::default()) };
    let mut measure = || {
        let start = Instant::now();
        hasher.compute_unpadded(b"measured", &hash, memory)?;
        Ok::<_, HashingError>(start.elapsed())
    };
    let whole = measure()?.min(measure()?);
    let function = HashFunction::sample(scheme, cost.iterations);
    let growing = match function.filter(HashFunction::grows_with_the_secret) {
        None => Duration::ZERO,
        Some(function) => {
            let start = Instant::now();
            function.compute(b"measured");
            start.elapsed()
        }
    };
    Ok(KindTime { whole, growing })
}

/// A hash of this kind that no secret matches.
fn sample(scheme: HashScheme, cost: HashParameters) -> Option<StoredHash> {
    let foreign = ForeignHash::sample(scheme, cost).map(Arc::new).map(StoredHash::Foreign);
    let wrapped = || WrappedHash::sample(scheme, cost).map(Arc::new).map(StoredHash::Wrapped);
    foreign.or_else(wrapped)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{kernel::Kernel, metrics::EngineMetrics},
        *,
    };

    const TARGET: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

    /// The minimum times with a short secret and with the longest one.
    fn minimum_times(scheme: HashScheme, iterations: u32) -> [Duration; 2] {
        let hasher = Hasher::new(Kernel::choose(|_| ()), TARGET, EngineMetrics::default());
        let timing = RefusalTiming::default();
        let memory_kib = if scheme.as_str().starts_with("argon2") { 64 } else { 0 };
        let cost = HashParameters { memory_kib, iterations, parallelism: 1 };
        timing.measure(&[(scheme, cost)], &hasher, 4096).unwrap();
        let time = |length: usize| {
            let secret = "x".repeat(length);
            timing.minimum_time(Duration::from_secs(1), secret.as_str().into())
        };
        [time(8), time(511)]
    }

    #[test]
    fn a_long_secret_waits_longer_only_if_a_kind_of_hash_takes_longer_for_it() {
        let [short, long] = minimum_times(HashScheme::Sha512Crypt, 20_000);
        assert!(short > Duration::from_secs(1) && long > 10 * short, "{short:?}, {long:?}");
        let [short, long] = minimum_times(HashScheme::OverShaCrypt, 1);
        assert!(short > Duration::from_secs(1) && long > 2 * short, "{short:?}, {long:?}");
        for (scheme, iterations) in
            [(HashScheme::Pbkdf2Sha256, 10_000), (HashScheme::OverDigest, 1)]
        {
            let [short, long] = minimum_times(scheme, iterations);
            assert!(short > Duration::from_secs(1) && long == short, "{scheme:?}");
        }
    }

    #[test]
    fn every_scheme_can_be_measured() {
        for scheme in HashScheme::ALL {
            let cost = HashParameters { memory_kib: 4096, iterations: 4, parallelism: 1 };
            let iterations = if scheme.as_str().contains("-crypt") { 20_000 } else { 4 };
            let cost = HashParameters { iterations, ..cost };
            assert!(sample(*scheme, cost).is_some(), "{scheme:?}");
        }
    }
}
