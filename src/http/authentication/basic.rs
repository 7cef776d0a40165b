//! Basic (RFC 7617): base64 of `name:password` in UTF-8, split at the first colon.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::domain::{principal::PresentedCredential, user::looks_like_ticket};

/// The challenge of a 401.
pub(super) const CHALLENGE: &str = r#"Basic realm="Credential Keeper", charset="UTF-8""#;

/// Length of the ticket prefix, `7T:`, whose colon is not the one to split at.
const TICKET_PREFIX: usize = 3;

/// What the header presents. A ticket may stand in the place of the name, with a blank password;
/// then the request counts as SoTicket (protocol.md 10.5).
pub(super) fn read(text: &str) -> Option<PresentedCredential> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let pair = std::str::from_utf8(&bytes).ok()?;
    if looks_like_ticket(pair) {
        let end = pair.get(TICKET_PREFIX..)?.find(':')? + TICKET_PREFIX;
        let (ticket, password) = pair.split_at(end);
        return (password == ":").then(|| PresentedCredential::Ticket(SecretString::from(ticket)));
    }
    let (name, password) = pair.split_once(':')?;
    let name = name.to_owned();
    Some(PresentedCredential::Password { name, password: SecretString::from(password) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn read_pair(pair: &[u8]) -> Option<PresentedCredential> {
        read(&STANDARD.encode(pair))
    }

    #[test]
    fn the_first_colon_splits() {
        let Some(PresentedCredential::Password { name, password }) =
            read_pair("tje0:a:ø".as_bytes())
        else {
            panic!("not a password");
        };
        assert_eq!((name.as_str(), password.expose_secret()), ("tje0", "a:ø"));
    }

    #[test]
    fn a_ticket_with_a_blank_password_is_a_ticket() {
        let Some(PresentedCredential::Ticket(ticket)) = read_pair(b"7T:AbC==:") else {
            panic!("not a ticket");
        };
        assert_eq!(ticket.expose_secret(), "7T:AbC==");
        assert!(read_pair(b"7T:AbC==:x").is_none());
        assert!(read_pair(b"7T:AbC==").is_none());
    }

    #[test]
    fn what_is_no_pair_is_nothing() {
        assert!(read_pair(b"no colon").is_none());
        assert!(read_pair(b"a:\xff").is_none());
        assert!(read("not base64!").is_none());
        assert!(read("").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (read(&text), read_pair(&bytes));
        }
    }
}
