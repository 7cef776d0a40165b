//! Generates passwords.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};

/// Generates a password of 144 random bits: 24 characters that need no escaping in shells and URLs.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn generate_password() -> Result<SecretString, RandomError> {
    let bytes = Zeroizing::new(random_bytes::<18>()?);
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
