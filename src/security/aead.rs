//! Encrypts the sealed columns of rows with XChaCha20-Poly1305: a format byte, a random nonce, and
//! the sealed text. 24 bytes are long enough for random nonces.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use super::{
    length_prefixed::LengthPrefixed,
    mac::PurposeKey,
    random::{RandomError, random_bytes},
};

/// The first byte of a sealed column.
pub(super) const FORMAT: u8 = 1;

const NONCE_LENGTH: usize = 24;

/// A text could not be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("the text is too long for the cipher")]
    TooLong,
}

/// A row could not be unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnsealError {
    /// The keyring is wrong or incomplete.
    #[error("sealed under a key that is not in the keyring")]
    UnknownKey,
    /// The row was changed or moved, or does not hold a sealed text.
    #[error("the sealed text was changed, or belongs to another row")]
    Damaged,
}

/// Encrypts a text, bound to the associated data.
///
/// # Errors
/// When the operating system returns no random bytes, or the text is too long for the cipher.
pub(super) fn encrypt(
    key: &PurposeKey,
    associated: &LengthPrefixed,
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    let nonce = random_bytes::<NONCE_LENGTH>()?;
    let payload = Payload { msg: plain, aad: associated.as_bytes() };
    let sealed =
        cipher(key).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;
    Ok([&[FORMAT], nonce.as_slice(), &sealed].concat())
}

/// Decrypts a text; `None` when it, the key or the associated data is another one.
pub(super) fn decrypt(
    key: &PurposeKey,
    associated: &LengthPrefixed,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (format, rest) = sealed.split_first()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>()?;
    if *format != FORMAT {
        return None;
    }
    let payload = Payload { msg: sealed, aad: associated.as_bytes() };
    cipher(key).decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
}

fn cipher(key: &PurposeKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&**key).into())
}
