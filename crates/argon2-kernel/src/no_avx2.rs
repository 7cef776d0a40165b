//! On other processors: nothing is computed here, and the `argon2` crate is to be used.

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

/// Memory to hash in.
///
/// # Errors
/// When there is not that much memory.
pub fn allocate(blocks: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks)?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}
