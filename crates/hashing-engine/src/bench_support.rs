//! A single hash for benchmarks.

use argon2::Block;

use super::{
    hash_parameters::HashParameters,
    kernel::{self, Kernel},
};

/// OWASP's minimum for argon2id.
const PARAMETERS: HashParameters =
    HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };

/// Computes hashes in the memory of one hashing thread.
#[expect(missing_debug_implementations, reason = "the memory contains data derived from a secret")]
pub struct HashBench {
    kernel: Kernel,
    memory: Vec<Block>,
}

impl HashBench {
    /// Allocates the memory for the kernel of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::with_kernel(Kernel::choose(|_| ()))
    }

    /// Allocates the memory for the `argon2` crate.
    #[must_use]
    pub fn portable() -> Self {
        Self::with_kernel(Kernel::Portable)
    }

    fn with_kernel(kernel: Kernel) -> Self {
        Self { kernel, memory: kernel::allocate(PARAMETERS.memory_kib) }
    }

    /// Computes one hash.
    #[must_use]
    pub fn hash(&mut self) -> Option<[u8; 32]> {
        let hash = self.kernel.argon2id(b"value", &[7; 16], PARAMETERS, &mut self.memory);
        hash.ok().map(|tag| *tag)
    }
}

impl Default for HashBench {
    fn default() -> Self {
        Self::new()
    }
}
