//! One hash, to be measured by itself (`script/bench parts`).

use argon2::Block;

use super::kernel::{self, Kernel};
use crate::domain::stored_credential::HashParameters;

/// A thread's memory.
#[expect(missing_debug_implementations, reason = "it holds what is hashed")]
pub struct HashPart {
    kernel: Kernel,
    memory: Vec<Block>,
}

impl HashPart {
    /// Allocates it, for the kernel of this machine or for the portable one.
    #[must_use]
    pub fn new(is_portable: bool) -> Self {
        let kernel = if is_portable { Kernel::Portable } else { Kernel::choose() };
        Self { kernel, memory: kernel::allocate(19_456) }
    }

    /// Hashes at the default cost.
    #[must_use]
    pub fn hash(&mut self) -> Option<[u8; 32]> {
        let parameters = HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };
        self.kernel.argon2id(b"value", &[7; 16], parameters, &mut self.memory).ok().map(|tag| *tag)
    }
}
