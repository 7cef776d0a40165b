//! Basic (RFC 7617): base64 of `name:password` in UTF-8, split at the first colon.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::unreadable::UnreadableCredential;
use crate::domain::{principal::PresentedCredential, user::looks_like_ticket};

/// The challenge of a 401.
pub(super) const CHALLENGE: &str = r#"Basic realm="Credential Keeper", charset="UTF-8""#;

/// The length of the ticket prefix `7T:`, whose colon does not separate name and password.
const TICKET_PREFIX: usize = 3;

/// Reads the credential. The name may be a ticket with an empty password, which counts as SoTicket
/// (docs/reference/wire-contract.md#d5-basic).
///
/// # Errors
/// When the text is not a name and a password.
pub(super) fn read(text: &str) -> Result<PresentedCredential, UnreadableCredential> {
    let bytes = STANDARD.decode(text).map_err(|_| UnreadableCredential::NotBase64)?;
    let bytes = Zeroizing::new(bytes);
    let pair = std::str::from_utf8(&bytes).map_err(|_| UnreadableCredential::NotUtf8)?;
    let prefix = if looks_like_ticket(pair) { TICKET_PREFIX } else { 0 };
    let colon = pair.get(prefix..).and_then(|rest| rest.find(':'));
    let name_length = colon.ok_or(UnreadableCredential::NoColon)? + prefix;
    let (name, password) = pair.split_at(name_length);
    let password = password.strip_prefix(':').unwrap_or_default();
    if prefix == 0 {
        let (name, password) = (name.to_owned(), SecretString::from(password));
        Ok(PresentedCredential::Password { name, password })
    } else if password.is_empty() {
        Ok(PresentedCredential::Ticket(SecretString::from(name)))
    } else {
        Err(UnreadableCredential::TicketWithPassword)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn read_pair(pair: &[u8]) -> Result<PresentedCredential, UnreadableCredential> {
        read(&STANDARD.encode(pair))
    }

    #[test]
    fn the_first_colon_separates_name_and_password() {
        let Ok(PresentedCredential::Password { name, password }) = read_pair("tje0:a:ø".as_bytes())
        else {
            panic!("not a password");
        };
        assert_eq!((name.as_str(), password.expose_secret()), ("tje0", "a:ø"));
    }

    #[test]
    fn a_ticket_with_an_empty_password_is_a_ticket() {
        let Ok(PresentedCredential::Ticket(ticket)) = read_pair(b"7T:AbC==:") else {
            panic!("not a ticket");
        };
        assert_eq!(ticket.expose_secret(), "7T:AbC==");
        let refused = |pair| read_pair(pair).unwrap_err();
        assert_eq!(refused(b"7T:AbC==:x"), UnreadableCredential::TicketWithPassword);
        assert_eq!(refused(b"7T:AbC=="), UnreadableCredential::NoColon);
    }

    #[test]
    fn invalid_credentials_are_refused() {
        assert_eq!(read_pair(b"no colon").unwrap_err(), UnreadableCredential::NoColon);
        assert_eq!(read_pair(b"a:\xff").unwrap_err(), UnreadableCredential::NotUtf8);
        assert_eq!(read("not base64!").unwrap_err(), UnreadableCredential::NotBase64);
        assert_eq!(read("").unwrap_err(), UnreadableCredential::NoColon);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (read(&text), read_pair(&bytes));
        }
    }
}
