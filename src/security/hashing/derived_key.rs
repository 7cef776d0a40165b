//! A key made of a passphrase, for commands: in memory of its own, on the thread that asks.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroize;

use super::{
    HashingError,
    kernel::{self, Kernel, Tag},
};
use crate::domain::stored_credential::HashParameters;

/// The key of a passphrase at that cost.
///
/// # Errors
/// [`HashingError::ImpossibleCost`].
pub(crate) fn derive_key(
    passphrase: &SecretString,
    salt: &[u8],
    cost: HashParameters,
) -> Result<Tag, HashingError> {
    let mut memory = kernel::allocate(cost.memory_kib);
    let secret = passphrase.expose_secret().as_bytes();
    let key = Kernel::choose().argon2id(secret, salt, cost, &mut memory);
    memory.iter_mut().map(argon2::Block::as_mut).for_each(Zeroize::zeroize);
    key
}
