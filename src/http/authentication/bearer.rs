//! Bearer (RFC 6750): a token of this service or of a configured issuer.

use secrecy::SecretString;

use super::unreadable::UnreadableCredential;
use crate::domain::principal::PresentedCredential;

/// The challenge of a 401.
pub(super) const CHALLENGE: &str = r#"Bearer realm="Credential Keeper""#;

/// Reads the credential.
#[expect(clippy::unnecessary_wraps, reason = "every scheme has this signature")]
pub(super) fn read(text: &str) -> Result<PresentedCredential, UnreadableCredential> {
    Ok(PresentedCredential::Token(SecretString::from(text)))
}
