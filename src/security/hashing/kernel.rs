//! The hash function itself, behind one function, so that a faster one can replace it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::HashingError;
use crate::domain::stored_credential::HashParameters;

/// Length of a tag in bytes.
pub(super) const TAG_LENGTH: usize = 32;

/// The output of the hash.
pub(super) type Tag = Zeroizing<[u8; TAG_LENGTH]>;

/// Computes argon2id v1.3 (RFC 9106) in the given memory, whatever it held before.
///
/// # Errors
/// [`HashingError::ImpossibleCost`] when argon2 has no such parameters, or the memory is too small.
pub(super) fn argon2id(
    secret: &[u8],
    salt: &[u8],
    parameters: HashParameters,
    memory: &mut [Block],
) -> Result<Tag, HashingError> {
    let HashParameters { memory_kib, iterations, parallelism } = parameters;
    let mut tag = Zeroizing::new([0; TAG_LENGTH]);
    Params::new(memory_kib, iterations, parallelism, Some(TAG_LENGTH))
        .and_then(|parameters| {
            Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
                .hash_password_into_with_memory(secret, salt, tag.as_mut_slice(), memory)
        })
        .map_err(|_| HashingError::ImpossibleCost)?;
    Ok(tag)
}
