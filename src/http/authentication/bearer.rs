//! Bearer (RFC 6750): a token of this service or of a configured issuer.

use secrecy::SecretString;

use super::unreadable::UnreadableCredential;
use crate::domain::principal::PresentedCredential;

/// The challenge of a 401.
pub(super) const CHALLENGE: &str = r#"Bearer realm="Credential Keeper""#;

/// What the header presents.
#[expect(clippy::unnecessary_wraps, reason = "every scheme reads with the same signature")]
pub(super) fn read(text: &str) -> Result<PresentedCredential, UnreadableCredential> {
    Ok(PresentedCredential::Token(SecretString::from(text)))
}
