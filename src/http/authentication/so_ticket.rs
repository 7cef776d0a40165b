//! SoTicket: a ticket without any encoding
//! (docs/reference/wire-contract.md#authentication-schemes).

use secrecy::SecretString;

use super::unreadable::UnreadableCredential;
use crate::domain::principal::PresentedCredential;

/// The challenge of a 401.
pub(super) const CHALLENGE: &str = "SOTicket";

/// Reads the credential.
#[expect(clippy::unnecessary_wraps, reason = "every scheme has this signature")]
pub(super) fn read(text: &str) -> Result<PresentedCredential, UnreadableCredential> {
    Ok(PresentedCredential::Ticket(SecretString::from(text)))
}
