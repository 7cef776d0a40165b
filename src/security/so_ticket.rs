//! SoTicket texts: `7T:` and `guid;user-id` in UTF-16LE and Base64
//! (docs/reference/wire-contract.md).
//!
//! The GUID holds 128 random bits. The user id allows lookups by user. The database stores
//! a keyed digest (`ticket_digest.rs`) of the digest of the decoded bytes.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};
use crate::domain::user::UserId;

const PREFIX: &str = "7T:";

/// A new ticket. Its text is shown once.
pub(crate) struct NewTicket {
    pub(crate) text: SecretString,
    pub(crate) digest: Vec<u8>,
}

/// The user and digest of a well-formed ticket.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(crate) struct TicketReference {
    pub(crate) user_id: UserId,
    pub(crate) digest: Vec<u8>,
}

/// Generates a ticket for a user.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn new_ticket(user_id: UserId) -> Result<NewTicket, RandomError> {
    let guid = Uuid::from_bytes(random_bytes::<16>()?);
    let inner = Zeroizing::new(format!("{guid};{user_id}"));
    let bytes: Zeroizing<Vec<u8>> =
        Zeroizing::new(inner.encode_utf16().flat_map(u16::to_le_bytes).collect());
    let encoded = Zeroizing::new(STANDARD.encode(&bytes));
    Ok(NewTicket {
        text: SecretString::from(format!("{PREFIX}{}", *encoded)),
        digest: Sha256::digest(&bytes).to_vec(),
    })
}

/// Parses a ticket. `None` unless [`new_ticket`] could have generated it.
pub(crate) fn read_ticket(text: &SecretString) -> Option<TicketReference> {
    let encoded = text.expose_secret().strip_prefix(PREFIX)?;
    // The decoder rejects every encoding but the canonical one.
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units: Zeroizing<Vec<u16>> =
        Zeroizing::new(pairs.iter().copied().map(u16::from_le_bytes).collect());
    let inner = Zeroizing::new(String::from_utf16(&units).ok()?);
    let (guid, user_id) = inner.split_once(';')?;
    let parsed: i32 = user_id.parse().ok()?;
    let is_canonical = odd.is_empty()
        && Uuid::try_parse(guid).ok()?.hyphenated().to_string() == guid
        && parsed.to_string() == user_id;
    is_canonical.then_some(())?;
    Some(TicketReference {
        user_id: UserId::try_from(parsed).ok()?,
        digest: Sha256::digest(&bytes).to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrap(inner: &str) -> SecretString {
        let bytes: Vec<u8> = inner.encode_utf16().flat_map(u16::to_le_bytes).collect();
        SecretString::from(format!("7T:{}", STANDARD.encode(bytes)))
    }

    #[test]
    fn a_new_ticket_is_parsed_and_unique() {
        let user_id = UserId::try_from(2_147_483_647).unwrap();
        let (one, two) = (new_ticket(user_id).unwrap(), new_ticket(user_id).unwrap());
        let read = read_ticket(&one.text).unwrap();
        assert_eq!(read, TicketReference { user_id, digest: one.digest });
        assert_ne!(two.digest, read.digest);
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let guid = "07f1edd1-0000-4000-8000-00000000b392";
        assert!(read_ticket(&wrap(&format!("{guid};7"))).is_some());
        for inner in [
            format!("{guid};07"),
            format!("{guid};+7"),
            format!("{guid};0"),
            format!("{guid};-1"),
            format!("{guid};7;Cust1"),
            format!("{guid};99999999999"),
            format!("{};7", guid.to_uppercase()),
            format!("{};7", guid.replace('-', "")),
            guid.to_owned(),
        ] {
            assert!(read_ticket(&wrap(&inner)).is_none(), "{inner}");
        }
    }

    #[test]
    fn non_canonical_base64_is_refused() {
        let text = new_ticket(UserId::try_from(12).unwrap()).unwrap().text;
        let text = text.expose_secret();
        for other in [
            text.trim_end_matches('=').to_owned() + "A",
            format!("{text} "),
            text[3..].to_owned(),
            text.to_lowercase(),
        ] {
            assert!(read_ticket(&SecretString::from(other)).is_none());
        }
    }

    proptest! {
        #[test]
        fn parsing_any_text_does_not_panic(text in "(7T:)?\\PC{0,80}") {
            let _ = read_ticket(&SecretString::from(text));
        }
    }
}
