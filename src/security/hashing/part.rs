//! One hash, to be measured by itself (`script/bench parts`).

use argon2::Block;

use super::kernel;
use crate::domain::stored_credential::HashParameters;

/// A thread's memory.
#[expect(missing_debug_implementations, reason = "it holds what is hashed")]
pub struct HashPart(Vec<Block>);

impl HashPart {
    /// Allocates it.
    #[must_use]
    pub fn new() -> Self {
        Self(vec![Block::new(); 19_456])
    }

    /// Hashes at the default cost.
    #[must_use]
    pub fn hash(&mut self) -> Option<[u8; 32]> {
        let parameters = HashParameters { memory_kib: 19_456, iterations: 2, parallelism: 1 };
        kernel::argon2id(b"value", &[7; 16], parameters, &mut self.0).ok().map(|tag| *tag)
    }
}

impl Default for HashPart {
    fn default() -> Self {
        Self::new()
    }
}
