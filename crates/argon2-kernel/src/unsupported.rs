//! The interface of the kernel on processors without a module of vectors. It computes nothing; use
//! the `argon2` crate.

use argon2::Block;

use crate::initial_hash::{Cost, Inputs, TAG_LENGTH};

/// The name for operators.
pub const NAME: &str = "portable";

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
