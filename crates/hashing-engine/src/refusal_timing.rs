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
#[derive(Debug)]
pub(crate) struct RefusalTiming {
    /// With a short secret. The bits of an `f64`.
    multiple: AtomicU64,
    /// The part of it that grows with the length of the secret. The bits of an `f64`.
    growing: AtomicU64,
    /// The most that this part grows to. The bits of an `f64`.
    grown: AtomicU64,
    /// No refusal takes longer.
    longest: Duration,
}

/// The time of one kind of hash.
#[derive(Debug, Clone, Copy, Default)]
struct KindTime {
    whole: Duration,
    /// The part that grows with the length of the secret.
    growing: Duration,
    /// What this part adds for the longest secret that is computed.
    grown: Duration,
}

impl KindTime {
    /// The time of a kind with this function.
    fn new(whole: Duration, function: Option<(&HashFunction, Duration)>) -> Self {
        let growing =
            function.and_then(|(function, time)| Some((function.longest_secret()?, time)));
        let (longest, growing) = growing.unwrap_or_default();
        Self { whole, growing, grown: growing.mul_f64(growth(longest)) }
    }

    /// At least as long as both kinds, for each length of a secret.
    fn max(self, other: Self) -> Self {
        Self {
            whole: self.whole.max(other.whole),
            growing: self.growing.max(other.growing),
            grown: self.grown.max(other.grown),
        }
    }
}

impl RefusalTiming {
    /// No refusal is delayed until a measurement, and none for longer than `longest`.
    pub(crate) fn new(longest: Duration) -> Self {
        let (multiple, growing, grown) = Default::default();
        Self { multiple, growing, grown, longest }
    }

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
            self.set_multiples(KindTime::default(), Duration::from_secs(1));
            return Ok(());
        }
        let mut memory = kernel::allocate(maximum_memory_kib);
        let new = hasher.measure(&mut memory)?;
        let mut longest = KindTime::default();
        for (scheme, cost) in expensive {
            longest = longest.max(time(scheme, cost, hasher, &mut memory)?);
        }
        self.set_multiples(longest, new);
        Ok(())
    }

    /// The minimum time from the start of a hash to the refusal. A secret with two forms is hashed
    /// twice, against a hash and against a decoy, so its refusal takes twice as long. Some
    /// functions take longer for a long secret, up to the longest that they compute.
    ///
    /// The margin covers a cut at `longest`: the time reveals a hash only when the hash itself
    /// takes longer than that.
    pub(crate) fn minimum_time(&self, target_time: Duration, secret: SecretForms<'_>) -> Duration {
        let [multiple, growing, grown] = [&self.multiple, &self.growing, &self.grown]
            .map(|bits| f64::from_bits(bits.load(Ordering::Relaxed)));
        let multiple = multiple + grown.min(growing * growth(secret.longest()));
        // A job takes the time of a new hash in any case.
        let multiple = if multiple > 1.0 { multiple } else { 0.0 };
        target_time.mul_f64(f64::from(secret.count()) * multiple).min(self.longest)
    }

    /// Sets the time of the most expensive kind, where a new hash takes `new`.
    fn set_multiples(&self, kind: KindTime, new: Duration) {
        let set = |multiple: &AtomicU64, time: Duration| {
            let number = MARGIN * time.div_duration_f64(new);
            multiple.store(number.to_bits(), Ordering::Relaxed);
        };
        set(&self.multiple, kind.whole);
        set(&self.growing, kind.growing);
        set(&self.grown, kind.grown);
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
    let function = function.filter(|function| function.longest_secret().is_some());
    let growing = function.as_ref().map(|function| {
        let start = Instant::now();
        function.compute(b"measured");
        (function, start.elapsed())
    });
    Ok(KindTime::new(whole, growing))
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
        let timing = RefusalTiming::new(Duration::MAX);
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

    /// A second stands for the rounds of SHA-crypt that a second computes with a short secret.
    const ROUNDS_PER_SECOND: u32 = 1_000_000;

    fn sha_crypt(rounds: u32) -> KindTime {
        let function = HashFunction::sample(HashScheme::Sha512Crypt, rounds).unwrap();
        let time = Duration::from_secs(1) * rounds / ROUNDS_PER_SECOND;
        KindTime::new(time, Some((&function, time)))
    }

    #[test]
    fn no_accepted_rounds_and_no_length_delay_refusals_by_more_than_a_few_times_the_rounds() {
        let timing = RefusalTiming::new(Duration::MAX);
        let second = Duration::from_secs(1);
        let [short, longest] = ["x".repeat(8), "x".repeat(1024)];
        for rounds in [20_000, 100_000, 125_000, 125_250, 200_000, 656_000, 1_000_000] {
            timing.set_multiples(sha_crypt(rounds), second);
            let time = |secret: &str| timing.minimum_time(second, secret.into());
            // The most rounds, and twice as much again for 64 bytes.
            assert!(
                time(&longest) <= second.mul_f64(3.01 * MARGIN),
                "{rounds}: {:?}",
                time(&longest)
            );
            assert!(time(&short) <= time(&longest), "{rounds}");
        }
        // With other kinds beside it, a refusal waits for the slowest of them.
        timing.set_multiples(sha_crypt(1_000_000).max(sha_crypt(125_000)), second);
        let both = timing.minimum_time(second, longest.as_str().into());
        assert!(both <= second.mul_f64(3.01 * MARGIN), "{both:?}");
    }

    #[test]
    fn no_refusal_is_delayed_for_longer_than_the_maximum() {
        let maximum = Duration::from_millis(5_250);
        let timing = RefusalTiming::new(maximum);
        timing.set_multiples(sha_crypt(1_000_000), Duration::from_secs(1));
        let forms = ["x".repeat(511), "y".repeat(511)];
        let [secret, other] = forms.each_ref().map(String::as_bytes);
        let secret = SecretForms { secret, other_form: Some(other) };
        for (new, expected) in [(0, Duration::ZERO), (1, maximum), (60, maximum)] {
            assert_eq!(timing.minimum_time(Duration::from_secs(new), secret), expected, "{new}");
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
