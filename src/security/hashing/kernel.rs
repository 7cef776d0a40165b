//! The hash function itself, behind one function with two implementations: our own for AVX2, and
//! the `argon2` crate, which is the other's oracle and takes over wherever it cannot.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_kernel::{
    avx2,
    initial_hash::{Cost, Inputs},
};
use zeroize::Zeroizing;

use super::HashingError;
use crate::{domain::stored_credential::HashParameters, log_events::alarm};

/// Length of a tag in bytes.
pub(super) const TAG_LENGTH: usize = 32;

/// The output of the hash.
pub(super) type Tag = Zeroizing<[u8; TAG_LENGTH]>;

/// The parameters that both implementations are compared at when the process starts: every number
/// of passes that has code of its own, and segments with more than one block of addresses.
const TRIALS: [HashParameters; 4] = [
    HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 },
    HashParameters { memory_kib: 61, iterations: 3, parallelism: 1 },
    HashParameters { memory_kib: 516, iterations: 2, parallelism: 1 },
    HashParameters { memory_kib: 2048, iterations: 2, parallelism: 1 },
];

/// What computes a hash, if it can.
type Compute = fn(&[u8], &[u8], HashParameters, &mut [Block]) -> Option<Tag>;

/// Which implementation computes hashes in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Our own, and the crate for what it leaves.
    Avx2,
    /// The crate alone.
    Portable,
}

impl Kernel {
    /// The fastest that this processor has and that agrees with the crate.
    pub(super) fn choose() -> Self {
        Self::choose_by(by_avx2)
    }

    fn choose_by(compute: Compute) -> Self {
        let mut memory = allocate(2048);
        for (salt, parameters) in (0_u8..).zip(TRIALS) {
            let salt = [salt; 16];
            let Some(tag) = compute(b"tried at start", &salt, parameters, &mut memory) else {
                return Self::Portable;
            };
            if Some(tag) != by_crate(b"tried at start", &salt, parameters, &mut memory) {
                alarm!("the AVX2 kernel computes wrong hashes on this machine; it is not used");
                return Self::Portable;
            }
        }
        Self::Avx2
    }

    /// As operators read it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Computes argon2id v1.3 (RFC 9106) in the given memory, whatever it held before.
    ///
    /// # Errors
    /// [`HashingError::ImpossibleCost`] when argon2 has no such parameters, or the memory is too
    /// small.
    pub(super) fn argon2id(
        self,
        secret: &[u8],
        salt: &[u8],
        parameters: HashParameters,
        memory: &mut [Block],
    ) -> Result<Tag, HashingError> {
        let tag = match self {
            Self::Avx2 => by_avx2(secret, salt, parameters, memory),
            Self::Portable => None,
        };
        tag.or_else(|| by_crate(secret, salt, parameters, memory))
            .ok_or(HashingError::ImpossibleCost)
    }
}

/// Memory of that many KiB, in huge pages where the system has them.
pub(super) fn allocate(memory_kib: u32) -> Vec<Block> {
    let blocks = usize::try_from(memory_kib).unwrap_or(usize::MAX);
    avx2::allocate(blocks).unwrap_or_else(|_| vec![Block::new(); blocks])
}

fn by_avx2(
    secret: &[u8],
    salt: &[u8],
    parameters: HashParameters,
    memory: &mut [Block],
) -> Option<Tag> {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    // The crate knows which costs and salts are argon2's at all.
    if parallelism != 1 || salt.len() < argon2::MIN_SALT_LEN {
        return None;
    }
    let mut tag = Zeroizing::new([0; TAG_LENGTH]);
    let inputs = Inputs { secret, salt, additional_secret: &[], associated_data: &[] };
    avx2::argon2id(&inputs, Cost { memory_kib, iterations }, memory, &mut tag)?;
    Some(tag)
}

fn by_crate(
    secret: &[u8],
    salt: &[u8],
    parameters: HashParameters,
    memory: &mut [Block],
) -> Option<Tag> {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    let mut tag = Zeroizing::new([0; TAG_LENGTH]);
    let params = Params::new(memory_kib, iterations, parallelism, Some(TAG_LENGTH)).ok()?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(secret, salt, tag.as_mut_slice(), memory)
        .ok()?;
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_computes_another_hash_is_not_used() {
        let wrong: Compute = |secret, salt, parameters, memory| {
            let mut tag = by_crate(secret, salt, parameters, memory)?;
            // Wrong in one bit, and only where there is more than one block of addresses.
            tag[31] ^= u8::from(parameters.memory_kib == 2048);
            Some(tag)
        };
        assert_eq!(Kernel::choose_by(wrong), Kernel::Portable);
        assert_eq!(Kernel::choose_by(|_, _, _, _| None), Kernel::Portable);
        assert_eq!(Kernel::choose_by(by_crate), Kernel::Avx2);
    }

    #[test]
    fn the_kernel_is_used_where_the_processor_has_avx2() {
        let has_avx2 =
            std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" avx2 "));
        assert_eq!(Kernel::choose() == Kernel::Avx2, has_avx2);
    }

    #[test]
    fn lanes_and_costs_that_only_the_crate_has_are_computed_by_it_or_refused() {
        let mut memory = allocate(64);
        let four_lanes = HashParameters { memory_kib: 64, iterations: 1, parallelism: 4 };
        let tag = Kernel::Avx2.argon2id(b"secret", &[7; 16], four_lanes, &mut memory).unwrap();
        assert_eq!(Some(tag), by_crate(b"secret", &[7; 16], four_lanes, &mut memory));
        for (parameters, salt) in [
            (HashParameters { memory_kib: 7, iterations: 1, parallelism: 1 }, 16),
            (HashParameters { memory_kib: 68, iterations: 1, parallelism: 1 }, 16),
            (HashParameters { memory_kib: 64, iterations: 0, parallelism: 1 }, 16),
            (HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 }, 7),
        ] {
            for kernel in [Kernel::Avx2, Kernel::Portable] {
                let refused = kernel.argon2id(b"secret", &vec![7; salt], parameters, &mut memory);
                assert!(refused.is_err(), "{kernel:?} {parameters:?}, salt of {salt}");
            }
        }
    }
}
