//! SoTicket: a ticket without any encoding
//! (docs/reference/wire-contract.md#authentication-schemes).

use secrecy::SecretString;

use super::unreadable::UnreadableCredential;
use crate::domain::principal::{ACCESS_TOKEN_PREFIX, PresentedCredential};

/// The challenge of a 401.
pub(super) const CHALLENGE: &str = "SOTicket";

/// Reads the credential. An access token of this service counts as Bearer: SOAP clients present
/// whatever they received in `Credentials/Ticket` (docs/reference/wire-contract.md#d30-soap).
#[expect(clippy::unnecessary_wraps, reason = "every scheme has this signature")]
pub(super) fn read(text: &str) -> Result<PresentedCredential, UnreadableCredential> {
    let secret = SecretString::from(text);
    Ok(if text.starts_with(ACCESS_TOKEN_PREFIX) {
        PresentedCredential::Token(secret)
    } else {
        PresentedCredential::Ticket(secret)
    })
}
