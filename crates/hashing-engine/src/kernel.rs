//! Argon2id behind one function with two implementations: the kernel with vectors, and the `argon2`
//! crate, which verifies the kernel at start and computes what the kernel does not support.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_kernel::{
    initial_hash::{Cost, Inputs},
    kernel, memory,
};
use zeroize::Zeroizing;

use super::{
    error::HashingError,
    event::{EngineEvent, OnEvent},
    hash_parameters::HashParameters,
};

/// Length of a tag in bytes.
pub(crate) const TAG_LENGTH: usize = 32;

/// The output of argon2id. Wiped on drop.
pub type Tag = Zeroizing<[u8; TAG_LENGTH]>;

/// Parameters of the self-test at start. They cover every number of passes that has its own code,
/// and segments with more than one block of addresses.
const SELF_TESTS: [HashParameters; 4] = [
    HashParameters { memory_kib: 8, iterations: 1, parallelism: 1 },
    HashParameters { memory_kib: 61, iterations: 3, parallelism: 1 },
    HashParameters { memory_kib: 516, iterations: 2, parallelism: 1 },
    HashParameters { memory_kib: 2048, iterations: 2, parallelism: 1 },
];

/// Computes a hash; `None` when it does not support the parameters.
type Compute = fn(&[u8], &[u8], HashParameters, &mut [Block]) -> Option<Tag>;

/// The implementation that computes hashes in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// The kernel with AVX2 or NEON, with the crate as fallback.
    Vectors,
    /// The crate only.
    Portable,
}

impl Kernel {
    /// Chooses the fastest implementation that this processor supports and that agrees with the
    /// crate.
    pub(crate) fn choose(on_event: OnEvent) -> Self {
        Self::choose_after_self_test(argon2id_vectors, on_event)
    }

    fn choose_after_self_test(compute: Compute, on_event: OnEvent) -> Self {
        let mut memory = allocate(2048);
        for (salt, parameters) in (0_u8..).zip(SELF_TESTS) {
            let salt = [salt; 16];
            let Some(tag) = compute(b"self-test", &salt, parameters, &mut memory) else {
                return Self::Portable;
            };
            if Some(tag) != argon2id_portable(b"self-test", &salt, parameters, &mut memory) {
                on_event(EngineEvent::KernelMismatch);
                return Self::Portable;
            }
        }
        Self::Vectors
    }

    /// The name for operators.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Vectors => kernel::NAME,
            Self::Portable => "portable",
        }
    }

    /// Computes argon2id v1.3 (RFC 9106) in the given memory. Earlier contents do not matter.
    ///
    /// # Errors
    /// [`HashingError::InvalidParameters`] when argon2 does not support the parameters, or the
    /// memory is too small.
    pub(crate) fn argon2id(
        self,
        secret: &[u8],
        salt: &[u8],
        parameters: HashParameters,
        memory: &mut [Block],
    ) -> Result<Tag, HashingError> {
        let tag = match self {
            Self::Vectors => argon2id_vectors(secret, salt, parameters, memory),
            Self::Portable => None,
        };
        tag.or_else(|| argon2id_portable(secret, salt, parameters, memory))
            .ok_or(HashingError::InvalidParameters)
    }
}

/// Allocates memory of this many KiB, in huge pages where the system has them.
pub(crate) fn allocate(memory_kib: u32) -> Vec<Block> {
    let blocks = usize::try_from(memory_kib).unwrap_or(usize::MAX);
    memory::allocate(blocks).unwrap_or_else(|_| vec![Block::new(); blocks])
}

fn argon2id_vectors(
    secret: &[u8],
    salt: &[u8],
    parameters: HashParameters,
    memory: &mut [Block],
) -> Option<Tag> {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    // The crate checks all other limits of parameters and salts.
    if parallelism != 1 || salt.len() < argon2::MIN_SALT_LEN {
        return None;
    }
    let mut tag = Zeroizing::new([0; TAG_LENGTH]);
    let inputs = Inputs { secret, salt, additional_secret: &[], associated_data: &[] };
    kernel::argon2id(&inputs, Cost { memory_kib, iterations }, memory, &mut tag)?;
    Some(tag)
}

fn argon2id_portable(
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
    fn a_kernel_that_computes_wrong_hashes_is_not_used() {
        let wrong: Compute = |secret, salt, parameters, memory| {
            let mut tag = argon2id_portable(secret, salt, parameters, memory)?;
            // One wrong bit, and only with more than one block of addresses.
            tag[31] ^= u8::from(parameters.memory_kib == 2048);
            Some(tag)
        };
        let choose = |compute| Kernel::choose_after_self_test(compute, |_| ());
        assert_eq!(choose(wrong), Kernel::Portable);
        assert_eq!(choose(|_, _, _, _| None), Kernel::Portable);
        assert_eq!(choose(argon2id_portable), Kernel::Vectors);
    }

    #[test]
    fn the_kernel_is_used_where_the_processor_has_its_vectors() {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = if cfg!(target_arch = "aarch64") {
            "neon"
        } else if cpu.contains(" avx2 ") {
            "avx2"
        } else {
            "portable"
        };
        assert_eq!(Kernel::choose(|_| ()).as_str(), name);
    }

    #[test]
    fn parameters_without_kernel_support_fall_back_to_the_crate_or_fail() {
        let mut memory = allocate(64);
        let four_lanes = HashParameters { memory_kib: 64, iterations: 1, parallelism: 4 };
        let tag = Kernel::Vectors.argon2id(b"secret", &[7; 16], four_lanes, &mut memory).unwrap();
        assert_eq!(Some(tag), argon2id_portable(b"secret", &[7; 16], four_lanes, &mut memory));
        for (parameters, salt) in [
            (HashParameters { memory_kib: 7, iterations: 1, parallelism: 1 }, 16),
            (HashParameters { memory_kib: 68, iterations: 1, parallelism: 1 }, 16),
            (HashParameters { memory_kib: 64, iterations: 0, parallelism: 1 }, 16),
            (HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 }, 7),
        ] {
            for kernel in [Kernel::Vectors, Kernel::Portable] {
                let result = kernel.argon2id(b"secret", &vec![7; salt], parameters, &mut memory);
                assert!(result.is_err(), "{kernel:?} {parameters:?}, salt of {salt}");
            }
        }
    }
}
