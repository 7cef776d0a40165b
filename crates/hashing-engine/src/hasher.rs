//! Computes jobs on a hashing thread, each at the cost of a new hash or more.
//!
//! Timing must not reveal whether an account has a hash, a decoy or an imported hash. A job that
//! costs less than a new hash is padded with more argon2.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::Block;
use subtle::ConstantTimeEq;

use super::{
    error::HashingError,
    formats::{
        phc::{PhcHash, SALT_LENGTH},
        stored_hash::StoredHash,
    },
    hash_parameters::HashParameters,
    job::{Output, Task},
    kernel::{Kernel, Tag},
    metrics::EngineMetrics,
    weight::{parameters_of_weight, weight},
};

/// The number of padding rounds after an imported hash. Each round estimates the remaining time
/// more accurately.
const PADDING_ROUNDS: usize = 2;

/// The most hashes that a thread measures at start. The fastest counts: the first one also waits for
/// the pages of its memory, and any of them for other work of the start.
const MEASUREMENTS: usize = 4;

/// The time after which a thread that has measured two hashes measures no other, so that expensive
/// parameters do not delay the start.
const MEASURING: Duration = Duration::from_millis(100);

/// Computes jobs in memory that the caller owns.
pub(crate) struct Hasher {
    kernel: Kernel,
    /// The cost of a new hash, and the minimum of every job.
    target: HashParameters,
    /// How long a new hash takes under the current load, in nanoseconds.
    target_time: AtomicU64,
    hashed: AtomicU64,
    metrics: EngineMetrics,
}

impl Hasher {
    /// A hasher for new hashes with the parameters `target`.
    pub(crate) fn new(kernel: Kernel, target: HashParameters, metrics: EngineMetrics) -> Self {
        let (target_time, hashed) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { kernel, target, target_time, hashed, metrics }
    }

    /// Measures a new hash in this memory, on this thread.
    pub(crate) fn measure(&self, memory: &mut [Block]) -> Result<Duration, HashingError> {
        fastest(|| self.kernel.argon2id(b"measured", &[0; SALT_LENGTH], self.target, memory))
    }

    /// The parameters of a new hash.
    pub(crate) fn target(&self) -> HashParameters {
        self.target
    }

    /// How long a new hash currently takes on the hashing threads.
    pub(crate) fn target_time(&self) -> Duration {
        Duration::from_nanos(self.target_time.load(Ordering::Relaxed))
    }

    /// Sets the first measurement.
    pub(crate) fn set_target_time(&self, time: Duration) {
        self.target_time.store(nanoseconds(time), Ordering::Relaxed);
    }

    /// Number of hashes computed since start.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// Computes a hash without padding and metrics, for measurements.
    pub(crate) fn compute_unpadded(
        &self,
        secret: &[u8],
        hash: &StoredHash,
        memory: &mut [Block],
    ) -> Result<(), HashingError> {
        let argon2id = |secret: &[u8], own: &PhcHash, memory: &mut [Block]| {
            self.kernel.argon2id(secret, own.salt(), own.parameters(), memory).map(drop)
        };
        match hash {
            StoredHash::Own(own) => argon2id(secret, own, memory),
            StoredHash::Foreign(foreign) => {
                foreign.matches(secret, memory);
                Ok(())
            }
            StoredHash::Wrapped(wrapped) => {
                let output = wrapped.function().compute(secret).unwrap_or_default();
                argon2id(&output, wrapped.outer(), memory)
            }
        }
    }

    /// Computes one task.
    pub(crate) fn compute(
        &self,
        task: Task,
        secret: &[u8],
        memory: &mut [Block],
    ) -> Result<Output, HashingError> {
        match task {
            Task::Hash { salt, parameters } => {
                let tag = self.timed(|| self.padded_tag(secret, &salt, parameters, memory))?;
                Ok(Output::Tag(tag))
            }
            Task::Match { hash, other_form } => {
                let forms = [Some(secret), other_form.as_ref().map(|other| other.as_slice())];
                let is_match = self.timed(|| self.matches_any(forms, &hash, memory))?;
                Ok(Output::Bool(is_match))
            }
            Task::Check(check) => Ok(Output::Bool(check(secret))),
        }
    }

    /// Counts a hashing job and records its time.
    fn timed<T>(&self, hash: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        self.hashed.fetch_add(1, Ordering::Relaxed);
        let computed = hash();
        self.metrics.record_hash_time(start.elapsed());
        computed
    }

