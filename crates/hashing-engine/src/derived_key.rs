//! Derives a key from a passphrase, on the calling thread.

use zeroize::Zeroize;

use super::{
    error::HashingError,
    event::OnEvent,
    hash_parameters::HashParameters,
    kernel::{self, Kernel, Tag},
};

/// Derives a key from a passphrase with argon2id, in memory of its own on the calling thread.
///
/// # Errors
/// [`HashingError::InvalidParameters`].
pub fn derive_key(
    passphrase: &[u8],
    salt: &[u8],
    parameters: HashParameters,
    on_event: OnEvent,
) -> Result<Tag, HashingError> {
    let mut memory = kernel::allocate(parameters.memory_kib);
    let key = Kernel::choose(on_event).argon2id(passphrase, salt, parameters, &mut memory);
    memory.iter_mut().map(argon2::Block::as_mut).for_each(Zeroize::zeroize);
    key
}
