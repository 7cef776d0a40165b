//! Passwords that this service makes up.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};

/// A password of 144 random bits: 24 characters that survive shells, URLs and people.
///
/// # Errors
/// When there are no random bytes.
pub(crate) fn generate_password() -> Result<SecretString, RandomError> {
    let bytes = Zeroizing::new(random_bytes::<18>()?);
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