    /// True when one of the forms matches. Each form costs the same.
    fn matches_any(
        &self,
        forms: [Option<&[u8]>; 2],
        hash: &StoredHash,
        memory: &mut [Block],
    ) -> Result<bool, HashingError> {
        for form in forms.into_iter().flatten() {
            if self.matches(form, hash, memory)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True when these bytes match, at the cost of a new hash or more.
    fn matches(
        &self,
        secret: &[u8],
        hash: &StoredHash,
        memory: &mut [Block],
    ) -> Result<bool, HashingError> {
        match hash {
            StoredHash::Own(own) => self.matches_own(secret, own, memory),
            StoredHash::Wrapped(wrapped) => {
                let output = wrapped.function().compute(secret);
                let input = output.as_ref().map_or(&[][..], |output| output.as_slice());
                let is_match = self.matches_own(input, wrapped.outer(), memory)?;
                Ok(is_match && output.is_some())
            }
            StoredHash::Foreign(foreign) => {
                let start = Instant::now();
                let is_match = foreign.matches(secret, memory);
                self.metrics.record_blocks(foreign.parameters().blocks());
                for _ in 0..PADDING_ROUNDS {
                    self.pad(secret, self.missing_weight(start.elapsed()), memory)?;
                }
                Ok(is_match)
            }
        }
    }

    /// True when argon2id of these bytes matches.
    fn matches_own(
        &self,
        secret: &[u8],
        own: &PhcHash,
        memory: &mut [Block],
    ) -> Result<bool, HashingError> {
        let tag = self.padded_tag(secret, own.salt(), own.parameters(), memory)?;
        Ok(tag.as_slice().ct_eq(own.tag()).into())
    }

    /// Argon2id, padded to the cost of a new hash.
    fn padded_tag(
        &self,
        secret: &[u8],
        salt: &[u8],
        parameters: HashParameters,
        memory: &mut [Block],
    ) -> Result<Tag, HashingError> {
        let start = Instant::now();
        let tag = self.kernel.argon2id(secret, salt, parameters, memory)?;
        self.metrics.record_blocks(parameters.blocks());
        if parameters == self.target {
            self.update_target_time(start.elapsed());
        }
        let missing = weight(self.target).saturating_sub(weight(parameters));
        self.pad(secret, missing, memory)?;
        Ok(tag)
    }

    /// Computes more argon2 of this weight, unless it is too small for argon2.
    fn pad(&self, secret: &[u8], weight: u64, memory: &mut [Block]) -> Result<(), HashingError> {
        if let Some(padding) = parameters_of_weight(weight, self.target) {
            self.kernel.argon2id(secret, b"padding of a job", padding, memory)?;
            self.metrics.record_blocks(padding.blocks());
        }
        Ok(())
    }

    /// The weight that an imported hash lacks after `elapsed`, from its remaining time.
    fn missing_weight(&self, elapsed: Duration) -> u64 {
        let target = self.target_time.load(Ordering::Relaxed).max(1);
        // Padding takes a moment in addition to its blocks.
        let left = target.saturating_sub(nanoseconds(elapsed)).saturating_sub(target / 128);
        let share = u128::from(weight(self.target)) * u128::from(left) / u128::from(target);
        u64::try_from(share).unwrap_or_default()
    }

    /// Updates the moving average, which follows the current load.
    fn update_target_time(&self, elapsed: Duration) {
        let before = self.target_time.load(Ordering::Relaxed);
        let now = (before * 15 + nanoseconds(elapsed)) / 16;
        self.target_time.store(now, Ordering::Relaxed);
    }
}

/// The shortest time of several computations.
fn fastest<T, E>(mut compute: impl FnMut() -> Result<T, E>) -> Result<Duration, E> {
    let start = Instant::now();
    let mut shortest = Duration::MAX;
    for number in 1..=MEASUREMENTS {
        let started = Instant::now();
        compute()?;
        shortest = shortest.min(started.elapsed());
        if number > 1 && start.elapsed() >= MEASURING {
            break;
        }
    }
    Ok(shortest)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, thread::sleep};

    use super::*;

    /// The first computation is slow, as in memory whose pages the process does not have yet.
    #[test]
    fn the_fastest_of_several_computations_counts() {
        let mut times = [MEASURING / 2, Duration::ZERO, Duration::ZERO, Duration::ZERO].into_iter();
        let measured = fastest(|| {
            sleep(times.next().unwrap_or(MEASURING));
            Ok::<_, Infallible>(())
        });
        assert!(measured.unwrap_or_default() < MEASURING / 2, "{measured:?}");
    }

    #[test]
    fn an_expensive_computation_is_measured_twice() {
        let mut computed = 0;
        let measured = fastest(|| {
            computed += 1;
            sleep(MEASURING);
            Ok::<_, Infallible>(())
        });
        assert!(measured.is_ok_and(|time| time >= MEASURING));
        assert_eq!(computed, 2);
    }
}
