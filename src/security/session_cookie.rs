//! Session cookies: the user id and 128 random bits in base64url (docs/reference/wire-contract.md).
//!
//! The user id allows lookups by user. The database stores a keyed digest
//! (`ticket_digest.rs`) of the digest of the cookie.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random::{RandomError, random_bytes};
use crate::domain::user::UserId;

/// Length of the user id, which precedes the random bytes.
const USER_ID: usize = size_of::<i32>();
/// Number of random bytes.
const RANDOM: usize = 16;

/// A new session. Its text is sent to the browser once.
pub(crate) struct NewSession {
    pub(crate) text: SecretString,
    pub(crate) digest: Vec<u8>,
}

/// The user and digest of a well-formed cookie.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(crate) struct SessionReference {
    pub(crate) user_id: UserId,
    pub(crate) digest: Vec<u8>,
}

/// Generates a session for a user.
///
/// # Errors
/// When the operating system returns no random bytes.
pub(crate) fn new_session(user_id: UserId) -> Result<NewSession, RandomError> {
    let random = Zeroizing::new(random_bytes::<RANDOM>()?);
    let bytes = Zeroizing::new([&user_id.as_i32().to_be_bytes()[..], &random[..]].concat());
    let text = SecretString::from(URL_SAFE_NO_PAD.encode(&bytes));
    Ok(NewSession { text, digest: Sha256::digest(&bytes).to_vec() })
}

/// Parses a cookie. `None` unless [`new_session`] could have generated it.
pub(crate) fn read_session(text: &SecretString) -> Option<SessionReference> {
    // The decoder rejects every encoding but the canonical one.
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.expose_secret()).ok()?);
    let (user_id, random) = bytes.split_first_chunk::<USER_ID>()?;
    let user_id = UserId::try_from(i32::from_be_bytes(*user_id)).ok()?;
    (random.len() == RANDOM)
        .then(|| SessionReference { user_id, digest: Sha256::digest(&bytes).to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_session_is_parsed_and_unique() {
        let user_id = UserId::try_from(7).unwrap();
        let (one, two) = (new_session(user_id).unwrap(), new_session(user_id).unwrap());
        let read = read_session(&one.text).unwrap();
        assert_eq!(read, SessionReference { user_id, digest: one.digest });
        assert_ne!(two.digest, read.digest);
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let session = new_session(UserId::try_from(7).unwrap()).unwrap();
        let text = session.text.expose_secret();
        let nobody = URL_SAFE_NO_PAD.encode([0; USER_ID + RANDOM]);
        for other in ["", "AAAA", &format!("{text}="), &format!("{text}AAAA"), &text[1..], &nobody]
        {
            assert!(read_session(&SecretString::from(other)).is_none(), "{other}");
        }
    }
}
