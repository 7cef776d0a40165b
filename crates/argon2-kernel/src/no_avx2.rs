//! The interface of the AVX2 module on other processors. It computes nothing; use the `argon2`
//! crate.

use std::collections::TryReserveError;

use argon2::Block;

use crate::initial_hash::{Cost, Inputs, TAG_LENGTH};

/// Always `None`.
#[must_use]
pub fn argon2id(
    _inputs: &Inputs<'_>,
    _cost: Cost,
    _memory: &mut [Block],
    _tag: &mut [u8; TAG_LENGTH],
) -> Option<()> {
    None
}

/// Allocates memory for a hash.
///
/// # Errors
/// When the allocation fails.
pub fn allocate(blocks: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks)?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}
